//! Retries failed plugin calls, and reports each retry to the poll loop.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    channels::{PollMessage, PollSender, Retry, Worker},
    error::{Stage, TaskError},
    settings::TaskSettings,
    stop::StopSignal,
};
use crate::{
    config::RetryPolicy,
    plugins::{CallError, ErrorClass, OpenError},
    telemetry,
};

/// Makes the plugin calls of one worker, by the connector's retry policy.
pub(super) struct Retrier {
    worker: Worker,
    settings: Arc<TaskSettings>,
    stop: Arc<StopSignal>,
    poll: PollSender,
    /// The last report to the poll loop was that a call is being retried.
    is_reported: AtomicBool,
}

impl Retrier {
    pub(super) fn new(
        worker: Worker,
        settings: &Arc<TaskSettings>,
        stop: &Arc<StopSignal>,
        poll: &PollSender,
    ) -> Self {
        let (settings, stop, poll) = (Arc::clone(settings), Arc::clone(stop), poll.clone());
        Self { worker, settings, stop, poll, is_reported: AtomicBool::new(false) }
    }

    /// Calls once.
    ///
    /// # Errors
    /// As for [`Self::call`], but a retriable error is returned in `Ok(Err(..))` as well.
    pub(super) fn call_once<T>(
        &self,
        stage: &Stage,
        call: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<Result<T, CallError>, TaskError> {
        if self.stop.has_ended() {
            return Err(TaskError::Ended);
        }
        match call().inspect_err(|error| self.count_panic(stage, error)) {
            Err(source) if !matches!(source.class, ErrorClass::Retriable | ErrorClass::Rejected) => {
                Err(TaskError::Call { stage: stage.clone(), source })
            }
            outcome => Ok(outcome),
        }
    }

    /// Calls until it succeeds, fails with an error that is not retriable, or `errors.retry.timeout` has passed.
    ///
    /// # Errors
    /// Why the task fails. An error that a record may have caused (rejected, or beyond the memory budget) is returned in
    /// `Ok(Err(..))`, since the caller can find the record.
    pub(super) fn call<T>(
        &self,
        stage: &Stage,
        mut call: impl FnMut() -> Result<T, CallError>,
    ) -> Result<Result<T, CallError>, TaskError> {
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            if self.stop.has_ended() {
                return Err(TaskError::Ended);
            }
            let error = match call() {
                Ok(value) => {
                    self.report_success(stage, attempts);
                    return Ok(Ok(value));
                }
                Err(error) => error,
            };
            self.count_panic(stage, &error);
            match error.class {
                ErrorClass::Retriable => {}
                ErrorClass::Rejected | ErrorClass::OutOfMemoryBudget => {
                    self.report(None);
                    return Ok(Err(error));
                }
                ErrorClass::Fatal | ErrorClass::Fenced | ErrorClass::Panic | ErrorClass::Config => {
                    return Err(TaskError::Call { stage: stage.clone(), source: error });
                }
            }
            let policy = &self.settings.errors.retry;
            let delay = backoff(policy, attempts).max(error.retry_after.unwrap_or_default());
            let waited = began.elapsed();
            let is_over = waited + delay > policy.timeout || {
                self.report_retry(stage, &error, attempts + 1, delay);
                !self.stop.wait(delay)
            };
            if is_over {
                return Err(TaskError::RetriesExhausted {
                    stage: stage.clone(),
                    attempts,
                    waited,
                    source: error,
                });
            }
            attempts += 1;
        }
    }

    /// Opens a plugin, and retries while its error is retriable.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn open<T>(
        &self,
        stage: &Stage,
        mut open: impl FnMut() -> Result<T, OpenError>,
    ) -> Result<T, TaskError> {
        let failed = |source| TaskError::Open { stage: stage.clone(), source };
        let opened = self.call(stage, || match open() {
            Err(OpenError::Call(error)) if error.class == ErrorClass::Retriable => Err(error),
            other => Ok(other),
        })?;
        let opened = opened.map_err(|error| failed(error.into()))?;
        if let Err(OpenError::Call(error)) = &opened {
            self.count_panic(stage, error);
        }
        opened.map_err(failed)
    }

    /// Counts a panic of a plugin in `tidegate_panics_total`.
    fn count_panic(&self, stage: &Stage, error: &CallError) {
        if error.class == ErrorClass::Panic {
            let (kind, plugin) = stage.labels();
            let labels = [("stage", kind), ("plugin", plugin)];
            telemetry::task_count(&self.settings.connector, self.settings.task, "panics_total", &labels, 1);
        }
    }

    fn report_retry(&self, stage: &Stage, error: &CallError, attempt: u32, delay: Duration) {
        let retry_in_ms = delay.as_millis() as u64;
        tracing::warn!(stage = %stage, attempt, retry_in_ms, "{}", error.message);
        count_retry(&self.settings, stage);
        let reason = format!("{stage}: {}", error.message);
        self.report(Some(Retry { reason, attempt, next: Instant::now() + delay }));
    }

    fn report_success(&self, stage: &Stage, attempts: u32) {
        if attempts > 0 {
            tracing::info!(stage = %stage, attempts, "works again");
        }
        self.report(None);
    }

    /// Reports the retry that is waited for, or that there is none any more.
    fn report(&self, retry: Option<Retry>) {
        let is_retrying = retry.is_some();
        if self.is_reported.swap(is_retrying, Ordering::Relaxed) || is_retrying {
            let _ended = self.poll.send(PollMessage::Retrying(self.worker, retry)).is_err();
        }
    }
}

