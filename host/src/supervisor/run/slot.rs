//! The place of one task, whichever run of it is there.

use std::time::Instant;

use super::{history::History, quarters::AnyTask};
use crate::{
    config::RestartPolicy,
    pipeline::{Counts, TaskState},
    supervisor::{
        restart::Restarts,
        status::{ConnectorState, TaskStatus, add},
    },
    telemetry::scrub,
};

/// One of a connector's tasks: what runs of it, and what became of it.
pub(super) struct Slot {
    pub(super) number: u32,
    /// Counts the starts, so that news of an earlier run are told apart.
    pub(super) run: u64,
    pub(super) task: Option<AnyTask>,
    pub(super) state: TaskState,
    pub(super) failed: bool,
    pub(super) reason: String,
    pub(super) restart_at: Option<Instant>,
    pub(super) restarts: Restarts,
    /// Of this run, and of those before.
    pub(super) counts: Counts,
    pub(super) before: Counts,
    pub(super) stalled_since: Option<Instant>,
    pub(super) history: History,
}

impl Slot {
    /// The place of task `number`, empty.
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
            before: Counts::default(),
            stalled_since: None,
            history: History::new(),
        }
    }

    /// The task is gone, and its partitions are somebody else's by now. Returns whether there was one.
    pub(super) fn lose_task(&mut self) -> bool {
        let was_there = self.task.take().is_some();
        if was_there {
            (self.counts.partitions, self.counts.at_end, self.counts.lag) = (0, 0, None);
        }
        was_there
    }

    /// What the task is doing.
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

    /// All that is told of the task.
    pub(super) fn status(&self) -> TaskStatus {
        let reason = match &self.state {
            TaskState::Stalled(reason) if self.task.is_some() => scrub(reason).into_owned(),
            _ => self.reason.clone(),
        };
        let mut counts = add(self.before, self.counts);
        // What a run has now does not add up over runs.
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
