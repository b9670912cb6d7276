//! What the supervisor is told: states, counts, plugin calls that take too long.

use std::time::{Duration, Instant};

use super::{Membership, Poll};
use crate::pipeline::{
    error::TaskError,
    message::{TaskEvent, TaskState},
};

/// Joining a group takes a moment, unless it waits for members that do not answer.
const LONG_JOIN: Duration = Duration::from_secs(10);

impl Poll<'_> {
    /// Tells of plugin calls that take too long, and gives up on those that take twice that.
    pub(super) fn watch_calls(&mut self) {
        let limit = self.settings.call_timeout;
        let overdue = self.clocks.iter().find_map(|clock| clock.overdue(limit));
        let Some((stage, waited)) = overdue else {
            if self.overdue.take().is_some() {
                tracing::info!("the stalled plugin call has returned");
            }
            return;
        };
        if waited > limit * 2 {
            return self.fail(TaskError::Hung { stage, waited, limit });
        }
        if self.overdue.is_none() {
            let text = format!("{stage} has not returned for {} s", waited.as_secs());
            tracing::warn!("stalled: {text}");
            self.overdue = Some(text);
        }
    }

    pub(super) fn current_state(&self) -> TaskState {
        if self.stopping.is_some() {
            return TaskState::Stopping;
        }
        if let Some(text) = self.overdue.as_ref().or(self.letters_stuck.as_ref()).or(self.stalled.as_ref()) {
            return TaskState::Stalled(text.clone());
        }
        if let Some(text) = self.set_backs.stall(self.assignment.len()) {
            return TaskState::Stalled(text);
        }
        if self.paused {
            return TaskState::Paused;
        }
        match self.membership {
            Membership::Joining(since) if since.elapsed() > LONG_JOIN => {
                TaskState::Stalled("waiting for the consumer group: members that died are waited for until their session times out".to_owned())
            }
            Membership::Member if self.assignment.len() > 0 => TaskState::Running,
            // What it was given is being claimed, unless it was given nothing.
            Membership::Member if !self.claim_pending => TaskState::Unassigned,
            _ => TaskState::Starting,
        }
    }

    /// Tells the supervisor what has changed.
    pub(super) fn tell(&mut self, every: Duration) {
        let state = self.current_state();
        if state != self.state {
            self.state = state.clone();
            (self.events)(TaskEvent::State(state));
        }
        if self.told.0.elapsed() < every {
            return;
        }
        self.counts.read = self.intake.read;
        self.counts.bytes = self.intake.bytes;
        self.counts.partitions = self.assignment.len() as u32;
        self.counts.at_end = self.partitions_at_end();
        if self.counts != self.told.1 {
            (self.events)(TaskEvent::Progress(self.counts));
        }
        self.told = (Instant::now(), self.counts);
    }

    /// How many partitions are delivered to the end; with `until_end` only, since nobody else asks.
    pub(super) fn partitions_at_end(&self) -> u32 {
        let busy = !self.intake.is_empty() || self.in_flight > 0 || self.set_backs.held() > 0;
        if !self.settings.until_end || busy {
            return 0;
        }
        self.assignment.at_end(&self.consumer.positions()) as u32
    }
}
