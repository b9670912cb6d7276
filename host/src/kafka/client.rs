//! Shared by all Kafka clients: client configuration from properties, and the classification of errors.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::oauth::{OAuthError, TokenSource};

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// librdkafka does not know a property or its value is invalid.
    #[error("kafka property {property:?} is invalid: {reason}")]
    Property {
        property: String,
        /// librdkafka's reason. It does not contain the value of a secret.
        reason: String,
    },
    /// Properties contradict each other, or a file that they name (a certificate) cannot be used.
    #[error("kafka client cannot be created: {0}")]
    Creation(String),
    /// The OAuth properties are incomplete.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
}

impl ClientError {
    pub(super) fn from_creation(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, reason, property, _) => Self::Property { property, reason },
            KafkaError::ClientCreation(reason) => Self::Creation(reason),
            other => Self::Creation(other.to_string()),
        }
    }
}

/// Creates a configuration from `properties` without the OAuth properties, which become the token source: librdkafka is
/// built without curl and cannot fetch tokens itself.
pub(super) fn configure(
    bootstrap_servers: &str,
    properties: &BTreeMap<String, String>,
) -> Result<(ClientConfig, Option<TokenSource>), ClientError> {
    let (rest, tokens) = TokenSource::split_off(properties)?;
    let mut config = ClientConfig::new();
    for (name, value) in &rest {
        config.set(name, value);
    }
    config.set("bootstrap.servers", bootstrap_servers);
    let debugging = rest.contains_key("debug");
    config.set_log_level(if debugging { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    Ok((config, tokens))
}

/// How to handle an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Brokers cannot be reached at the moment; the client keeps trying.
    Unreachable,
    /// A topic or partition does not exist, or not yet.
    UnknownTopic,
    /// The offset is outside the log.
    OutOfRange,
    /// Retrying does not help; the text is the suggested fix.
    Permanent(&'static str),
    /// Logged; the client recovers by itself.
    Transient,
}

pub(super) fn severity(code: RDKafkaErrorCode) -> Severity {
    use RDKafkaErrorCode as Code;
    match code {
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::SSL
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::BrokerNotAvailable
        | Code::NetworkException => Severity::Unreachable,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => Severity::UnknownTopic,
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Severity::OutOfRange,
        _ => fix(code).map_or(Severity::Transient, Severity::Permanent),
    }
}

fn fix(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check the credentials, `sasl.mechanism` and `security.protocol`"
        }
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            "set `sasl.mechanism` to one that the brokers support"
        }
        Code::TopicAuthorizationFailed => "grant the user READ and DESCRIBE on the topic",
        Code::GroupAuthorizationFailed => "grant the user READ on the consumer group",
        Code::ClusterAuthorizationFailed => "grant the user the missing cluster permission",
        Code::InvalidTopic => "correct the topic's name",
        Code::InvalidGroupId => "correct the consumer group's id",
        Code::InvalidSessionTimeout => {
            "set `session.timeout.ms` within the brokers' group.min and group.max.session.timeout.ms"
        }
        Code::InconsistentGroupProtocol => {
            "other members of the group use another assignment strategy: stop them, or use their strategy"
        }
        Code::FencedInstanceId | Code::FencedMemberEpoch => {
            "another consumer uses the same `group.instance.id`: use a different one for each"
        }
        Code::GroupMaxSizeReached => "raise the brokers' group.max.size or run fewer tasks",
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => "raise the limit on a record's size",
        Code::BadMessage => {
            "a response is damaged or larger than `receive.message.max.bytes`: raise it, or look for corrupt \
             records on the broker"
        }
        Code::UnsupportedFeature | Code::UnsupportedVersion | Code::UnsupportedForMessageFormat => {
            "the brokers do not support a configured feature"
        }
        Code::BadCompression | Code::NotImplemented => {
            "the records use a compression that this build does not support"
        }
        _ => return None,
    })
}
