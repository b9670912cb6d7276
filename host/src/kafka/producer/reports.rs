//! Tracks delivery reports, which librdkafka's callbacks deliver.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;

use crate::kafka::ffi::rejection_text;

/// Tracks records in flight.
pub(super) struct Reports {
    owner: String,
    state: Mutex<State>,
}

/// Records in flight, and errors.
#[derive(Default)]
pub(super) struct State {
    /// Number of records without a delivery report.
    pub(super) records: usize,
    /// Their bytes.
    pub(super) bytes: usize,
    /// The first record that failed.
    pub(super) failure: Option<DeliveryFailure>,
    /// The last connection error, which is more specific than the report of a record that timed out.
    pub(super) reason: Option<String>,
}

/// Why a record was not written.
#[derive(Clone)]
pub(super) struct DeliveryFailure {
    pub(super) topic: String,
    pub(super) code: RDKafkaErrorCode,
    /// The broker's text, if it has sent one.
    pub(super) text: Option<String>,
}

impl Reports {
    pub(super) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    // Tokens are set by a separate thread (see `oauth`), so the request for one is ignored.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // Relevant messages are also reported as errors or in delivery reports.
        tracing::debug!(client = self.owner, facility, message, "librdkafka");
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // "1/1 brokers are down" is less specific than the error before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.state().reason = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Reports {
    /// Bytes of the record.
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, bytes: usize) {
        let mut state = self.state();
        state.records = state.records.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(bytes);
        if let Err((error, message)) = report {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            let failure =
                DeliveryFailure { topic: message.topic().to_owned(), code, text: rejection_text(message) };
            match &mut state.failure {
                // The other records of a rejected batch are reported as well.
                Some(first) if first.code == RDKafkaErrorCode::InvalidDifferentRecord => *first = failure,
                Some(_) => {}
                none => *none = Some(failure),
            }
        }
    }
}
