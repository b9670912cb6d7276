//! The state that a task reports to its supervisor.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Flow, Membership};
use crate::{
    kafka::consumer::Positions,
    pipeline::{
        channels::Retry,
        message::{Counts, TaskState},
    },
    telemetry::time,
};

/// Joining a group usually takes a few seconds: a longer wait is reported.
const LONG_JOIN: Duration = Duration::from_secs(10);

/// The same moment on the clock that the flow is driven by and as milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct WallClock {
    pub(in crate::pipeline) at: Instant,
    pub(in crate::pipeline) ms: i64,
}

impl WallClock {
    pub(in crate::pipeline) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), ms: since.as_millis() as i64 }
    }

    /// Milliseconds since 1970 at `instant`.
    fn ms_at(self, instant: Instant) -> i64 {
        let after = instant.saturating_duration_since(self.at).as_millis() as i64;
        let before = self.at.saturating_duration_since(instant).as_millis() as i64;
        self.ms + after - before
    }
}

impl Flow {
    /// What the task is doing.
    pub(in crate::pipeline) fn state(&self, now: Instant) -> TaskState {
        if self.stopping.is_some() {
            return TaskState::Stopping;
        }
        if let Some(reason) = self.stall_reason() {
            return TaskState::Stalled(reason.to_owned());
        }
        if let Some(state) = self.retry_state() {
            return state;
        }
        if self.is_paused {
            return TaskState::Paused;
        }
        match self.membership {
            Membership::Joining(since) if now.saturating_duration_since(since) > LONG_JOIN => {
                let (group, since) = (&self.settings.group, time(self.clock.ms_at(since)));
                TaskState::Waiting(format!(
                    "waiting for consumer group {group} to assign partitions since {since}"
                ))
            }
            Membership::Member if self.partitions.len() > 0 => TaskState::Running,
            Membership::Member if !self.claim.is_pending => TaskState::Unassigned,
            _ => TaskState::Starting,
        }
    }

    fn stall_reason(&self) -> Option<&str> {
        let reasons =
            [&self.overdue_call, &self.dead_letters_blocked, &self.registry_blocked, &self.consumer_stalled];
        reasons.into_iter().flatten().next().map(String::as_str)
    }

    /// The failed call that is made again first, or the partition that is read again first.
    fn retry_state(&self) -> Option<TaskState> {
        let calls = self.retrying.iter().flatten().cloned();
        let partitions = self.backoff.first_failing().map(|failing| Retry {
            reason: format!(
                "{}; {} of {} partitions cannot be written, such as {}",
                failing.reason,
                self.backoff.failing(),
                self.partitions.len(),
                failing.partition
            ),
            attempt: failing.attempts,
            next: failing.until,
        });
        let Retry { reason, attempt, next } = calls.chain(partitions).min_by_key(|retry| retry.next)?;
        Some(TaskState::Retrying { reason, attempt, next_attempt_ms: self.clock.ms_at(next) })
    }

    /// Whether the task is in its group and has delivered everything, by the `counts` that it has reported.
    pub(in crate::pipeline) fn is_idle_member(&self, counts: &Counts) -> bool {
        let is_member = self.membership == Membership::Member && !self.claim.is_pending;
        is_member
            && self.consumer_stalled.is_none()
            && self.is_drained()
            && counts.at_end == counts.partitions
    }

    /// Whether the task has done anything that is not in these counts.
    pub(in crate::pipeline) fn has_progressed(&self, reported: &Counts) -> bool {
        let Counts { read, delivered, committed, batches, .. } = *reported;
        (read, delivered, committed, batches)
            != (self.open_batch.read, self.counts.delivered, self.counts.committed, self.counts.batches)
    }

    /// What the task has done so far. `read` holds the consumer's positions, and is asked for only if they are needed.
    pub(in crate::pipeline) fn counts(&mut self, read: impl FnOnce() -> Positions) -> Counts {
        self.counts.read = self.open_batch.read;
        self.counts.bytes = self.open_batch.bytes;
        self.counts.partitions = self.partitions.len() as u32;
        let is_busy = !self.is_drained() || self.backoff.paused() > 0;
        let at_end = if self.settings.until_end && !is_busy { self.partitions.at_end(&read()) } else { 0 };
        self.counts.at_end = at_end as u32;
        self.counts
    }
}
