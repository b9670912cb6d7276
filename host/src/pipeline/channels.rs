//! What the three roles of a task send each other.

use std::{collections::HashMap, sync::Arc};

use tidegate_abi::host::{Batch, PartitionPosition};

use super::{
    error::{Stage, TaskError},
    message::TaskCommand,
};
use crate::{
    kafka::consumer::{Positions, StartAt, TopicPartition, Watermarks},
    plugins::CallError,
};

/// What is known of the records of partitions before an offset, as decoders give it.
pub(super) type States = HashMap<TopicPartition, Arc<[u8]>>;

/// What the poll loop is sent.
#[derive(Debug)]
pub(super) enum Inbox {
    /// From the supervisor.
    Command(TaskCommand),
    /// The work role wants the next batch.
    WorkFree,
    /// The sink is open.
    SinkOpen,
    /// Partitions are claimed.
    Claimed(Claimed),
    /// Where logs whose flow is stopped begin and end.
    Ends(Watermarks),
    /// Part of a batch is settled.
    Settled(Settled),
    /// A partition's records could not be written now, and were let go: they are read again later.
    SetBack(SetBack),
    /// All of a batch is settled; here is its memory.
    Delivered(Batch),
    /// So many refused records are in their dead-letter topic.
    DeadLettered(usize),
    /// Dead letters cannot be written for now, for this reason; none: they can again.
    LettersStuck(Option<String>),
    /// A stage has failed; its plugins are dropped next.
    StageFailed(TaskError),
    /// A stage's thread has ended.
    StageEnded(Result<(), TaskError>),
}

/// What the work role is sent.
pub(super) enum WorkInput {
    /// Decode, transform, hand on.
    Batch(Batch),
    /// Close and open the transforms anew.
    Reopen,
}

/// What the sink role is sent.
pub(super) enum SinkInput {
    /// Write it.
    Batch(Batch),
    /// Claim these partitions, and find out where they start.
    Claim {
        /// Number of this assignment.
        generation: u64,
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Where those that are read again go on, unless the sink knows better.
        settled: Positions,
        /// What is known of their records before that.
        states: States,
    },
    /// Let these partitions go.
    Release(Vec<TopicPartition>),
    /// Close and open the sink anew.
    Reopen,
}

/// Where claimed partitions start.
#[derive(Debug)]
pub(super) struct Claimed {
    /// Number of the assignment that this answers.
    pub(super) generation: u64,
    pub(super) starts: Vec<(TopicPartition, StartAt)>,
    /// What is known of the records before that.
    pub(super) states: States,
    /// Ends of the logs, with `until_end` only.
    pub(super) ends: HashMap<TopicPartition, i64>,
    /// Partitions of all topics, with `until_end` and topics given by name only.
    pub(super) total: Option<u32>,
}

/// A partition that is to be read again from what is settled of it.
#[derive(Debug)]
pub(super) struct SetBack {
    pub(super) partition: TopicPartition,
    /// Number of the assignment that the records were read under.
    pub(super) generation: u64,
    pub(super) stage: Stage,
    /// Why.
    pub(super) error: CallError,
}

/// A part of a batch that is settled.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) positions: Vec<PartitionPosition>,
    pub(super) delivered: usize,
}
