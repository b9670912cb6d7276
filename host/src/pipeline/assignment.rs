//! The partitions that a task has, and how far each is: read, settled, committed.

use std::{collections::HashMap, sync::Arc};

use tidegate_abi::host::{HostState, PartitionPosition};

use super::channels::States;
use crate::kafka::consumer::{Commit, Commits, Positions, StartAt, TopicPartition, Watermarks};

/// Where one partition stands.
#[derive(Debug)]
struct Standing {
    /// Number of this assignment: what was read under an earlier one does not count.
    generation: u64,
    /// Next offset once everything settled so far is counted; `None` until the first record is.
    settled: Option<i64>,
    /// What is known of the records before `settled`.
    state: HostState,
    /// What was known of the records before the first of this assignment.
    claimed: HostState,
    /// Next offset as the group has it.
    committed: Option<i64>,
    /// Next offset at the end of the log when the task got the partition; `None` when nobody asked.
    end: Option<i64>,
    /// Being handed over: no more records are taken.
    leaving: bool,
}

/// The partitions that a task has.
///
/// Batches are settled in the order in which they were read, so one number per partition is the watermark: everything
/// below it is durable, dropped on purpose, or refused and dropped by the policy.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    topics: HashMap<Arc<str>, HashMap<i32, Standing>>,
}

/// A partition that records may be taken from.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) topic: Arc<str>,
    pub(super) generation: u64,
    /// What was known of the records before the first of this assignment.
    pub(super) state: HostState,
}

