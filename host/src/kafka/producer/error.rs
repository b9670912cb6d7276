//! Why records could not be produced.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client::ClientError;
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
        fix: &'static str,
    },
    /// An error that retrying cannot resolve, such as a wrong password.
    #[error("{reason}; {fix}")]
    Permanent {
        /// The error, with what is known of the login.
        reason: String,
        /// The suggested fix.
        fix: String,
    },
    /// A permanent error of the broker or librdkafka.
    #[error("writing to topic {topic:?} failed: {reason}; {fix}")]
    Rejected {
        /// The topic.
        topic: String,
        /// The error of the broker or librdkafka.
        reason: String,
        /// The suggested fix.
        fix: &'static str,
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
    /// The broker or librdkafka rejected a record.
    pub(super) fn rejected(topic: &str, code: RDKafkaErrorCode) -> Self {
        Self::Rejected { topic: topic.to_owned(), reason: code.to_string(), fix: fix(code) }
    }

    /// The broker or librdkafka did not create a topic.
    pub(super) fn not_created(topic: &str, code: RDKafkaErrorCode) -> Self {
        let fix = match code {
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                "create it, or grant the user CREATE, DESCRIBE and WRITE on it"
            }
            RDKafkaErrorCode::InvalidReplicationFactor => {
                "lower errors.dead_letter_replication to the number of brokers"
            }
            RDKafkaErrorCode::InvalidTopic => "set another errors.dead_letter_topic",
            _ => "create it, with cleanup.policy=delete",
        };
        Self::NoTopic { topic: topic.to_owned(), reason: code.to_string(), fix }
    }
}

fn fix(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as Code;
    match code {
        Code::TopicAuthorizationFailed => "grant the user WRITE and DESCRIBE on the topic",
        Code::ClusterAuthorizationFailed => "grant the user IDEMPOTENT_WRITE on the cluster",
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => "raise max.message.bytes of the topic",
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            "create the topic: it does not exist, or has fewer partitions"
        }
        Code::InvalidRecord => {
            "a topic with cleanup.policy=compact takes no records without a key: set it to delete"
        }
        Code::InvalidTimestamp => {
            "raise message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic"
        }
        Code::InvalidTopic => "correct the topic's name",
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check the credentials, `sasl.mechanism` and `security.protocol`"
        }
        _ => "check the brokers' logs",
    }
}
