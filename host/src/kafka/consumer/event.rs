//! What a poll of the consumer gives.

use rdkafka::message::BorrowedMessage;

use super::{CommitError, ConsumerError, Positions, TopicPartition};

/// What has become of the topics that a pattern takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsChange {
    /// Partitions of all topics that are subscribed to now; none: no topic matches, and the consumer is in no group.
    pub partitions: usize,
    /// Topics that are subscribed to from now on.
    pub appeared: Vec<String>,
    /// Topics that were, and are not there any more, or not for this user.
    pub gone: Vec<String>,
    /// Topics that match and are not read because they begin with `__`, as far as that was not told yet.
    pub reserved: Vec<String>,
    /// Topics that match and are not read because the connector's own dead letters go there, as far as that was not told yet.
    pub letters: Vec<String>,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A record. It borrows librdkafka's fetch buffer: copy what you need and drop it.
    Message(BorrowedMessage<'a>),
    /// The group gives these partitions to this task, in addition to those it has. Answer with
    /// [`Consumer::assign`](super::Consumer::assign); nothing is read from them before. Empty when the task gets
    /// none this time (no answer needed).
    Assigned(Vec<TopicPartition>),
    /// The group takes these partitions away.
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// True when they are gone already (the group went on without this task): commits for them fail, no
        /// answer is needed, and an assignment that still waits for its answer is void. False: finish and commit
        /// what is in flight, then answer with [`Consumer::release`](super::Consumer::release).
        lost: bool,
    },
    /// The positions of these partitions lie outside their logs, and the settings say not to fail: they are
    /// [held](super::Consumer::hold). Find out where they start, and [rewind](super::Consumer::rewind) them.
    LostPositions(Vec<TopicPartition>),
    /// The pattern takes other topics than before, or their partitions are others. Told first once they are known.
    Topics(TopicsChange),
    /// A commit that was asked for with [`Consumer::commit_async`](super::Consumer::commit_async) ended. After
    /// an error the same positions are tried again, on their own or with the next commit.
    CommitDone(Result<Positions, CommitError>),
    /// Nothing can be read for now, for this reason; the consumer goes on trying. Already logged.
    Stalled(String),
    /// What stalled is over. Already logged.
    Recovered,
    /// The consumer cannot go on: close it. Told once.
    Fatal(ConsumerError),
}
