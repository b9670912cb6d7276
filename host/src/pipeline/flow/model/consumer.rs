//! The consumer of the model: assigned partitions, positions, pauses, and a group that assigns and revokes.
//!
//! It panics where librdkafka would return an error that fails the task.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    kafka::consumer::{Commits, StartAt, TopicPartition},
    pipeline::flow::KafkaEvent,
};

pub(super) fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// A rebalance that waits for the task's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PendingRebalance {
    Assign(i32),
    Revoke(i32),
}

#[derive(Default)]
pub(super) struct Consumer {
    pub(super) is_member: bool,
    pub(super) pending: Option<PendingRebalance>,
    /// The position of each partition that is read.
    pub(super) positions: BTreeMap<i32, i64>,
    /// Partitions that are paused one by one.
    paused: BTreeSet<i32>,
    is_paused: bool,
    /// Events that were not polled yet.
    pub(super) events: VecDeque<KafkaEvent>,
    /// Commits that were not answered yet.
    pub(super) commits: VecDeque<Commits>,
}

impl Consumer {
    /// Whether the group counts a partition as this task's.
    pub(super) fn owns(&self, partition: i32) -> bool {
        self.positions.contains_key(&partition) || self.pending == Some(PendingRebalance::Assign(partition))
    }

    pub(super) fn returns_records_of(&self, partition: i32) -> bool {
        !self.is_paused && !self.paused.contains(&partition) && self.positions.contains_key(&partition)
    }

    pub(super) fn group_assigns(&mut self, partition: i32) {
        if self.is_member && self.pending.is_none() && !self.owns(partition) {
            self.pending = Some(PendingRebalance::Assign(partition));
            self.events.push_back(KafkaEvent::Assigned(vec![at(partition)]));
        }
    }

    pub(super) fn group_revokes(&mut self, partition: i32) {
        if self.pending.is_none() && self.positions.contains_key(&partition) {
            self.pending = Some(PendingRebalance::Revoke(partition));
            self.events.push_back(KafkaEvent::Revoked(vec![at(partition)]));
        }
    }

    /// The group removes the task: it revokes all partitions, and an assignment or a revocation that waits for its
    /// answer is void.
    pub(super) fn group_goes_on(&mut self) {
        self.pending = None;
        self.paused.clear();
        self.commits.clear();
        let partitions = std::mem::take(&mut self.positions);
        if !partitions.is_empty() {
            self.events.push_back(KafkaEvent::Lost(partitions.into_keys().map(at).collect()));
        }
    }

    /// The position is outside of the log: the consumer pauses the partition, and the poll returns this event at once.
    pub(super) fn lose_position(&mut self, partition: i32) -> Option<KafkaEvent> {
        if !self.returns_records_of(partition) {
            return None;
        }
        self.paused.insert(partition);
        Some(KafkaEvent::PositionsLost(vec![at(partition)]))
    }

    /// Starts reading; returns false if another rebalance came first.
    pub(super) fn assign(&mut self, starts: &[(TopicPartition, StartAt)]) -> bool {
        let is_rebalance = |event: &KafkaEvent| {
            matches!(event, KafkaEvent::Assigned(_) | KafkaEvent::Revoked(_) | KafkaEvent::Lost(_))
        };
        if self.events.iter().any(is_rebalance) {
            return false;
        }
        let Some(PendingRebalance::Assign(partition)) = self.pending else { return false };
        let Some((_, start)) = starts.iter().find(|(at, _)| at.partition == partition) else { return false };
        let StartAt::Offset(offset) = *start else { panic!("no offset for {partition}") };
        self.pending = None;
        self.positions.insert(partition, offset);
        true
    }

    pub(super) fn rewind(&mut self, starts: &[(TopicPartition, StartAt)]) {
        for (at, start) in starts {
            let StartAt::Offset(offset) = *start else { panic!("no offset for {at}") };
            if self.was_lost(at) {
                continue;
            }
            assert!(self.paused.remove(&at.partition), "{at} is rewound, and was not paused");
            assert!(self.positions.contains_key(&at.partition), "{at} is rewound, and is not this task's");
            self.positions.insert(at.partition, offset);
        }
    }

    pub(super) fn pause_partition(&mut self, at: &TopicPartition) {
        if self.was_lost(at) {
            return;
        }
        assert!(self.positions.contains_key(&at.partition), "{at} is paused, and is not this task's");
        self.paused.insert(at.partition);
    }

    /// Whether the group has revoked the partition, and the event that reports it was not polled yet.
    fn was_lost(&self, at: &TopicPartition) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, KafkaEvent::Lost(partitions) if partitions.contains(at)))
    }

    pub(super) fn set_paused(&mut self, is_paused: bool) {
        assert_ne!(self.is_paused, is_paused, "paused or resumed twice");
        self.is_paused = is_paused;
    }

    pub(super) fn release(&mut self) {
        // Nothing happens without a revocation: it may be void by now.
        if let Some(PendingRebalance::Revoke(partition)) = self.pending {
            self.pending = None;
            self.positions.remove(&partition);
            self.paused.remove(&partition);
            // Positions of partitions that are given up are not committed any more.
            for commits in &mut self.commits {
                commits.remove(&at(partition));
            }
        }
    }
}
