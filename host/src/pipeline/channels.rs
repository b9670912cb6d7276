//! Messages between the three threads of a task.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc::Sender},
    time::Instant,
};

use tidegate_abi::host::{Batch, PartitionPosition};

use super::{
    error::{Stage, TaskError},
    message::{Reopen, TaskCommand},
};
use crate::{
    kafka::consumer::{GroupProgress, Positions, StartAt, StartOrigin, TopicPartition, Waker, Watermarks},
    plugins::CallError,
};

/// The decoder's states at an offset, per partition: stored with the offset, and opaque to all other code.
pub(super) type States = HashMap<TopicPartition, Arc<[u8]>>;

/// Nobody receives the messages any more.
#[derive(Debug)]
pub(super) struct PollLoopEnded;

/// Sends messages to the poll loop.
#[derive(Clone, Debug)]
pub(super) struct PollSender {
    messages: Sender<PollMessage>,
    /// Ends the poll loop's wait for records. Without a poll loop, as in tests, there is none.
    waker: Option<Waker>,
}

impl PollSender {
    pub(super) fn new(messages: Sender<PollMessage>, waker: Option<Waker>) -> Self {
        Self { messages, waker }
    }

    /// Sends a message, which the poll loop handles at once.
    ///
    /// # Errors
    /// When the poll loop has ended.
    pub(super) fn send(&self, message: PollMessage) -> Result<(), PollLoopEnded> {
        self.messages.send(message).map_err(|_| PollLoopEnded)?;
        if let Some(waker) = &self.waker {
            waker.wake();
        }
        Ok(())
    }
}

/// To the poll loop.
#[derive(Debug)]
pub(super) enum PollMessage {
    /// From the supervisor.
    Command(TaskCommand),
    /// The transform worker is idle.
    WorkerReady,
    /// The sink is open.
    SinkOpen,
    /// The sink has claimed partitions.
    Claimed(Claimed),
    /// Where the logs of paused partitions begin and end.
    Ends(Watermarks),
    /// The ends of the logs, and what the group has committed unless that could not be queried.
    Group(Positions, Option<GroupProgress>),
    /// Part of a batch is settled.
    Settled(Settled),
    /// Records of a partition could not be written for now, and were dropped; they must be read again.
    PartitionFailed(PartitionFailure),
    /// The transform worker begins to open changed plugins.
    Reopening,
    /// The sink worker has opened them, too.
    Reopened,
    /// The sink was replaced by another one, which has to claim the partitions of the task.
    SinkReplaced,
    /// A worker waits until it makes a failed call again; `None` when it does not any more.
    Retrying(Worker, Option<Retry>),
    /// All of a batch is settled, or, if the sink is durable on flush, will be with the next flush. It is returned so that its
    /// memory is reused.
    BatchDone(Batch),
    /// The sink was flushed: everything that it has written is settled, which [`PollMessage::Settled`] has reported before. So many consumed
    /// records were rejected.
    Flushed { rejected: usize },
    /// So many rejected records were written to a dead-letter topic.
    DeadLettered(usize),
    /// Why dead letters cannot be written for now; `None` when they can again.
    DeadLettersBlocked(Option<String>),
    /// Why schemas cannot be fetched from the schema registry for now; `None` when they can again.
    RegistryBlocked(Option<String>),
    /// A stage has failed. It drops its plugins next, which may take long.
    StageFailed(TaskError),
    /// A stage's thread has ended.
    StageEnded(Result<(), TaskError>),
}

/// One of the two threads that call plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worker {
    Transform = 0,
    Sink = 1,
}

/// A failed call that is made again.
#[derive(Clone, Debug)]
pub(super) struct Retry {
    /// Which stage failed, and why.
    pub(super) reason: String,
    /// How often it has failed.
    pub(super) attempt: u32,
    /// When it is made again.
    pub(super) next: Instant,
}

/// To the transform worker.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are batches, which are reused: a box would be one more allocation"
)]
pub(super) enum WorkerInput {
    /// Decode and transform it, and send it to the sink worker.
    Batch(Batch),
    /// Close transforms and open them again, then pass this on to the sink worker, so that both take effect between the same two
    /// batches.
    Reopen(Reopen),
}

/// To the sink worker.
#[derive(Debug)]
pub(super) enum SinkInput {
    /// Write it.
    Batch(Batch),
    /// Claim these partitions, and find out where they start.
    Claim {
        /// Number of this assignment.
        generation: u64,
        partitions: Vec<TopicPartition>,
        /// Where partitions that are read again continue, unless the sink has stored an offset.
        committable: Positions,
        /// The decoder's states there.
        states: States,
    },
    /// Flush it.
    Flush,
    /// The task does not own these partitions any more.
    Release(Vec<TopicPartition>),
    /// Close the sink and open it again.
    Reopen(Reopen),
}

/// Claimed partitions, and where they start.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    /// Number of the assignment that this answers.
    pub(super) generation: u64,
    pub(super) starts: Vec<(TopicPartition, StartAt)>,
    /// Why each of them starts there.
    pub(super) origins: Vec<StartOrigin>,
    /// The decoder's states there.
    pub(super) states: States,
    /// Ends of the logs, with `until_end` only.
    pub(super) ends: HashMap<TopicPartition, i64>,
    /// Number of partitions of all topics, with `until_end` and topics given by name only.
    pub(super) total: Option<u32>,
    /// The sink stores offsets: those of the group only show the lag.
    pub(super) stores_offsets: bool,
}

/// A partition whose records could not be written for now.
#[derive(Debug)]
pub(super) struct PartitionFailure {
    pub(super) partition: TopicPartition,
    /// Number of the assignment that the records were read under.
    pub(super) generation: u64,
    pub(super) stage: Stage,
    pub(super) error: CallError,
}

/// A part of a batch that is settled.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) positions: Vec<PartitionPosition>,
    pub(super) delivered: usize,
}
