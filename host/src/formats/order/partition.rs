//! What is known of one partition: the logs of the sources that write to it.

use tidegate_abi::host::HostState;

use super::{
    codec,
    event::Event,
    log::{Placed, SourceLog},
    seen::MAX_SEEN,
};

/// Sources that are remembered of one partition.
pub(super) const MAX_SOURCES: usize = 8;

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

    /// The memory is bounded: what is oldest is forgotten.
    fn keep_bounds(&mut self) {
        if self.sources.len() > MAX_SOURCES {
            // Should it come back, its events count as those of a log that is no older.
            self.base = self.base.max(self.sources.remove(0).generation);
        }
        while self.sources.iter().map(|log| log.seen.len()).sum::<usize>() > MAX_SEEN {
            let longest = self.sources.iter_mut().max_by_key(|log| log.seen.len());
            longest.into_iter().for_each(SourceLog::forget_oldest);
        }
    }
}
