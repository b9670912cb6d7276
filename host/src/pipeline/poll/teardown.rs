//! The end of a task: the stages finish their batches, settled offsets are committed, the consumer leaves its group.

use std::time::{Duration, Instant};

use super::PollLoop;
use crate::pipeline::error::TaskError;

impl PollLoop<'_> {
    /// Lets the stages finish, commits, and leaves the group.
    pub(super) fn tear_down(mut self) -> Result<bool, TaskError> {
        let shutdown = Instant::now() + self.settings.shutdown;
        let deadline = self.flow.stopping().map_or(shutdown, |deadline| deadline.min(shutdown));
        // With nothing in flight retries are pointless.
        self.stop.request(if self.flow.is_drained() { Instant::now() } else { deadline });
        self.consumer.close_offset_resolver();
        // The stages end when their channels are closed.
        (self.worker, self.sink) = (None, None);
        let is_hung = self.flow.failure().is_some_and(TaskError::is_abandoned);
        while self.flow.stages_running() > 0 && !is_hung {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.inbox.recv_timeout(left) else { break };
            self.on_message(message);
        }
        self.stop.end();
        let all_ended = self.flow.stages_running() == 0;
        if !all_ended {
            self.clocks.iter().for_each(|clock| clock.ask_to_end());
        }
        let is_drained = self.flow.is_drained();
        if self.flow.failure().is_none() && !is_drained {
            tracing::warn!("stopped before all records in flight were written; they will be read again");
        } else if self.flow.failure().is_none() && !all_ended {
            tracing::warn!("a plugin call has not returned; its thread was abandoned");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let committed = self.commit_before_end(left.max(Duration::from_millis(500)));
        self.report(Duration::ZERO);
        self.clear_gauges();
        self.metrics.end();
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = self.consumer.close(left.max(Duration::from_secs(1)));
        match self.flow.into_failure() {
            Some(error) if all_ended || is_hung => Err(error),
            Some(error) => Err(TaskError::ThreadRunning(Box::new(error))),
            None => Ok(is_drained && all_ended && committed && closed),
        }
    }
}
