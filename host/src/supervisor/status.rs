//! The status of connectors and tasks, as `tidegate status` reports it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{config::Isolation, pipeline::Counts};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    pub version: String,
    /// Sorted by name.
    pub connectors: Vec<ConnectorStatus>,
    /// Connector files that are not used, sorted by the connectors' names.
    #[serde(default)]
    pub rejected: Vec<RejectedFile>,
}

/// A connector file that is not used. The connector keeps running as it was before, if it was running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedFile {
    /// The connector's name.
    pub connector: String,
    pub file: PathBuf,
    /// The errors, one per line, without secrets.
    pub errors: String,
}

/// The state that a connector is to be in. It is kept when the host is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DesiredState {
    #[default]
    Running,
    /// In its group, not reading.
    Paused,
    /// Not in its group.
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorStatus {
    pub name: String,
    /// From the connector file; may be empty.
    pub description: String,
    /// The most severe of the tasks' states.
    pub state: ConnectorState,
    pub isolation: Isolation,
    /// Process id of the child process, with `isolation = "process"`.
    pub pid: Option<i32>,
    pub group_id: String,
    pub tasks: Vec<TaskStatus>,
    /// Sum over all tasks and restarts.
    pub counts: Counts,
    /// Seconds from start to end, or to now.
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Task number, from 0.
    pub task: u32,
    pub state: ConnectorState,
    /// When the task entered this state: RFC 3339, UTC.
    pub since: String,
    /// Why the task is failed, stalled or retrying, or why it failed before its last restart; may be empty.
    pub reason: String,
    /// The failed call that is made again, in state `RETRYING`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryStatus>,
    /// Recent failures, newest first; corresponds to the task trace in Kafka Connect.
    pub trace: Vec<TaskFailure>,
    pub restarts: u32,
    pub counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryStatus {
    /// How often the call has failed.
    pub attempt: u32,
    /// When it is made again: RFC 3339, UTC.
    pub next_attempt: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// RFC 3339, UTC.
    pub at: String,
    pub reason: String,
}

/// State of a connector or task. The names are those of Kafka Connect, plus `STARTING`, `STOPPING`,
/// `RETRYING` and `STALLED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConnectorState {
    /// Stopped on request.
    Stopped,
    /// Member of its group, not reading.
    Paused,
    /// Member of its group without an assigned partition.
    Unassigned,
    /// Reading and writing.
    Running,
    /// Delivering what is in flight, then leaving the group.
    Stopping,
    /// Opening plugins, joining the group.
    Starting,
    /// A plugin call has failed, and is made again after a pause.
    Retrying,
    /// A plugin call takes too long, or Kafka or the schema registry cannot be read.
    Stalled,
    /// Failed; waits for its automatic restart.
    Restarting,
    /// Failed; needs a manual restart.
    Failed,
}

impl std::fmt::Display for ConnectorState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Stopped => "STOPPED",
            Self::Paused => "PAUSED",
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Starting => "STARTING",
            Self::Retrying => "RETRYING",
            Self::Stalled => "STALLED",
            Self::Restarting => "RESTARTING",
            Self::Failed => "FAILED",
        })
    }
}

/// Adds the counts of two runs or of two tasks.
pub(super) fn add(left: Counts, right: Counts) -> Counts {
    Counts {
        read: left.read + right.read,
        delivered: left.delivered + right.delivered,
        filtered: left.filtered + right.filtered,
        rejected: left.rejected + right.rejected,
        dead_lettered: left.dead_lettered + right.dead_lettered,
        committed: left.committed + right.committed,
        batches: left.batches + right.batches,
        bytes: left.bytes + right.bytes,
        lag: match (left.lag, right.lag) {
            (Some(left), Some(right)) => Some(left + right),
            (lag, None) | (None, lag) => lag,
        },
        partitions: left.partitions + right.partitions,
        at_end: left.at_end + right.at_end,
        total_partitions: left.total_partitions.max(right.total_partitions),
    }
}
