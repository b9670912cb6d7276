//! What supervisor and task tell each other. Serialisable, so that a task may run in another process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kafka::consumer::GroupProgress;

/// What a task is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskCommand {
    /// Stop reading, but stay in the group.
    Pause,
    /// Read again.
    Resume,
    /// Close and open every plugin anew between two batches; the consumer stays in its group.
    Reopen,
    /// Deliver what is in flight, commit, close the plugins, leave the group: all of it within this time.
    Stop {
        /// How long it may take.
        within: Duration,
    },
}

/// What a task tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// It is in another state.
    State(TaskState),
    /// It got on.
    Progress(Counts),
    /// With `until_end`, and while the task has nothing left to deliver: what its group has committed.
    Group(GroupProgress),
    /// It ended because it was told to, or, with `until_end`, because everything is delivered.
    Stopped {
        /// Whether everything in flight was delivered and committed.
        clean: bool,
    },
    /// It ended by itself.
    Failed {
        /// Why, for people.
        reason: String,
        /// A plugin call never returned: its thread and its memory are left behind.
        abandoned: bool,
    },
}

/// What a task is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// OpenParams plugins, joining the group.
    #[default]
    Starting,
    /// Reading and writing.
    Running,
    /// In the group, which has no partition for it for now.
    Unassigned,
    /// In the group, not reading.
    Paused,
    /// A plugin call takes longer than it may, or Kafka cannot be read; the text says which.
    Stalled(String),
    /// A call into a plugin has failed, and is made again after a pause. Other partitions may be written meanwhile.
    Retrying {
        /// Which stage failed, and why.
        reason: String,
        /// How often it has failed.
        attempt: u32,
        /// When it is made again: milliseconds since 1970, UTC.
        next_attempt_ms: i64,
    },
    /// Delivering what is in flight.
    Stopping,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records read from Kafka.
    pub read: u64,
    /// Records that the sink has made durable; one that became several counts several times.
    pub delivered: u64,
    /// Records that transforms dropped on purpose.
    pub filtered: u64,
    /// Records that some stage refused, and the policy let pass.
    pub rejected: u64,
    /// Of these, how many are in a dead-letter topic.
    #[serde(default)]
    pub dead_lettered: u64,
    /// Records read whose offsets are committed.
    pub committed: u64,
    /// Batches written.
    pub batches: u64,
    /// Bytes read: keys, values, headers.
    pub bytes: u64,
    /// Records in the logs of the task's partitions that are not settled yet; `None` until it is known.
    pub lag: Option<u64>,
    /// Partitions that the task has.
    pub partitions: u32,
    /// Of these, how many are delivered and committed to the end that the log had when the task got them.
    pub at_end: u32,
    /// Partitions of all topics of the connector, once known.
    pub total_partitions: Option<u32>,
}

/// Where a task's events go. Called from the task's threads; must not block.
pub type TaskEvents = Box<dyn Fn(TaskEvent) + Send>;
