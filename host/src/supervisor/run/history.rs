//! The history of a task: when it entered its current state, and its recent failures.

use std::collections::VecDeque;

use crate::{
    supervisor::status::{ConnectorState, TaskFailure},
    telemetry,
};

/// Failures kept per task.
const MAX_FAILURES: usize = 10;

#[derive(Debug)]
pub(super) struct History {
    state: ConnectorState,
    since: String,
    failures: VecDeque<TaskFailure>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { state: ConnectorState::Starting, since: now(), failures: VecDeque::new() }
    }

    /// Records the current state. Returns the one before if it has changed.
    pub(super) fn record_state(&mut self, state: ConnectorState) -> Option<ConnectorState> {
        if state == self.state {
            return None;
        }
        self.since = now();
        Some(std::mem::replace(&mut self.state, state))
    }

    pub(super) fn record_failure(&mut self, reason: &str) {
        self.failures.truncate(MAX_FAILURES - 1);
        self.failures.push_front(TaskFailure { at: now(), reason: reason.to_owned() });
    }

    /// When the task entered its current state: RFC 3339, UTC.
    pub(super) fn since(&self) -> &str {
        &self.since
    }

    /// The most recent failures, newest first.
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
            history.record_failure(&number.to_string());
        }
        let reasons: Vec<String> = history.trace().into_iter().map(|failure| failure.reason).collect();
        assert_eq!(reasons, (5..15).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn an_unchanged_state_keeps_its_time() {
        let mut history = History::new();
        "long ago".clone_into(&mut history.since);
        history.record_state(ConnectorState::Starting);
        assert_eq!(history.since(), "long ago");
        history.record_state(ConnectorState::Running);
        assert_ne!(history.since(), "long ago");
    }
}
