//! Fetches the schemas of a batch's records. While the registry does not answer, the task waits: no record is skipped.

use std::time::Duration;

use tidegate_abi::host::Batch;

use super::Stages;
use crate::{
    formats::registry::RegistryError,
    pipeline::{channels::PollMessage, error::TaskError, retry::backoff},
};

/// A request is small, so an outage is looked at more often than a failing sink.
const MAX_DELAY: Duration = Duration::from_secs(10);

impl Stages {
    /// Fetches the schemas of the batch that are not known yet, however long that takes.
    ///
    /// # Errors
    /// When trying again does not help, or the task is to end.
    pub(super) fn fetch_schemas(&mut self, batch: &Batch) -> Result<(), TaskError> {
        let mut attempts = 0;
        loop {
            if self.stop.has_ended() {
                return Err(TaskError::Ended);
            }
            let error = match self.decoder.prepare(batch.records()) {
                Ok(()) => break,
                Err(error) if error.is_retriable() => error,
                Err(error) => return Err(error.into()),
            };
            let delay = backoff(&self.settings.errors.retry, attempts).min(MAX_DELAY);
            self.report_outage(&error, attempts, delay);
            attempts += 1;
            if !self.stop.wait(delay) {
                return Err(TaskError::Ended);
            }
        }
        if attempts > 0 {
            tracing::info!(attempts, "schema registry answers again");
            self.report(None);
        }
        Ok(())
    }

    fn report_outage(&self, error: &RegistryError, attempts: u32, delay: Duration) {
        tracing::warn!(attempt = attempts + 1, retry_in_ms = delay.as_millis() as u64, "stalled: {error}");
        self.report(Some(error.to_string()));
    }

    fn report(&self, reason: Option<String>) {
        // The poll loop ends only with the task.
        let _ended = self.poll.send(PollMessage::RegistryBlocked(reason)).is_err();
    }
}