/// Counts a retry in `tidegate_retries_total`.
pub(super) fn count_retry(settings: &TaskSettings, stage: &Stage) {
    let (kind, plugin) = stage.labels();
    let labels = [("stage", kind), ("plugin", plugin)];
    telemetry::task_count(&settings.connector, settings.task, "retries_total", &labels, 1);
}

/// Doubles from `initial` to `max`, with a random part of the upper half, so that tasks do not retry at the same time.
pub(crate) fn backoff(policy: &RetryPolicy, attempts: u32) -> Duration {
    let ceiling = policy.initial.saturating_mul(1 << attempts.min(20)).min(policy.max);
    let random = RandomState::new().hash_one(attempts) as f64 / u64::MAX as f64;
    ceiling.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::pipeline::test_settings::test_settings;

    const POLICY: RetryPolicy = RetryPolicy {
        initial: Duration::from_millis(1),
        max: Duration::from_millis(4),
        timeout: Duration::from_secs(60),
    };

    fn retrier(retry: RetryPolicy) -> (Retrier, Receiver<PollMessage>) {
        let mut settings = test_settings(false);
        settings.errors.retry = retry;
        let (messages, inbox) = channel();
        let poll = PollSender::new(messages, None);
        (Retrier::new(Worker::Sink, &Arc::new(settings), &Arc::default(), &poll), inbox)
    }

    fn error(class: ErrorClass) -> CallError {
        CallError { plugin: "p".to_owned(), class, message: "no".to_owned(), retry_after: None }
    }

    #[test]
    fn a_retriable_error_is_retried_until_it_works() {
        let mut calls = 0;
        let (retrier, inbox) = retrier(POLICY);
        let outcome = retrier.call(&Stage::Source, || {
            calls += 1;
            if calls < 4 { Err(error(ErrorClass::Retriable)) } else { Ok(calls) }
        });
        assert_eq!(outcome.unwrap().unwrap(), 4);
        let attempts: Vec<Option<u32>> = inbox
            .try_iter()
            .map(|message| match message {
                PollMessage::Retrying(Worker::Sink, retry) => retry.map(|retry| retry.attempt),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(attempts, [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_task_that_is_over_begins_no_call() {
        let (retrier, _inbox) = retrier(POLICY);
        retrier.stop.end();
        let outcome = retrier.call(&Stage::Source, || -> Result<(), _> { panic!("called") });
        assert!(matches!(outcome, Err(TaskError::Ended)));
    }

    #[test]
    fn opening_is_retried_only_when_that_may_help() {
        let mut calls = 0;
        let opened = retrier(POLICY).0.open(&Stage::Source, || {
            calls += 1;
            let class = if calls < 3 { ErrorClass::Retriable } else { ErrorClass::Rejected };
            Err::<(), _>(error(class).into())
        });
        assert!(matches!(opened, Err(TaskError::Open { .. })));
        assert_eq!(calls, 3);
    }

    #[test]
    fn other_errors_are_not_retried() {
        for class in [ErrorClass::Fatal, ErrorClass::Fenced, ErrorClass::Panic, ErrorClass::Config] {
            let mut calls = 0;
            let outcome = retrier(POLICY).0.call(&Stage::Source, || {
                calls += 1;
                Err::<(), _>(error(class))
            });
            assert!(matches!(outcome, Err(TaskError::Call { .. })), "{class:?}");
            assert_eq!(calls, 1);
        }
    }

    #[test]
    fn retries_end_when_their_time_is_up() {
        let policy = RetryPolicy { timeout: Duration::from_millis(200), ..POLICY };
        let outcome = retrier(policy).0.call(&Stage::Source, || Err::<(), _>(error(ErrorClass::Retriable)));
        assert!(matches!(outcome, Err(TaskError::RetriesExhausted { attempts: 1.., .. })));
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        for attempts in 0..40 {
            let pause = backoff(&POLICY, attempts);
            let ceiling = Duration::from_millis([1, 2, 4][attempts.min(2) as usize]);
            assert!(pause >= ceiling / 2 && pause <= ceiling, "{attempts}: {pause:?}");
        }
    }
}
