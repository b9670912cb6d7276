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
    since: Instant,
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
        self.set(Some(Call { stage: stage.clone(), since: Instant::now(), context }));
        self.slot.note(Some(stage));
        let result = call();
        self.slot.note(None);
        self.set(None);
        result
    }

    /// Requests that the running call, if any, ends.
    pub(super) fn ask_to_end(&self) {
        if let Some(call) = &*self.call.lock().unwrap_or_else(PoisonError::into_inner) {
            call.context.ask_to_stop(true);
        }
    }

    fn set(&self, call: Option<Call>) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }

    /// The call that has been running for longer than `limit`, if there is one. Requests that it ends.
    pub(super) fn overdue(&self, limit: Duration) -> Option<(Stage, Duration)> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let elapsed = call.since.elapsed();
        if elapsed <= limit {
            return None;
        }
        call.context.ask_to_stop(true);
        Some((call.stage, elapsed))
    }
}
