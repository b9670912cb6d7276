//! The partitions assigned to a task, and how far each of them is read, settled and committed.

use std::{collections::HashMap, sync::Arc};

use tidegate_abi::host::{HostState, PartitionPosition};

use crate::{
    kafka::consumer::{Commit, Commits, Positions, StartAt, TopicPartition, Watermarks},
    pipeline::channels::States,
    telemetry::PartitionLag,
};

/// One assigned partition.
#[derive(Debug)]
struct PartitionState {
    /// Number of this assignment. Records that were read under an earlier one are not settled under this one.
    generation: u64,
    /// The committable offset: that of the next record behind all settled ones; `None` until the first record is settled.
    settled: Option<i64>,
    /// The decoder's state behind the records below `settled`.
    state: HostState,
    /// The decoder's state before the first record of this assignment.
    claimed: HostState,
    /// The offset that the group has.
    committed: Option<i64>,
    /// The end of the log when the partition was assigned; `None` unless the task runs until the end.
    end: Option<i64>,
    /// The partition was revoked, or will be read again: no further records are accepted.
    leaving: bool,
}

/// The partitions assigned to a task.
///
/// Batches are settled in the order in which they were read, so one committable offset per partition is enough: every record
/// below it is durable in the sink, was filtered out by a transform, or was rejected and handled by the error policy.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Partitions {
    topics: HashMap<Arc<str>, HashMap<i32, PartitionState>>,
}

/// A partition whose records are accepted.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) topic: Arc<str>,
    pub(super) generation: u64,
    /// The decoder's state before the first record of this assignment.
    pub(super) state: HostState,
}

impl Partitions {
    /// Adds partitions that are read from `starts` on, under assignment number `generation`. `states` holds the decoder's
    /// states there, `ends` the ends of the logs if the task runs until the end.
    pub(super) fn add(
        &mut self,
        generation: u64,
        starts: &[(TopicPartition, StartAt)],
        states: &States,
        ends: &HashMap<TopicPartition, i64>,
    ) {
        for (at, start) in starts {
            let start = match start {
                StartAt::Offset(offset) => Some(*offset),
                StartAt::Beginning => None,
            };
            let topic = self.topics.entry(Arc::from(at.topic.as_str())).or_default();
            let before = topic.get(&at.partition);
            let partition_state = PartitionState {
                generation,
                settled: start,
                state: states.get(at).cloned(),
                claimed: states.get(at).cloned(),
                // A sink's own offset is committed too, so that Kafka's tools show the lag.
                committed: None,
                end: ends.get(at).copied().or(before.and_then(|before| before.end)),
                leaving: false,
            };
            topic.insert(at.partition, partition_state);
        }
    }

