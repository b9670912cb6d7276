//! The restart policy: decides whether and when a failed task is restarted.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    config::{RestartPolicy, RestartWhen, RetryPolicy},
    pipeline::backoff,
};

/// Threads that may be abandoned in calls that never return. Each keeps its memory.
const MAX_ABANDONED_THREADS: u32 = 3;
/// Longest pause between two attempts while brokers do not accept a task.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Restart counter of one task.
#[derive(Debug)]
pub(super) struct Restarts {
    policy: RestartPolicy,
    recent: VecDeque<Instant>,
    abandoned: u32,
    /// Restarts since the host started.
    pub(super) count: u32,
}

impl Restarts {
    pub(super) fn new(policy: &RestartPolicy) -> Self {
        Self { policy: *policy, recent: VecDeque::new(), abandoned: 0, count: 0 }
    }

    /// Changes the policy for later failures.
    pub(super) fn set_policy(&mut self, policy: &RestartPolicy) {
        self.policy = *policy;
    }

    /// The task failed at `now`. Returns the backoff before its restart, or `None` if it stays failed.
    pub(super) fn after_failure(&mut self, now: Instant, abandoned: bool) -> Option<Duration> {
        self.abandoned += u32::from(abandoned);
        if self.policy.policy == RestartWhen::Never || self.abandoned >= MAX_ABANDONED_THREADS {
            return None;
        }
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > self.policy.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.max_restarts as usize {
            return None;
        }
        let attempts = self.recent.len() as u32;
        self.recent.push_back(now);
        let waits =
            RetryPolicy { initial: self.policy.initial, max: self.policy.max, timeout: Duration::MAX };
        Some(backoff(&waits, attempts))
    }

    /// The task has to start again, which is no failure: brokers do not accept it yet, or it needs a new consumer. Returns the
    /// pause before.
    pub(super) fn while_waiting(&self) -> Duration {
        self.policy.max.min(LONGEST_WAIT)
    }

    pub(super) fn started(&mut self) {
        self.count += 1;
    }

    /// Forgets past restarts, after a manual start.
    pub(super) fn reset(&mut self) {
        self.recent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(policy: RestartWhen) -> RestartPolicy {
        RestartPolicy {
            policy,
            initial: Duration::from_secs(1),
            max: Duration::from_secs(4),
            max_restarts: 3,
            window: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_task_that_keeps_failing_stays_failed() {
        let mut restarts = Restarts::new(&policy(RestartWhen::OnFailure));
        let now = Instant::now();
        for ceiling in [1, 2, 4] {
            let wait = restarts.after_failure(now, false).unwrap();
            let ceiling = Duration::from_secs(ceiling);
            assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait:?} of {ceiling:?}");
        }
        assert_eq!(restarts.after_failure(now, false), None);
        assert!(restarts.after_failure(now + Duration::from_secs(61), false).is_some());
    }

    #[test]
    fn waiting_for_brokers_spends_no_restart() {
        let mut restarts = Restarts::new(&policy(RestartWhen::OnFailure));
        let now = Instant::now();
        assert!((0..100).all(|_| restarts.while_waiting() == Duration::from_secs(4)));
        assert!((0..3).all(|_| restarts.after_failure(now, false).is_some()));
    }

    #[test]
    fn policy_never_does_not_restart() {
        let mut restarts = Restarts::new(&policy(RestartWhen::Never));
        assert_eq!(restarts.after_failure(Instant::now(), false), None);
    }

    #[test]
    fn abandoned_threads_are_bounded() {
        let mut restarts = Restarts::new(&policy(RestartWhen::OnFailure));
        let mut now = Instant::now();
        let mut left = 0;
        while restarts.after_failure(now, true).is_some() {
            now += Duration::from_secs(3600);
            left += 1;
        }
        assert_eq!(left, MAX_ABANDONED_THREADS - 1);
    }
}
