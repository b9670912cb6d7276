//! Why records could not be produced.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client::ClientError;
use crate::kafka::oauth::OAuthError;

/// Why records could not be produced. Some of them may be in the topic all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The settings are refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no OAuth token.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// A thread of the producer's own could not be started.
    #[error("cannot start a thread for the producer: {0}")]
    Thread(#[from] std::io::Error),
    /// A topic is missing and cannot be created.
    #[error("topic {topic:?} does not exist and cannot be created: {reason}; {fix}")]
    NoTopic {
        /// The topic.
        topic: String,
        /// What the broker or librdkafka said.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// The broker or librdkafka refuses for a reason that does not pass.
    #[error("writing to topic {topic:?} failed: {reason}; {fix}")]
    Rejected {
        /// The topic.
        topic: String,
        /// What the broker or librdkafka said.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// Nobody acknowledged in time.
    #[error("topic {topic:?} cannot be written to: nothing was acknowledged within {:.1} s: {reason}", waited.as_secs_f64())]
    TimedOut {
        /// The topic.
        topic: String,
        /// How long that was.
        waited: Duration,
        /// The last reason that is known.
        reason: String,
    },
    /// Whoever waited did not want to wait any longer.
    #[error("writing to topic {topic:?} was given up before it was acknowledged: {reason}")]
    GivenUp {
        /// The topic.
        topic: String,
        /// The last reason that is known.
        reason: String,
    },
}

impl ProduceError {
    /// The broker or librdkafka refuses a record.
    pub(super) fn rejected(topic: &str, code: RDKafkaErrorCode) -> Self {
        Self::Rejected { topic: topic.to_owned(), reason: code.to_string(), fix: fix(code) }
    }

    /// The broker or librdkafka refuses to create a topic.
    pub(super) fn not_created(topic: &str, code: RDKafkaErrorCode) -> Self {
        let fix = match code {
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                "create it, or grant the user CREATE, DESCRIBE and WRITE on it"
            }
            RDKafkaErrorCode::InvalidReplicationFactor => {
                "set errors.dead_letter_replication to what the cluster has brokers for"
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
        _ => "look at the brokers' logs",
    }
}
