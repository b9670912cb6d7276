//! What is known of one partition: the logs of the sources that write to it.

use tidegate_abi::host::HostState;

use super::{
    codec,
    event::Event,
    log::{Placed, SourceLog},
    seen::MAX_SEEN,
};

/// Sources that are remembered of one partition. Where each table is a source, there are more than a few.
pub(super) const MAX_SOURCES: usize = 24;

/// Sources that are remembered whatever is known of them.
const FEW_SOURCES: usize = 8;

/// Each further source takes the place of this many events, so that the state fits into Kafka's commit metadata.
const EVENTS_PER_SOURCE: usize = 4;

/// What is known of the order in one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct PartitionOrder {
    /// Generation of sources that are not known (any more).
    pub(super) base: u64,
    /// Whether the partition was read from its first record on.
    pub(super) knows_all: bool,
    /// The sources, the latest last.
    pub(super) sources: Vec<SourceLog>,
    /// The state as bytes, until it changes.
    encoded: HostState,
}

impl PartialEq for PartitionOrder {
    fn eq(&self, other: &Self) -> bool {
        (self.base, self.knows_all, &self.sources) == (other.base, other.knows_all, &other.sources)
    }
}

impl PartitionOrder {
    /// A partition of which just this is known.
    pub(super) fn new(base: u64, knows_all: bool, sources: Vec<SourceLog>) -> Self {
        Self { base, knows_all, sources, encoded: None }
    }

    /// A partition that is read for the first time, from the record at `offset` on.
    pub(super) fn read_from(offset: i64) -> Self {
        Self { knows_all: offset == 0, ..Self::default() }
    }

    /// Gives an event of `source` its place.
    pub(super) fn place(&mut self, source: u64, event: &Event) -> Placed {
        self.encoded = None;
        let log = match self.sources.iter().position(|log| log.source == source) {
            Some(at) => self.sources.remove(at),
            None => SourceLog::new(source, self.base, event, self.knows_all),
        };
        self.sources.push(log);
        let placed = self.sources.last_mut().map(|log| log.place(event));
        self.keep_bounds();
        placed.unwrap_or(Placed { generation: self.base, resent: false, warning: None })
    }

    /// Where an event without a position belongs: behind the last one of its source, or of the latest source where the
    /// event does not name its own.
    pub(super) fn inherited(&self, source: u64, is_named: bool) -> (u64, Option<[u64; 4]>) {
        let log = match is_named {
            true => self.sources.iter().find(|log| log.source == source),
            false => self.sources.last(),
        };
        log.map_or((self.base, None), |log| (log.generation, Some(log.high)))
    }

    /// The same for a partition whose log in Kafka began again.
    pub(super) fn in_new_topic(self) -> Self {
        let highest = self.sources.iter().map(|log| log.generation).max();
        let base = self.base.max(highest.unwrap_or_default()) + 1;
        Self { base, knows_all: true, ..Self::default() }
    }

    /// The state as bytes.
    pub(super) fn encoded(&mut self) -> HostState {
        if self.encoded.is_none() {
            self.encoded = Some(codec::encode(self).into());
        }
        self.encoded.clone()
    }

    /// How many sources without writers and former logs have the size of these.
    fn weight(&self) -> usize {
        let weight = |log: &SourceLog| 1 + log.writers.len().div_ceil(3) + usize::from(log.former.is_some());
        self.sources.iter().map(weight).sum()
    }

    /// The memory is bounded: what is oldest is forgotten.
    fn keep_bounds(&mut self) {
        while self.sources.len() > FEW_SOURCES && self.weight() > MAX_SOURCES {
            // Should it come back, its events count as those of a log that is no older, and any may have been read before.
            self.base = self.base.max(self.sources.remove(0).generation);
            self.knows_all = false;
        }
        let further = self.sources.len().saturating_sub(FEW_SOURCES);
        let most = MAX_SEEN.saturating_sub(further * EVENTS_PER_SOURCE);
        while self.sources.iter().map(|log| log.seen.len()).sum::<usize>() > most {
            let longest = self.sources.iter_mut().max_by_key(|log| log.seen.len());
            longest.into_iter().for_each(SourceLog::forget_oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::order::log::OrderWarning;

    /// A row of a table of TiCDC, committed at a millisecond.
    fn event(at_ms: u64) -> Event {
        Event {
            words: [at_ms << 18, 0, 0, 0],
            check: at_ms as u32,
            transaction: at_ms as u32 | 1,
            committed_ms: i64::try_from(at_ms).ok(),
            writer: None,
            is_snapshot: false,
            is_unique: true,
        }
    }

    const START: u64 = 1_700_000_000_000;

    #[test]
    fn many_tables_are_remembered_and_stored_without_loss() {
        let mut order = PartitionOrder::read_from(0);
        for count in 0..1_000 {
            let table = count % MAX_SOURCES as u64;
            // Tables are not in order among each other.
            let placed = order.place(table, &event(START + count * 1_000 - table * 5_000));
            assert_eq!((placed.generation, placed.resent, placed.warning), (0, false, None), "{count}");
        }
        assert_eq!(order.sources.len(), MAX_SOURCES);
        let bytes = order.encoded().unwrap();
        assert_eq!(codec::decode(&bytes).unwrap(), order, "{} bytes", bytes.len());
    }

    #[test]
    fn a_table_that_was_forgotten_does_not_begin_again() {
        let mut order = PartitionOrder::read_from(0);
        for table in 0..=MAX_SOURCES as u64 {
            order.place(table, &event(START));
            order.place(table, &event(START + 1_000));
        }
        assert!(!order.knows_all);
        // Its last events are sent again.
        assert_eq!(order.place(0, &event(START + 1_000)).warning, None);
        let placed = order.place(0, &event(START));
        assert_eq!((placed.resent, placed.warning), (true, Some(OrderWarning::AssumedResent)));
    }
}
