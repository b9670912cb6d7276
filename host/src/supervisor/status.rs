//! What the host tells about its connectors.

use serde::{Deserialize, Serialize};

use crate::{config::Isolation, pipeline::Counts};

/// All connectors of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Version of the host.
    pub version: String,
    /// The connectors, by name.
    pub connectors: Vec<ConnectorStatus>,
}

/// One connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorStatus {
    /// Name.
    pub name: String,
    /// Description from its file; may be empty.
    pub description: String,
    /// The worst of its tasks' states.
    pub state: ConnectorState,
    /// Where its tasks run.
    pub isolation: Isolation,
    /// Its process, if it has one of its own that runs.
    pub pid: Option<i32>,
    /// Its consumer group.
    pub group_id: String,
    /// Its tasks.
    pub tasks: Vec<TaskStatus>,
    /// Sum over its tasks, restarts included.
    pub counts: Counts,
    /// Seconds from its start to its end, or to now.
    pub seconds: f64,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Number, from 0.
    pub task: u32,
    /// What it is doing.
    pub state: ConnectorState,
    /// Since when it is in this state, or failing for this reason: RFC 3339, UTC.
    pub since: String,
    /// Why it failed, stalls, or failed before it was started again; may be empty.
    pub reason: String,
    /// Its last failures, newest first: what Kafka Connect shows as the trace of a task.
    pub trace: Vec<TaskFailure>,
    /// How often it was started again.
    pub restarts: u32,
    /// How far it has come.
    pub counts: Counts,
}

/// How a task failed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// What a connector or a task is doing. The names are those of Kafka Connect, and two more: `STARTING`, `STALLED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConnectorState {
    /// Ended because it was told to.
    Stopped,
    /// In its group, not reading.
    Paused,
    /// In its group, which has no partition for it for now.
    Unassigned,
    /// Reading and writing.
    Running,
    /// Opening plugins, joining the group.
    Starting,
    /// A plugin call takes too long, or Kafka cannot be read.
    Stalled,
    /// Failed, and about to be started again.
    Restarting,
    /// Failed, until someone acts.
    Failed,
}

impl std::fmt::Display for ConnectorState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Stopped => "STOPPED",
            Self::Paused => "PAUSED",
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Starting => "STARTING",
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