    /// Accepts no further records of these partitions. Records that were read before are still settled and committed.
    pub(super) fn stop_reading(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(partition_state) = self.state_mut(&at.topic, at.partition) {
                partition_state.leaving = true;
            }
        }
    }

    /// Removes partitions.
    pub(in crate::pipeline) fn remove(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(topic) = self.topics.get_mut(at.topic.as_str()) {
                topic.remove(&at.partition);
            }
        }
    }

    /// The partition's slot, if its records are accepted.
    pub(super) fn slot(&self, topic: &str, partition: i32) -> Option<Slot> {
        let (name, partitions) = self.topics.get_key_value(topic)?;
        let partition_state =
            partitions.get(&partition).filter(|partition_state| !partition_state.leaving)?;
        let (generation, state) = (partition_state.generation, partition_state.claimed.clone());
        Some(Slot { topic: Arc::clone(name), generation, state })
    }

    /// The partitions whose records are accepted.
    pub(super) fn reading(&self) -> Vec<TopicPartition> {
        let reading = self.all().filter(|(_, _, partition_state)| !partition_state.leaving);
        reading.map(|(topic, partition, _)| TopicPartition::new(topic, partition)).collect()
    }

    /// Whether records of the partition are read under this generation.
    pub(super) fn is_reading(&self, topic: &str, partition: i32, generation: u64) -> bool {
        self.slot(topic, partition).is_some_and(|slot| slot.generation == generation)
    }

    /// Raises committable offsets. Positions of an earlier assignment are ignored: the records are read again.
    pub(super) fn settle(&mut self, positions: &[PartitionPosition]) {
        for position in positions {
            let Some(partition_state) = self.state_mut(&position.topic, position.partition) else { continue };
            if partition_state.generation == position.generation
                && partition_state.settled <= Some(position.next_offset)
            {
                partition_state.settled = Some(position.next_offset);
                partition_state.state.clone_from(&position.state);
            }
        }
    }

    /// Committable offsets of those of these partitions that have one.
    pub(super) fn committable(&self, partitions: &[TopicPartition]) -> Positions {
        let settled = |at: &TopicPartition| {
            let settled = self.topics.get(at.topic.as_str())?.get(&at.partition)?.settled?;
            Some((at.clone(), settled))
        };
        partitions.iter().filter_map(settled).collect()
    }

    /// The decoder's states at the committable offsets of these partitions.
    pub(super) fn states(&self, partitions: &[TopicPartition]) -> States {
        let state = |at: &TopicPartition| {
            let partition_state = self.topics.get(at.topic.as_str())?.get(&at.partition)?;
            Some((at.clone(), partition_state.state.clone()?))
        };
        partitions.iter().filter_map(state).collect()
    }

    /// Records the group's committed offsets.
    pub(super) fn committed(&mut self, positions: &Positions) {
        for (at, offset) in positions {
            if let Some(partition_state) = self.state_mut(&at.topic, at.partition) {
                // Answers come in the order of the commits. After a rewind the last one may be lower than those before.
                partition_state.committed = Some(*offset);
            }
        }
    }

    /// Committable offsets that the group does not have yet.
    pub(in crate::pipeline) fn uncommitted(&self) -> Commits {
        let open = self.all().filter_map(|(topic, partition, partition_state)| {
            let settled =
                partition_state.settled.filter(|settled| partition_state.committed != Some(*settled))?;
            let metadata = partition_state.state.clone().unwrap_or_default();
            Some((
                TopicPartition::new(topic, partition),
                Commit { offset: settled, metadata, is_foreign: false },
            ))
        });
        open.collect()
    }

    /// Number of assigned partitions.
    pub(super) fn len(&self) -> usize {
        self.topics.values().map(HashMap::len).sum()
    }

    /// Number of partitions that are settled and committed to the end that their logs had at assignment. `read` holds the
    /// consumer's positions: a log may end with control records of transactions, which are read but never settled. Call it
    /// only while nothing is in flight.
    pub(super) fn at_end(&self, read: &Positions) -> usize {
        let done = |topic: &str, partition: i32, partition_state: &PartitionState| {
            let Some(end) = partition_state.end else { return false };
            let position = || read.get(&TopicPartition::new(topic, partition)).copied();
            let is_committed =
                partition_state.settled.is_none() || partition_state.committed >= partition_state.settled;
            end == 0 || (is_committed && (partition_state.settled >= Some(end) || position() >= Some(end)))
        };
        self.all()
            .filter(|(topic, partition, partition_state)| done(topic, *partition, partition_state))
            .count()
    }

    /// Number of records between the committable offsets, or the positions in `read` where those are higher, and the ends of
    /// the logs; `None` without partitions, and while the end of one is unknown.
    pub(super) fn lag(&self, ends: &Watermarks, read: &Positions) -> Option<u64> {
        let lag = |(topic, partition, partition_state): (&str, i32, &PartitionState)| {
            let at = TopicPartition::new(topic, partition);
            let (begin, end) = *ends.get(&at)?;
            let position = partition_state.settled.max(read.get(&at).copied()).unwrap_or(begin);
            Some(end.saturating_sub(position).max(0).unsigned_abs())
        };
        if self.len() == 0 {
            return None;
        }
        self.all().map(lag).sum()
    }

    /// The lag of each partition, from its committable offset to the end of its log, if that is known.
    pub(super) fn lags(&self, ends: &Watermarks) -> Vec<PartitionLag> {
        let lag = |(topic, partition, partition_state): (&str, i32, &PartitionState)| {
            let (begin, end) = *ends.get(&TopicPartition::new(topic, partition))?;
            let records = end.saturating_sub(partition_state.settled.unwrap_or(begin)).max(0).unsigned_abs();
            Some(PartitionLag { topic: topic.to_owned(), partition, records })
        };
        self.all().filter_map(lag).collect()
    }

    fn all(&self) -> impl Iterator<Item = (&str, i32, &PartitionState)> {
        let partitions = |(topic, partitions)| (topic, partitions);
        self.topics.iter().map(partitions).flat_map(
            |(topic, partitions): (&Arc<str>, &HashMap<i32, PartitionState>)| {
                partitions
                    .iter()
                    .map(move |(partition, partition_state)| (&**topic, *partition, partition_state))
            },
        )
    }

    fn state_mut(&mut self, topic: &str, partition: i32) -> Option<&mut PartitionState> {
        self.topics.get_mut(topic)?.get_mut(&partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32, generation: u64, next_offset: i64) -> PartitionPosition {
        PartitionPosition { topic: Arc::from("t"), partition, generation, next_offset, state: None }
    }

    fn offsets(assignment: &Partitions) -> Positions {
        assignment.uncommitted().into_iter().map(|(at, commit)| (at, commit.offset)).collect()
    }

    #[test]
    fn the_state_goes_with_the_offset_that_it_belongs_to() {
        let at = TopicPartition::new("t", 0);
        let state = |byte: u8| Some(Arc::from([byte]));
        let mut assignment = Partitions::default();
        let states = States::from([(at.clone(), Arc::from([1]))]);
        assignment.add(1, &[(at.clone(), StartAt::Offset(5))], &states, &HashMap::new());
        let metadata = |assignment: &Partitions| assignment.uncommitted()[&at].metadata.clone();
        assert_eq!(*metadata(&assignment), [1]);
        assignment.settle(&[PartitionPosition { state: state(2), ..position(0, 1, 9) }]);
        assignment.settle(&[PartitionPosition { state: state(3), ..position(0, 1, 7) }]);
        assert_eq!(*metadata(&assignment), [2], "an older position does not count");
        assert_eq!(assignment.states(std::slice::from_ref(&at))[&at], Arc::from([2]));
        assert_eq!(assignment.slot("t", 0).unwrap().state, state(1), "readers begin with what was claimed");
    }

    fn assigned(partition: i32, start: StartAt) -> Partitions {
        let mut assignment = Partitions::default();
        assignment.add(1, &[(TopicPartition::new("t", partition), start)], &States::new(), &HashMap::new());
        assignment
    }

    #[test]
    fn what_is_settled_is_committed_once() {
        let mut assignment = assigned(0, StartAt::Beginning);
        assert!(assignment.uncommitted().is_empty());
        assignment.settle(&[position(0, 1, 10)]);
        let open = offsets(&assignment);
        assert_eq!(open.get(&TopicPartition::new("t", 0)), Some(&10));
        assignment.committed(&open);
        assert!(assignment.uncommitted().is_empty());
    }

    #[test]
    fn what_was_read_before_a_rebalance_does_not_count() {
        let mut assignment = assigned(0, StartAt::Offset(5));
        let at = [TopicPartition::new("t", 0)];
        assignment.remove(&at);
        assignment.add(2, &[(at[0].clone(), StartAt::Offset(7))], &States::new(), &HashMap::new());
        assignment.settle(&[position(0, 1, 100)]);
        assert_eq!(offsets(&assignment).get(&at[0]), Some(&7));
        assert!(!assignment.is_reading("t", 0, 1));
        assert!(assignment.is_reading("t", 0, 2));
    }

    #[test]
    fn a_leaving_partition_takes_no_records_but_is_still_committed() {
        let mut assignment = assigned(0, StartAt::Beginning);
        assignment.stop_reading(&[TopicPartition::new("t", 0)]);
        assert!(assignment.slot("t", 0).is_none());
        assignment.settle(&[position(0, 1, 3)]);
        assert_eq!(assignment.uncommitted().len(), 1);
    }

    #[test]
    fn lag_is_what_is_not_settled() {
        let mut assignment = assigned(0, StartAt::Beginning);
        let at = TopicPartition::new("t", 0);
        let (nothing, ends) = (Positions::new(), Watermarks::from([(at.clone(), (10, 100))]));
        assert_eq!(assignment.lag(&Watermarks::new(), &nothing), None);
        assert_eq!(assignment.lag(&ends, &nothing), Some(90));
        assignment.settle(&[position(0, 1, 40)]);
        assert_eq!(assignment.lag(&ends, &nothing), Some(60));
        assert_eq!(assignment.lags(&ends)[0].records, 60);
        assert_eq!(assignment.lag(&ends, &Positions::from([(at, 100)])), Some(0));
    }

    #[test]
    fn the_end_is_reached_when_it_is_committed() {
        let mut assignment = Partitions::default();
        let (full, empty) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        let ends = HashMap::from([(full.clone(), 4), (empty.clone(), 0)]);
        assignment.add(1, &[(full, StartAt::Beginning), (empty, StartAt::Beginning)], &States::new(), &ends);
        let read = Positions::new();
        assert_eq!(assignment.at_end(&read), 1);
        assignment.settle(&[position(0, 1, 4)]);
        assert_eq!(assignment.at_end(&read), 1);
        let open = offsets(&assignment);
        assignment.committed(&open);
        assert_eq!(assignment.at_end(&read), 2);
    }

    #[test]
    fn control_records_at_the_end_are_read_and_never_settled() {
        let mut assignment = Partitions::default();
        let at = TopicPartition::new("t", 0);
        assignment.add(
            1,
            &[(at.clone(), StartAt::Beginning)],
            &States::new(),
            &HashMap::from([(at.clone(), 5)]),
        );
        assignment.settle(&[position(0, 1, 4)]);
        let read = Positions::from([(at, 5)]);
        assert_eq!(assignment.at_end(&read), 0);
        let open = offsets(&assignment);
        assignment.committed(&open);
        assert_eq!((assignment.at_end(&Positions::new()), assignment.at_end(&read)), (0, 1));
    }
}
