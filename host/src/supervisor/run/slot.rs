//! A slot for one task of a connector. It outlives the individual runs of the task.

use std::time::Instant;

use super::{history::History, task_runtime::TaskHandle};
use crate::{
    config::RestartPolicy,
    pipeline::{Counts, TaskState},
    supervisor::{
        restart::Restarts,
        status::{ConnectorState, TaskStatus, add},
    },
    telemetry::scrub,
};

pub(super) struct TaskSlot {
    pub(super) number: u32,
    /// Number of starts, to tell events of this run from those of an earlier one.
    pub(super) run: u64,
    pub(super) task: Option<TaskHandle>,
    pub(super) state: TaskState,
    pub(super) failed: bool,
    pub(super) reason: String,
    pub(super) restart_at: Option<Instant>,
    pub(super) restarts: Restarts,
    /// Counts of the current run.
    pub(super) counts: Counts,
    /// Sum over all earlier runs.
    pub(super) earlier_counts: Counts,
    pub(super) stalled_since: Option<Instant>,
    pub(super) history: History,
}

impl TaskSlot {
    pub(super) fn new(number: u32, policy: &RestartPolicy) -> Self {
        Self {
            number,
            run: 0,
            task: None,
            state: TaskState::Starting,
            failed: false,
            reason: String::new(),
            restart_at: None,
            restarts: Restarts::new(policy),
            counts: Counts::default(),
            earlier_counts: Counts::default(),
            stalled_since: None,
            history: History::new(),
        }
    }

    /// Removes the task. Its partitions have been assigned to other members. Returns whether there was a task.
    pub(super) fn clear_task(&mut self) -> bool {
        let existed = self.task.take().is_some();
        if existed {
            (self.counts.partitions, self.counts.at_end, self.counts.lag) = (0, 0, None);
        }
        existed
    }

    pub(super) fn state(&self) -> ConnectorState {
        if self.restart_at.is_some() {
            return ConnectorState::Restarting;
        }
        if self.failed {
            return ConnectorState::Failed;
        }
        if self.task.is_none() {
            return ConnectorState::Stopped;
        }
        match self.state {
            TaskState::Starting => ConnectorState::Starting,
            TaskState::Running | TaskState::Stopping => ConnectorState::Running,
            TaskState::Unassigned => ConnectorState::Unassigned,
            TaskState::Paused => ConnectorState::Paused,
            TaskState::Stalled(_) => ConnectorState::Stalled,
        }
    }

    pub(super) fn status(&self) -> TaskStatus {
        let reason = match &self.state {
            TaskState::Stalled(reason) if self.task.is_some() => scrub(reason).into_owned(),
            _ => self.reason.clone(),
        };
        let mut counts = add(self.earlier_counts, self.counts);
        // These describe the current run only, so they are not summed over runs.
        (counts.partitions, counts.at_end, counts.lag) =
            (self.counts.partitions, self.counts.at_end, self.counts.lag);
        TaskStatus {
            task: self.number,
            state: self.state(),
            since: self.history.since().to_owned(),
            reason,
            trace: self.history.trace(),
            restarts: self.restarts.count,
            counts,
        }
    }
}
