//! Why records could not be produced.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client::ClientError;
use crate::kafka::error_rules::{self, ErrorClass, Operation, Subject};
use crate::kafka::ffi::AdminFailure;
use crate::kafka::oauth::OAuthError;

/// Why records could not be produced. Some of them may have been written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The settings are invalid.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No OAuth token could be obtained.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The producer's thread could not be started.
    #[error("cannot start a thread for the producer: {0}")]
    Thread(#[from] std::io::Error),
    /// A topic is missing and cannot be created.
    #[error("topic {topic:?} does not exist and cannot be created: {reason}; {fix}")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The error of the broker or librdkafka.
        reason: String,
        /// The suggested fix.
        fix: String,
        /// Whether a restart may help.
        class: ErrorClass,
    },
    /// An error that the client does not recover from, such as a wrong password.
    #[error("{reason}; {fix}")]
    Permanent {
        /// The error, with what is known of the login.
        reason: String,
        /// The suggested fix.
        fix: String,
        /// Whether a restart may help.
        class: ErrorClass,
    },
    /// The broker or librdkafka rejected a record.
    #[error("writing to topic {topic:?} failed: {reason}; {fix}")]
    Rejected {
        /// The topic.
        topic: String,
        /// The error of the broker or librdkafka.
        reason: String,
        /// The suggested fix.
        fix: String,
        /// Whether a restart may help.
        class: ErrorClass,
    },
    /// The brokers did not acknowledge in time.
    #[error("topic {topic:?} cannot be written to: nothing was acknowledged within {:.1} s: {reason}", waited.as_secs_f64())]
    TimedOut {
        /// The topic.
        topic: String,
        /// How long the producer waited.
        waited: Duration,
        /// The last known reason.
        reason: String,
    },
    /// The caller stopped waiting.
    #[error("writing to topic {topic:?} was given up before it was acknowledged: {reason}")]
    GivenUp {
        /// The topic.
        topic: String,
        /// The last known reason.
        reason: String,
    },
}

impl ProduceError {
    /// The broker or librdkafka rejected a record. `text` is the broker's own.
    pub(super) fn rejected(topic: &str, user: &str, code: RDKafkaErrorCode, text: Option<String>) -> Self {
        // With several invalid records in a batch, librdkafka keeps only the texts of their errors.
        let is_time = code == RDKafkaErrorCode::InvalidRecord
            && text.as_ref().is_some_and(|text| text.starts_with("Timestamp "));
        let code = if is_time { RDKafkaErrorCode::InvalidTimestamp } else { code };
        let (fix, class) = remedy(topic, user, code, Operation::Write);
        Self::Rejected { topic: topic.to_owned(), reason: reason(code, text), fix, class }
    }

    /// The broker or librdkafka did not create a topic.
    pub(super) fn not_created(topic: &str, user: &str, failure: AdminFailure) -> Self {
        let AdminFailure { code, text } = failure;
        let (fix, class) = remedy(topic, user, code, Operation::Create);
        Self::NoTopic { topic: topic.to_owned(), reason: reason(code, text), fix, class }
    }

    /// Whether a restart of the task would fail as well.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Client(ClientError::Property { .. }) => true,
            Self::NoTopic { class, .. } | Self::Permanent { class, .. } | Self::Rejected { class, .. } => {
                *class == ErrorClass::Permanent
            }
            _ => false,
        }
    }
}

fn reason(code: RDKafkaErrorCode, text: Option<String>) -> String {
    text.map_or_else(|| code.to_string(), |text| format!("{code}: {text}"))
}

fn remedy(topic: &str, user: &str, code: RDKafkaErrorCode, operation: Operation) -> (String, ErrorClass) {
    let subject = Subject { user, topic: &format!("topic {topic}"), group: "" };
    let fix = error_rules::rule(code, operation).map(|rule| rule.remedy(&subject));
    (fix.unwrap_or_else(|| "check the brokers' logs".to_owned()), error_rules::class(code, operation))
}
