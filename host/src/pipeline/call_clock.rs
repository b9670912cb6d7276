//! How long the current plugin call of a stage has been running.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{call_board::CallSlot, error::Stage};
use crate::plugins::CallContext;

/// Written by a stage around each plugin call, read by the poll loop.
#[derive(Debug)]
pub(super) struct CallClock {
    call: Mutex<Option<Call>>,
    slot: CallSlot,
}

#[derive(Clone, Debug)]
struct Call {
    stage: Stage,
    /// When the call started, or when the clock was read after the last report of progress.
    since: Instant,
    /// Number of reports of progress at that time.
    progress: u64,
    /// Whether the request to end was made because the call took too long, so that progress withdraws it.
    is_overdue: bool,
    /// Whether the call has to end because its task does.
    is_ending: bool,
    context: &'static CallContext,
}

impl CallClock {
    /// A clock whose calls are also recorded in `slot`.
    pub(super) fn new(slot: CallSlot) -> Self {
        Self { call: Mutex::default(), slot }
    }

    /// Runs `call`, and records when it started. Clears a request to stop that came after the end of an earlier call.
    pub(super) fn time<T>(
        &self,
        stage: &Stage,
        context: &'static CallContext,
        call: impl FnOnce() -> T,
    ) -> T {
        context.ask_to_stop(false);
        let (since, progress) = (Instant::now(), context.progress());
        self.set(Some(Call {
            stage: stage.clone(),
            since,
            progress,
            is_overdue: false,
            is_ending: false,
            context,
        }));
        self.slot.note(Some(stage));
        let result = call();
        self.slot.note(None);
        self.set(None);
        result
    }

    /// Requests that the running call, if any, ends.
    pub(super) fn ask_to_end(&self) {
        if let Some(call) = &mut *self.call.lock().unwrap_or_else(PoisonError::into_inner) {
            // Progress does not withdraw this request.
            call.is_overdue = false;
            call.is_ending = true;
            call.context.ask_to_stop(true);
        }
    }

    fn set(&self, call: Option<Call>) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }

    /// The call that has made no progress for longer than `limit`, if there is one. Requests that it ends.
    ///
    /// The time counts from the start of the call, or from the last report of progress of its plugin. A call that goes on
    /// after it was requested to end because of its time may continue; one that is to end with the task may not.
    pub(super) fn overdue(&self, limit: Duration) -> Option<(Stage, Duration)> {
        let mut guard = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let call = guard.as_mut()?;
        let progress = call.context.progress();
        if progress != call.progress && !call.is_ending {
            (call.progress, call.since) = (progress, Instant::now());
            if std::mem::take(&mut call.is_overdue) {
                call.context.ask_to_stop(false);
            }
        }
        let elapsed = call.since.elapsed();
        if elapsed <= limit {
            return None;
        }
        call.is_overdue = !call.is_ending;
        call.context.ask_to_stop(true);
        Some((call.stage.clone(), elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::report_progress;

    const LIMIT: Duration = Duration::from_millis(40);

    /// A clock with a call of the sink of a connector, whose name has to be unique among the tests.
    fn during<T>(connector: &str, check: impl FnOnce(&CallClock, &'static CallContext) -> T) -> T {
        let clock = CallClock::new(CallSlot::sink(0));
        let context = CallContext::of(connector, 0, "sink");
        clock.time(&Stage::Sink("sink".to_owned()), context, || check(&clock, context))
    }

    #[test]
    fn a_call_is_overdue_only_without_progress() {
        during("clock-progress", |clock, context| {
            std::thread::sleep(LIMIT * 2);
            assert!(clock.overdue(LIMIT).is_some());
            assert!(context.is_asked_to_stop());
            report_progress(context);
            assert!(clock.overdue(Duration::from_secs(3600)).is_none());
            assert!(!context.is_asked_to_stop(), "the call goes on, so it need not end");
            std::thread::sleep(LIMIT * 2);
            assert!(clock.overdue(LIMIT).is_some(), "one report counts once");
        });
    }

    #[test]
    fn progress_does_not_withdraw_the_request_of_a_shutdown() {
        during("clock-shutdown", |clock, context| {
            clock.ask_to_end();
            report_progress(context);
            std::thread::sleep(LIMIT * 2);
            assert!(clock.overdue(LIMIT).is_some(), "the time counts from the start of the call");
            assert!(context.is_asked_to_stop());
        });
    }
}
