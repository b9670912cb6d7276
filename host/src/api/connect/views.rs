//! The JSON of connectors and tasks.

use serde::Serialize;

use crate::{
    config::Options,
    deployment::ConnectorFile,
    supervisor::{ConnectorState, ConnectorStatus, DesiredState, TaskStatus},
};

/// `{"connector":"a","task":0}`.
#[derive(Debug, Serialize)]
pub(in crate::api) struct TaskId {
    connector: String,
    task: u32,
}

impl TaskId {
    pub(super) fn new(connector: &str, task: u32) -> Self {
        Self { connector: connector.to_owned(), task }
    }
}

/// A connector and its configuration.
#[derive(Debug, Serialize)]
pub(in crate::api) struct ConnectorInfo {
    pub(super) name: String,
    pub(super) config: Options,
    pub(super) tasks: Vec<TaskId>,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Options without an effect; only in the answer to a change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

impl ConnectorInfo {
    pub(super) fn new(connector: &ConnectorFile, config: Options, status: Option<&ConnectorStatus>) -> Self {
        let name = connector.name.clone();
        let tasks = tasks(connector, status).iter().map(|task| TaskId::new(&name, task.task)).collect();
        Self { name, config, tasks, kind: "sink", warnings: vec![] }
    }
}

/// The states of a connector and its tasks.
#[derive(Debug, Serialize)]
pub(in crate::api) struct StateInfo {
    name: String,
    connector: State,
    pub(super) tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct State {
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace: String,
    worker_id: String,
    version: &'static str,
}

/// The state of a task.
#[derive(Debug, Serialize)]
pub(in crate::api) struct TaskState {
    pub(super) id: u32,
    pub(super) state: &'static str,
    worker_id: String,
    version: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace: String,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl StateInfo {
    pub(super) fn new(connector: &ConnectorFile, status: Option<&ConnectorStatus>, worker_id: &str) -> Self {
        let errors = connector.errors.as_ref().map(ToString::to_string).unwrap_or_default();
        let state = match (connector.state, status) {
            (_, None) if !errors.is_empty() => "FAILED",
            (DesiredState::Stopped, _) | (_, None) => "STOPPED",
            (DesiredState::Paused, _) => "PAUSED",
            (DesiredState::Running, _) => "RUNNING",
        };
        let tasks = tasks(connector, status).iter().map(|task| TaskState::new(task, worker_id));
        Self {
            name: connector.name.clone(),
            connector: State { state, trace: errors, worker_id: worker_id.to_owned(), version: VERSION },
            tasks: tasks.collect(),
            kind: "sink",
        }
    }

    /// Says that the connector and these of its tasks are restarted.
    pub(super) fn restarting(mut self, is_restarted: impl Fn(&TaskState) -> bool, connector: bool) -> Self {
        for task in self.tasks.iter_mut().filter(|task| is_restarted(task)) {
            task.state = "RESTARTING";
        }
        if connector {
            self.connector.state = "RESTARTING";
        }
        self
    }
}

impl TaskState {
    pub(super) fn new(task: &TaskStatus, worker_id: &str) -> Self {
        let state = state(task.state);
        let has_trace = state == "FAILED"
            || matches!(
                task.state,
                ConnectorState::Retrying | ConnectorState::Stalled | ConnectorState::Restarting
            );
        let trace = if has_trace { task.reason.clone() } else { String::new() };
        Self { id: task.task, state, worker_id: worker_id.to_owned(), version: VERSION, trace }
    }
}

/// The tasks; a stopped connector has none.
pub(super) fn tasks<'s>(connector: &ConnectorFile, status: Option<&'s ConnectorStatus>) -> &'s [TaskStatus] {
    match (connector.state, status) {
        (DesiredState::Stopped, _) | (_, None) => &[],
        (_, Some(status)) => &status.tasks,
    }
}

/// A state in Kafka Connect's words: a task without partitions runs there, and so does one that waits for its destination.
fn state(state: ConnectorState) -> &'static str {
    match state {
        ConnectorState::Stopped | ConnectorState::Starting => "UNASSIGNED",
        ConnectorState::Paused => "PAUSED",
        ConnectorState::Unassigned
        | ConnectorState::Running
        | ConnectorState::Stopping
        | ConnectorState::Retrying
        | ConnectorState::Stalled => "RUNNING",
        ConnectorState::Restarting => "RESTARTING",
        ConnectorState::Failed => "FAILED",
    }
}
