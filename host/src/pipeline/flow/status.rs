//! The state that a task reports to its supervisor.

use std::time::{Duration, Instant};

use super::{Flow, Membership};
use crate::{
    kafka::consumer::Positions,
    pipeline::message::{Counts, TaskState},
};

/// Joining a group takes a moment, unless the group waits for members that do not answer.
const LONG_JOIN: Duration = Duration::from_secs(10);

impl Flow {
    /// What the task is doing.
    pub(in crate::pipeline) fn state(&self, now: Instant) -> TaskState {
        if self.stopping.is_some() {
            return TaskState::Stopping;
        }
        if let Some(reason) = self.stall_reason() {
            return TaskState::Stalled(reason.to_owned());
        }
        if self.is_paused {
            return TaskState::Paused;
        }
        match self.membership {
            Membership::Joining(since) if now.saturating_duration_since(since) > LONG_JOIN => TaskState::Stalled(
                "waiting for the consumer group: it waits for crashed members until their sessions time out".to_owned(),
            ),
            Membership::Member if self.partitions.len() > 0 => TaskState::Running,
            Membership::Member if !self.claim.is_pending => TaskState::Unassigned,
            _ => TaskState::Starting,
        }
    }

    fn stall_reason(&self) -> Option<&str> {
        let reasons = [&self.overdue_call, &self.dead_letters_blocked, &self.consumer_stalled];
        let reason = reasons.into_iter().flatten().next().map(String::as_str);
        let all_paused = self.backoff.paused() > 0 && self.backoff.paused() == self.partitions.len();
        reason.or_else(|| self.backoff.reason().filter(|_| all_paused))
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
