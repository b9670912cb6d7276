//! What became of a task: since when it is in its state, and how it failed lately.

use std::collections::VecDeque;

use crate::{
    supervisor::status::{ConnectorState, TaskFailure},
    telemetry,
};

/// Failures that are remembered of one task.
const REMEMBERED: usize = 10;

/// The past of one task.
#[derive(Debug)]
pub(super) struct History {
    state: ConnectorState,
    since: String,
    failures: VecDeque<TaskFailure>,
}

impl History {
    /// Of a task that is about to start.
    pub(super) fn new() -> Self {
        Self { state: ConnectorState::Starting, since: now(), failures: VecDeque::new() }
    }

    /// Notes the state that the task is in.
    pub(super) fn note(&mut self, state: ConnectorState) {
        if state != self.state {
            (self.state, self.since) = (state, now());
        }
    }

    /// Notes a failure, for this reason.
    pub(super) fn failed(&mut self, reason: &str) {
        self.failures.truncate(REMEMBERED - 1);
        self.failures.push_front(TaskFailure { at: now(), reason: reason.to_owned() });
    }

    /// Since when the task is in its state: RFC 3339, UTC.
    pub(super) fn since(&self) -> &str {
        &self.since
    }

    /// The last failures, newest first.
    pub(super) fn trace(&self) -> Vec<TaskFailure> {
        self.failures.iter().cloned().collect()
    }
}

fn now() -> String {
    telemetry::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_failures_are_kept_newest_first() {
        let mut history = History::new();
        for number in 0..15 {
            history.failed(&number.to_string());
        }
        let reasons: Vec<String> = history.trace().into_iter().map(|failure| failure.reason).collect();
        assert_eq!(reasons, (5..15).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_state_that_stays_keeps_its_time() {
        let mut history = History::new();
        "long ago".clone_into(&mut history.since);
        history.note(ConnectorState::Starting);
        assert_eq!(history.since(), "long ago");
        history.note(ConnectorState::Running);
        assert_ne!(history.since(), "long ago");
    }
}
