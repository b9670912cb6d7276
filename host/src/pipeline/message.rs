//! Messages between supervisor and task. Serialisable, so that a task may run in another process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::PluginSettings;
use crate::kafka::consumer::GroupProgress;

/// A command of the supervisor to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskCommand {
    /// Stop reading, but stay in the group.
    Pause,
    /// Continue reading.
    Resume,
    /// Join the consumer group: the answer to [`TaskEvent::ReadyToJoin`].
    Join,
    /// Close plugins and open them again between two batches; the consumer stays in its group.
    Reopen(Reopen),
    /// Deliver the records in flight, commit, close the plugins, and leave the group within this time.
    Stop {
        /// The time limit.
        within: Duration,
    },
}

/// Which plugins are closed and opened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reopen {
    /// All of them, as they are.
    All,
    /// Those that differ from these. If the sink does, partitions are claimed again from the new one, and read from the offsets
    /// that it has stored.
    Changed(Box<PluginSettings>),
}

/// An event that a task reports to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// The state changed.
    State(TaskState),
    /// Every plugin is open. The task waits for [`TaskCommand::Join`] before it joins its consumer group.
    ReadyToJoin,
    /// The task begins to open the plugins of a [`Reopen::Changed`].
    Reopening,
    /// They are open. So many batches were written before.
    Reopened {
        /// Batches of this run.
        batches: u64,
    },
    /// The counts changed.
    Progress(Counts),
    /// With `until_end`, and while the task has nothing left to deliver: what its group has committed.
    Group(GroupProgress),
    /// It was stopped, or, with `until_end`, everything is delivered.
    Stopped {
        /// Whether everything in flight was delivered and committed.
        clean: bool,
    },
    /// It failed.
    Failed {
        /// The reason, as text.
        reason: String,
        /// A plugin call did not return: its thread was abandoned, and its memory is leaked.
        abandoned: bool,
        /// Whether a restart may help.
        recovery: Recovery,
    },
}

/// Whether a restart may help after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// It may.
    Restart,
    /// It will after some time, such as the session timeout of the member that this task replaces. Until then, restarts do not
    /// count, and are made whatever the policy is.
    Wait,
    /// It would fail as well, for example because an option is invalid.
    None,
}

/// The state of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Opening plugins, joining the group.
    #[default]
    Starting,
    /// Reading and writing.
    Running,
    /// In the group, but without an assigned partition.
    Unassigned,
    /// In the group, not reading.
    Paused,
    /// A plugin call exceeds `limits.call_timeout`, or Kafka or the schema registry cannot be read; the text is the reason.
    Stalled(String),
    /// The consumer group has not answered for long; the text says what is waited for and since when. Unlike a stall, this may
    /// be a healthy group whose other members take long.
    Waiting(String),
    /// A call into a plugin has failed, and is made again after a pause. Other partitions may be written meanwhile.
    Retrying {
        /// Which stage failed, and why.
        reason: String,
        /// How often it has failed.
        attempt: u32,
        /// When it is made again: milliseconds since 1970, UTC.
        next_attempt_ms: i64,
    },
    /// Delivering the records in flight.
    Stopping,
}

/// The counts of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records read from Kafka.
    pub read: u64,
    /// Records that the sink has made durable; a record that became several is counted several times.
    pub delivered: u64,
    /// Records that transforms dropped on purpose.
    pub filtered: u64,
    /// Records that a stage rejected and that were dropped or dead-lettered.
    pub rejected: u64,
    /// Number of these in a dead-letter topic.
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
    /// Number of assigned partitions.
    pub partitions: u32,
    /// Number of these that are delivered and committed up to the end that the log had at assignment.
    pub at_end: u32,
    /// Partitions of all topics of the connector, once known.
    pub total_partitions: Option<u32>,
}

/// Receives a task's events. Called from the task's threads; must not block.
pub type TaskEvents = Box<dyn Fn(TaskEvent) + Send>;
