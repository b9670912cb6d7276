//! A consumer for the poll loop of one task. Rebalances wait until the poll loop answers them.
//!
//! [`Consumer::poll`] returns events and passes records on. The poll loop must answer [`ConsumerEvent::Assigned`] with
//! [`Consumer::assign`] and [`ConsumerEvent::Revoked`] with [`Consumer::release`]. Until it does, it keeps polling: a
//! consumer that stops polling is removed from its group after `max.poll.interval.ms`, so neither asking the sink for its
//! offsets nor writing batches in flight may block the poll. Offsets are committed only explicitly, never because a record
//! was polled. A broker outage is logged once, not with each of librdkafka's errors.

mod answers;
mod commit;
mod commit_metadata;
mod context;
mod core;
mod error;
mod event;
mod failure;
mod fatal;
mod group_progress;
mod membership;
mod offset_resolver;
mod outage;
mod poll;
mod reachability;
mod settings;
mod stalls;
mod token;
mod topic_ids;
mod topic_watcher;
mod topics;
mod unowned;

use std::fmt;
use std::sync::Arc;

pub use commit::CommitError;
pub use error::ConsumerError;
pub use event::{ConsumerEvent, Polled, SkippedBatch, TopicsChange};
pub use group_progress::{GroupProgress, GroupQuery};
pub use offset_resolver::{OffsetResolver, ResolvedStarts, StartAt, StartOrigin};
pub use poll::{Consumer, Waker};
pub use settings::{ConsumerSettings, OnLostPosition, OnOversizedBatch, Protocol, Start, Topics};

pub use topic_ids::ClaimedTopics;

use rdkafka::TopicPartitionList;

/// A partition of a topic, displayed as `topic-3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

impl TopicPartition {
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

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The next offset to read.
    pub offset: i64,
    /// Commit metadata that the group stores with the offset; empty for none.
    pub metadata: Arc<[u8]>,
    /// Whether another tool has committed it, such as one that resets offsets.
    pub is_foreign: bool,
}

/// Offsets to commit with their metadata, per partition.
pub type Commits = std::collections::BTreeMap<TopicPartition, Commit>;

/// Commits `positions` without metadata.
#[must_use]
pub fn without_metadata(positions: &Positions) -> Commits {
    let commit = |(at, offset): (&TopicPartition, &i64)| {
        (at.clone(), Commit { offset: *offset, metadata: Arc::default(), is_foreign: false })
    };
    positions.iter().map(commit).collect()
}

/// Kafka's low and high watermark per partition: the first offset of the log and the offset after its last record.
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
