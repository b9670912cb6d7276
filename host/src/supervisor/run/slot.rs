//! A slot for one task of a connector. It outlives the individual runs of the task.

use std::time::Instant;

use super::{history::History, until_end::GroupWait};
use crate::{
    config::RestartPolicy,
    pipeline::{Counts, TaskState},
    supervisor::{
        restart::Restarts,
        status::{ConnectorState, RetryStatus, TaskStatus, add},
    },
    telemetry::{scrub, time},
};

pub(super) struct TaskSlot {
    pub(super) number: u32,
    /// Number of starts, to tell events of this run from those of an earlier one.
    pub(super) run: u64,
    pub(super) is_running: bool,
    pub(super) state: TaskState,
    pub(super) failed: bool,
    pub(super) reason: String,
    pub(super) restart_at: Option<Instant>,
    /// Until then it waits for brokers that do not accept it yet.
    pub(super) waits: bool,
    /// The user restarts this task alone: it is started as soon as it has stopped.
    pub(super) restarts_alone: bool,
    pub(super) restarts: Restarts,
    /// Counts of the current run.
    pub(super) counts: Counts,
    /// Sum over all earlier runs.
    pub(super) earlier_counts: Counts,
    pub(super) stalled_since: Option<Instant>,
    /// With `until_end`: what the whole group has committed.
    pub(super) group: Option<GroupWait>,
    pub(super) history: History,
}

impl TaskSlot {
    pub(super) fn new(number: u32, policy: &RestartPolicy) -> Self {
        Self {
            number,
            run: 0,
            is_running: false,
            state: TaskState::Starting,
            failed: false,
            reason: String::new(),
            restart_at: None,
            waits: false,
            restarts_alone: false,
            restarts: Restarts::new(policy),
            counts: Counts::default(),
            earlier_counts: Counts::default(),
            stalled_since: None,
            group: None,
            history: History::new(),
        }
    }

    /// The task is started.
    pub(super) fn begin_run(&mut self) {
        self.run += 1;
        self.earlier_counts = add(self.earlier_counts, std::mem::take(&mut self.counts));
        (self.is_running, self.failed, self.restart_at, self.restarts_alone) = (true, false, None, false);
        (self.state, self.stalled_since, self.group) = (TaskState::Starting, None, None);
        self.waits = false;
    }

    /// The task has ended: it has no partitions any more. Returns whether it was running.
    pub(super) fn end_run(&mut self) -> bool {
        let was_running = std::mem::take(&mut self.is_running);
        if was_running {
            (self.counts.partitions, self.counts.at_end, self.counts.lag) = (0, 0, None);
        }
        was_running
    }

    pub(super) fn state(&self) -> ConnectorState {
        if self.restart_at.is_some() {
            return if self.waits { ConnectorState::Stalled } else { ConnectorState::Restarting };
        }
        if self.failed {
            return ConnectorState::Failed;
        }
        if !self.is_running {
            return ConnectorState::Stopped;
        }
        match self.state {
            TaskState::Starting => ConnectorState::Starting,
            TaskState::Running => ConnectorState::Running,
            TaskState::Stopping => ConnectorState::Stopping,
            TaskState::Retrying { .. } => ConnectorState::Retrying,
            TaskState::Unassigned => ConnectorState::Unassigned,
            TaskState::Paused => ConnectorState::Paused,
            TaskState::Stalled(_) | TaskState::Waiting(_) => ConnectorState::Stalled,
        }
    }

    /// Counts over all runs. Partitions and lag describe the current run only.
    pub(super) fn total_counts(&self) -> Counts {
        let mut counts = add(self.earlier_counts, self.counts);
        (counts.partitions, counts.at_end, counts.lag) =
            (self.counts.partitions, self.counts.at_end, self.counts.lag);
        counts
    }

    pub(super) fn status(&self) -> TaskStatus {
        let mut retry = None;
        let reason = match &self.state {
            TaskState::Stalled(reason) | TaskState::Waiting(reason) if self.is_running => {
                scrub(reason).into_owned()
            }
            TaskState::Retrying { reason, attempt, next_attempt_ms } if self.is_running => {
                retry = Some(RetryStatus { attempt: *attempt, next_attempt: time(*next_attempt_ms) });
                scrub(reason).into_owned()
            }
            _ => self.reason.clone(),
        };
        let counts = self.total_counts();
        TaskStatus {
            task: self.number,
            state: self.state(),
            since: self.history.since().to_owned(),
            reason,
            retry,
            trace: self.history.trace(),
            restarts: self.restarts.count,
            counts,
        }
    }
}
