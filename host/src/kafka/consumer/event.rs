//! Events of the consumer.

use super::{CommitError, ConsumerError, Positions, TopicPartition};
use crate::kafka::ffi::FetchError;

/// A change of the topics that match a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsChange {
    /// Number of partitions of all subscribed topics. 0 when no topic matches; the consumer is then in no group.
    pub partitions: usize,
    /// Topics that were added to the subscription.
    pub appeared: Vec<String>,
    /// Topics that were deleted, or that this user may no longer see.
    pub gone: Vec<String>,
    /// Topics that match but are not read because they start with `__`; only those not reported before.
    pub reserved: Vec<String>,
    /// Topics that match but are not read because they are the connector's own dead-letter topics; only those not reported
    /// before.
    pub own_dead_letter_topics: Vec<String>,
}

/// A result of [`Consumer::poll`](super::Consumer::poll).
#[derive(Debug)]
pub enum Polled {
    /// No event and no record arrived in time.
    Nothing,
    /// Records were passed on, or wait to be by the next poll.
    Records,
    /// A batch was skipped; records may have been passed on before it.
    Skipped(SkippedBatch),
    /// An event; records may have been passed on before it.
    Event(ConsumerEvent),
}

/// A batch that unpacks to more than the task may take, and that the settings say to skip. The position is behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct SkippedBatch {
    pub topic: String,
    pub partition: i32,
    /// The offset of its first record.
    pub offset: i64,
    /// Its last offset, its codec and size, and the limit.
    pub reason: String,
}

impl SkippedBatch {
    /// The batch, if the error of its partition is only the notice that it was skipped.
    pub(super) fn of(error: &FetchError) -> Option<Self> {
        let reason = error.skipped()?.to_owned();
        let FetchError { topic, partition, offset, .. } = error;
        Some(Self { topic: topic.clone(), partition: *partition, offset: *offset, reason })
    }
}

/// An event of a consumer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// The group assigned these partitions to this task, in addition to those it has. Answer with
    /// [`Consumer::assign`](super::Consumer::assign); nothing is read from them before. An empty list needs no answer.
    Assigned(Vec<TopicPartition>),
    /// The group revoked these partitions.
    Revoked {
        partitions: Vec<TopicPartition>,
        /// True when the partitions are already lost because the group removed this member. Commits for them fail, no
        /// answer is needed, and a pending assignment is void. When false, finish and commit what is in flight, then
        /// answer with [`Consumer::release`](super::Consumer::release).
        lost: bool,
    },
    /// The positions of these partitions are outside their logs, and the settings do not make that an error. The
    /// partitions are [held](super::Consumer::hold) until they are [rewound](super::Consumer::rewind) to a valid offset.
    LostPositions(Vec<TopicPartition>),
    /// The topics that match the pattern, or their partitions, changed. Also sent when they are known for the first time.
    Topics(TopicsChange),
    /// A commit requested with [`Consumer::commit_async`](super::Consumer::commit_async) finished. After an error the same
    /// offsets are retried.
    CommitDone(Result<Positions, CommitError>),
    /// Nothing can be read at the moment, for this reason. The consumer keeps trying. Already logged.
    Stalled(String),
    /// The stall is over. Already logged.
    Recovered,
    /// The consumer cannot continue and must be closed. Sent once.
    Fatal(ConsumerError),
}