impl Assignment {
    /// Adds partitions that start where `starts` says, under assignment number `generation`. `states` holds what is known
    /// of the records before, `ends` the ends of their logs, where somebody asked.
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
            let standing = Standing {
                generation,
                settled: start,
                state: states.get(at).cloned(),
                claimed: states.get(at).cloned(),
                // A sink's own offset is committed too, so that lag is seen where people look for it.
                committed: None,
                end: ends.get(at).copied().or(before.and_then(|before| before.end)),
                leaving: false,
            };
            topic.insert(at.partition, standing);
        }
    }

    /// Takes no more records of these partitions; what was read of them is still settled and committed.
    pub(super) fn leave(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(standing) = self.standing_mut(&at.topic, at.partition) {
                standing.leaving = true;
            }
        }
    }

    /// Forgets partitions.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(topic) = self.topics.get_mut(at.topic.as_str()) {
                topic.remove(&at.partition);
            }
        }
    }

    /// The partition's slot, if records of it are taken.
    pub(super) fn slot(&self, topic: &str, partition: i32) -> Option<Slot> {
        let (name, partitions) = self.topics.get_key_value(topic)?;
        let standing = partitions.get(&partition).filter(|standing| !standing.leaving)?;
        let (generation, state) = (standing.generation, standing.claimed.clone());
        Some(Slot { topic: Arc::clone(name), generation, state })
    }

    /// Whether what was read under `generation` still counts, and more records are taken.
    pub(super) fn takes(&self, topic: &str, partition: i32, generation: u64) -> bool {
        self.slot(topic, partition).is_some_and(|slot| slot.generation == generation)
    }

    /// Raises watermarks. Positions of an earlier assignment are somebody else's business.
    pub(super) fn settle(&mut self, positions: &[PartitionPosition]) {
        for position in positions {
            let Some(standing) = self.standing_mut(&position.topic, position.partition) else { continue };
            if standing.generation == position.generation && standing.settled <= Some(position.next_offset) {
                standing.settled = Some(position.next_offset);
                standing.state.clone_from(&position.state);
            }
        }
    }

    /// Watermarks of these partitions, less those of which nothing is settled yet.
    pub(super) fn settled(&self, partitions: &[TopicPartition]) -> Positions {
        let settled = |at: &TopicPartition| {
            let settled = self.topics.get(at.topic.as_str())?.get(&at.partition)?.settled?;
            Some((at.clone(), settled))
        };
        partitions.iter().filter_map(settled).collect()
    }

    /// What is known of the records of these partitions that are settled.
    pub(super) fn states(&self, partitions: &[TopicPartition]) -> States {
        let state = |at: &TopicPartition| {
            let standing = self.topics.get(at.topic.as_str())?.get(&at.partition)?;
            Some((at.clone(), standing.state.clone()?))
        };
        partitions.iter().filter_map(state).collect()
    }

    /// Notes what the group has.
    pub(super) fn committed(&mut self, positions: &Positions) {
        for (at, offset) in positions {
            if let Some(standing) = self.standing_mut(&at.topic, at.partition) {
                standing.committed = Some(standing.committed.unwrap_or(i64::MIN).max(*offset));
            }
        }
    }

    /// Watermarks that the group does not have yet.
    pub(super) fn uncommitted(&self) -> Commits {
        let open = self.all().filter_map(|(topic, partition, standing)| {
            let settled = standing.settled.filter(|settled| standing.committed != Some(*settled))?;
            let metadata = standing.state.clone().unwrap_or_default();
            Some((TopicPartition::new(topic, partition), Commit { offset: settled, metadata }))
        });
        open.collect()
    }

    /// How many partitions the task has.
    pub(super) fn len(&self) -> usize {
        self.topics.values().map(HashMap::len).sum()
    }

    /// How many partitions are settled and committed to the end that their logs had. `read` says how far they are read:
    /// a log may end with control records of transactions, which nobody settles. Nothing may be in flight.
    pub(super) fn at_end(&self, read: &Positions) -> usize {
        let done = |topic: &str, partition: i32, standing: &Standing| {
            let Some(end) = standing.end else { return false };
            let position = || read.get(&TopicPartition::new(topic, partition)).copied();
            let is_committed = standing.settled.is_none() || standing.committed >= standing.settled;
            end == 0 || (is_committed && (standing.settled >= Some(end) || position() >= Some(end)))
        };
        self.all().filter(|(topic, partition, standing)| done(topic, *partition, standing)).count()
    }

    /// How many records the logs hold behind what is settled, or behind `read` where that is further; `None` while a
    /// partition's end is not known.
    pub(super) fn lag(&self, ends: &Watermarks, read: &Positions) -> Option<u64> {
        let lag = |(topic, partition, standing): (&str, i32, &Standing)| {
            let at = TopicPartition::new(topic, partition);
            let (begin, end) = *ends.get(&at)?;
            let position = standing.settled.max(read.get(&at).copied()).unwrap_or(begin);
            Some(end.saturating_sub(position).max(0).unsigned_abs())
        };
        self.all().map(lag).sum()
    }

    fn all(&self) -> impl Iterator<Item = (&str, i32, &Standing)> {
        let partitions = |(topic, partitions)| (topic, partitions);
        self.topics.iter().map(partitions).flat_map(
            |(topic, partitions): (&Arc<str>, &HashMap<i32, Standing>)| {
                partitions.iter().map(move |(partition, standing)| (&**topic, *partition, standing))
            },
        )
    }

    fn standing_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Standing> {
        self.topics.get_mut(topic)?.get_mut(&partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32, generation: u64, next_offset: i64) -> PartitionPosition {
        PartitionPosition { topic: Arc::from("t"), partition, generation, next_offset, state: None }
    }

    fn offsets(assignment: &Assignment) -> Positions {
        assignment.uncommitted().into_iter().map(|(at, commit)| (at, commit.offset)).collect()
    }

    #[test]
    fn the_state_goes_with_the_offset_that_it_belongs_to() {
        let at = TopicPartition::new("t", 0);
        let state = |byte: u8| Some(Arc::from([byte]));
        let mut assignment = Assignment::default();
        let states = States::from([(at.clone(), Arc::from([1]))]);
        assignment.add(1, &[(at.clone(), StartAt::Offset(5))], &states, &HashMap::new());
        let metadata = |assignment: &Assignment| assignment.uncommitted()[&at].metadata.clone();
        assert_eq!(*metadata(&assignment), [1]);
        assignment.settle(&[PartitionPosition { state: state(2), ..position(0, 1, 9) }]);
        assignment.settle(&[PartitionPosition { state: state(3), ..position(0, 1, 7) }]);
        assert_eq!(*metadata(&assignment), [2], "an older position does not count");
        assert_eq!(assignment.states(std::slice::from_ref(&at))[&at], Arc::from([2]));
        assert_eq!(assignment.slot("t", 0).unwrap().state, state(1), "readers begin with what was claimed");
    }

    fn assigned(partition: i32, start: StartAt) -> Assignment {
        let mut assignment = Assignment::default();
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
        assert!(!assignment.takes("t", 0, 1));
        assert!(assignment.takes("t", 0, 2));
    }

    #[test]
    fn a_leaving_partition_takes_no_records_but_is_still_committed() {
        let mut assignment = assigned(0, StartAt::Beginning);
        assignment.leave(&[TopicPartition::new("t", 0)]);
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
        assert_eq!(assignment.lag(&ends, &Positions::from([(at, 100)])), Some(0));
    }

    #[test]
    fn the_end_is_reached_when_it_is_committed() {
        let mut assignment = Assignment::default();
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
        let mut assignment = Assignment::default();
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
