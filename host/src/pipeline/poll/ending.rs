//! The end of a task: the stages finish what they have, the rest is committed, the group is left.

use std::time::{Duration, Instant};

use super::Poll;
use crate::pipeline::error::TaskError;

impl Poll<'_> {
    /// Lets the stages finish what they have, commits, leaves the group.
    pub(super) fn tear_down(mut self) -> Result<bool, TaskError> {
        let shutdown = Instant::now() + self.settings.shutdown;
        let deadline = self.stopping.map_or(shutdown, |deadline| deadline.min(shutdown));
        // With nothing in flight there is nothing to go on trying for.
        self.stop.ask(if self.is_drained() { Instant::now() } else { deadline });
        self.consumer.end_look_ups();
        self.work = None;
        self.sink = None;
        let hung = self.failure.as_ref().is_some_and(TaskError::is_abandoned);
        while self.stages_running > 0 && !hung {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.inbox.recv_timeout(left) else { break };
            self.on_message(message);
        }
        self.stop.end();
        let all_ended = self.stages_running == 0;
        if !all_ended {
            self.clocks.iter().for_each(|clock| clock.ask_to_end());
        }
        match (self.is_drained(), all_ended) {
            _ if self.failure.is_some() => {}
            (false, _) => {
                tracing::warn!("stopped before everything that was read is written: it will be read again");
            }
            (true, false) => tracing::warn!("a plugin call has not returned; its thread is left behind"),
            (true, true) => {}
        }
        let delivered = self.is_drained() && all_ended;
        let left = deadline.saturating_duration_since(Instant::now());
        let committed = self.commit_at_the_end(left.max(Duration::from_millis(500)));
        self.tell(Duration::ZERO);
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = self.consumer.close(left.max(Duration::from_secs(1)));
        match self.failure {
            Some(error) if all_ended || hung => Err(error),
            Some(error) => Err(TaskError::LeftBehind(Box::new(error))),
            None => Ok(delivered && committed && closed),
        }
    }
}
