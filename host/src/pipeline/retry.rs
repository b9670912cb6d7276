//! Retries of failed calls.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use super::{
    error::{Stage, TaskError},
    stop::StopSignal,
};
use crate::{
    config::RetryPolicy,
    plugins::{CallError, ErrorClass, OpenError},
};

/// Calls once.
///
/// # Errors
/// As for [`retry`], but a retriable error is returned to the caller, too.
pub(super) fn once<T>(
    stage: &Stage,
    stop: &StopSignal,
    call: impl FnOnce() -> Result<T, CallError>,
) -> Result<Result<T, CallError>, TaskError> {
    if stop.has_ended() {
        return Err(TaskError::Ended);
    }
    match call() {
        Err(source) if !matches!(source.class, ErrorClass::Retriable | ErrorClass::Rejected) => {
            Err(TaskError::Call { stage: stage.clone(), source })
        }
        outcome => Ok(outcome),
    }
}

/// Calls until it succeeds, fails in a way that retrying does not help, or the timeout has passed.
///
/// # Errors
/// Errors of class `Rejected` and `OutOfMemoryBudget` are returned in `Ok(Err(..))`, since the caller can find the
/// record. All others fail the task.
pub(super) fn retry<T>(
    policy: &RetryPolicy,
    stage: &Stage,
    stop: &StopSignal,
    mut call: impl FnMut() -> Result<T, CallError>,
) -> Result<Result<T, CallError>, TaskError> {
    let began = Instant::now();
    let mut attempts = 0;
    loop {
        if stop.has_ended() {
            return Err(TaskError::Ended);
        }
        let error = match call() {
            Ok(value) => {
                if attempts > 0 {
                    tracing::info!(stage = %stage, attempts, "works again");
                }
                return Ok(Ok(value));
            }
            Err(error) => error,
        };
        match error.class {
            ErrorClass::Retriable => {}
            ErrorClass::Rejected | ErrorClass::OutOfMemoryBudget => return Ok(Err(error)),
            ErrorClass::Fatal | ErrorClass::Fenced | ErrorClass::Panic => {
                return Err(TaskError::Call { stage: stage.clone(), source: error });
            }
        }
        let delay = backoff(policy, attempts).max(error.retry_after.unwrap_or_default());
        let waited = began.elapsed();
        let exhausted =
            |source| TaskError::RetriesExhausted { stage: stage.clone(), attempts, waited, source };
        if waited + delay > policy.timeout {
            return Err(exhausted(error));
        }
        tracing::warn!(stage = %stage, attempt = attempts + 1, retry_in_ms = delay.as_millis() as u64, "{}", error.message);
        if !stop.wait(delay) {
            return Err(exhausted(error));
        }
        attempts += 1;
    }
}

/// Opens a plugin, and retries while its error is retriable.
///
/// # Errors
/// Why the task fails.
pub(super) fn open<T>(
    policy: &RetryPolicy,
    stage: &Stage,
    stop: &StopSignal,
    mut open: impl FnMut() -> Result<T, OpenError>,
) -> Result<T, TaskError> {
    let failed = |source| TaskError::Open { stage: stage.clone(), source };
    let opened = retry(policy, stage, stop, || match open() {
        Err(OpenError::Call(error)) if error.class == ErrorClass::Retriable => Err(error),
        other => Ok(other),
    })?;
    opened.map_err(|error| failed(error.into()))?.map_err(failed)
}

/// Doubles from `initial` to `max`, with a random part of the upper half, so that tasks do not retry at the same time.
pub(crate) fn backoff(policy: &RetryPolicy, attempts: u32) -> Duration {
    let ceiling = policy.initial.saturating_mul(1 << attempts.min(20)).min(policy.max);
    let random = RandomState::new().hash_one(attempts) as f64 / u64::MAX as f64;
    ceiling.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        initial: Duration::from_millis(1),
        max: Duration::from_millis(4),
        timeout: Duration::from_secs(60),
    };

    fn error(class: ErrorClass) -> CallError {
        CallError { plugin: "p".to_owned(), class, message: "no".to_owned(), retry_after: None }
    }

    #[test]
    fn a_retriable_error_is_retried_until_it_works() {
        let mut calls = 0;
        let outcome = retry(&POLICY, &Stage::Source, &StopSignal::default(), || {
            calls += 1;
            if calls < 4 { Err(error(ErrorClass::Retriable)) } else { Ok(calls) }
        });
        assert_eq!(outcome.unwrap().unwrap(), 4);
    }

    #[test]
    fn a_task_that_is_over_begins_no_call() {
        let stop = StopSignal::default();
        stop.end();
        let outcome = retry(&POLICY, &Stage::Source, &stop, || -> Result<(), _> { panic!("called") });
        assert!(matches!(outcome, Err(TaskError::Ended)));
    }

    #[test]
    fn opening_is_retried_only_when_that_may_help() {
        let mut calls = 0;
        let opened = open(&POLICY, &Stage::Source, &StopSignal::default(), || {
            calls += 1;
            let class = if calls < 3 { ErrorClass::Retriable } else { ErrorClass::Rejected };
            Err::<(), _>(error(class).into())
        });
        assert!(matches!(opened, Err(TaskError::Open { .. })));
        assert_eq!(calls, 3);
    }

    #[test]
    fn other_errors_are_not_retried() {
        for class in [ErrorClass::Fatal, ErrorClass::Fenced, ErrorClass::Panic] {
            let mut calls = 0;
            let outcome = retry(&POLICY, &Stage::Source, &StopSignal::default(), || {
                calls += 1;
                Err::<(), _>(error(class))
            });
            assert!(matches!(outcome, Err(TaskError::Call { .. })), "{class:?}");
            assert_eq!(calls, 1);
        }
    }

    #[test]
    fn retries_end_when_their_time_is_up() {
        let policy = RetryPolicy { timeout: Duration::from_millis(20), ..POLICY };
        let outcome = retry(&policy, &Stage::Source, &StopSignal::default(), || {
            Err::<(), _>(error(ErrorClass::Retriable))
        });
        assert!(matches!(outcome, Err(TaskError::RetriesExhausted { attempts: 4.., .. })));
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
