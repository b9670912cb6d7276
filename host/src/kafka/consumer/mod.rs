//! A consumer for one task's poll loop, on which rebalances wait for an answer instead of happening.
//!
//! [`Consumer::poll`] gives messages and events. An [`Event::Assigned`] or [`Event::Revoked`] must be answered,
//! sooner or later, by [`Consumer::assign`] or [`Consumer::release`]; until then the loop goes on polling, so
//! that asking a sink for its offsets or writing what is in flight never costs the task its membership.
//! Offsets are committed only as they are told, never by what was polled. Broker outages are one line in the
//! log, not twenty a second.

mod commit;
mod context;
mod core;
mod denied;
mod error;
mod event;
mod failure;
mod metadata;
mod outage;
mod poll;
mod settings;
mod stalls;
mod start;
mod token;
mod topics;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use commit::CommitError;
pub use error::ConsumerError;
pub use event::{Event, TopicsChange};
pub use poll::Consumer;
pub use settings::{ConsumerSettings, OnLostPosition, Protocol, Start, Topics};
pub use start::{LookUp, StartAt};

use rdkafka::TopicPartitionList;

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Returns partition `partition` of `topic`.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The next offset to read, per partition.
pub type Positions = std::collections::BTreeMap<TopicPartition, i64>;

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The next offset to read.
    pub offset: i64,
    /// Bytes that the group keeps beside the offset; empty for none.
    pub metadata: Arc<[u8]>,
}

/// Positions with what is kept beside them, per partition.
pub type Commits = std::collections::BTreeMap<TopicPartition, Commit>;

/// Commits `positions` with nothing beside them.
#[must_use]
pub fn without_metadata(positions: &Positions) -> Commits {
    let commit = |(at, offset): (&TopicPartition, &i64)| {
        (at.clone(), Commit { offset: *offset, metadata: Arc::default() })
    };
    positions.iter().map(commit).collect()
}

/// The first offset of a log and the one after its last, per partition.
pub type Watermarks = std::collections::BTreeMap<TopicPartition, (i64, i64)>;

fn from_list(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|e| TopicPartition::new(e.topic(), e.partition())).collect()
}

fn to_list<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

#[cfg(test)]
mod tests;
