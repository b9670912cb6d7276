//! What every client of the room shares: properties to a client configuration, and which errors mean what.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::oauth::{OAuthError, TokenSource};

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// librdkafka does not know a property or refuses its value.
    #[error("kafka property {property:?} is refused: {reason}")]
    Property {
        /// The property.
        property: String,
        /// librdkafka's reason. It does not hold the value of a secret.
        reason: String,
    },
    /// Properties contradict each other, or something they name (a certificate) cannot be used.
    #[error("kafka client cannot be created: {0}")]
    Refused(String),
    /// The OAuth properties are incomplete.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
}

impl ClientError {
    /// Translates the error of a client's creation.
    pub(super) fn from_creation(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, reason, property, _) => Self::Property { property, reason },
            KafkaError::ClientCreation(reason) => Self::Refused(reason),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Makes a configuration of `properties`, less those of OAuth, which librdkafka does not serve itself when it is
/// built without curl; they make the token source.
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

/// What an error code asks of whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Brokers cannot be reached, or not at the moment; the client goes on trying.
    Unreachable,
    /// A topic or partition does not exist, or not yet.
    UnknownTopic,
    /// The position lies outside the log.
    OutOfRange,
    /// Nothing gets better by itself; the text is the fix.
    Permanent(&'static str),
    /// Worth a line in the log; the client goes on by itself.
    Passing,
}

/// Classifies an error code of librdkafka or of a broker.
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
        _ => fix(code).map_or(Severity::Passing, Severity::Permanent),
    }
}

fn fix(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check the credentials, `sasl.mechanism` and `security.protocol`"
        }
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            "set `sasl.mechanism` to one that the brokers offer"
        }
        Code::TopicAuthorizationFailed => "grant the user READ and DESCRIBE on the topic",
        Code::GroupAuthorizationFailed => "grant the user READ on the consumer group",
        Code::ClusterAuthorizationFailed => "grant the user the missing right on the cluster",
        Code::InvalidTopic => "correct the topic's name",
        Code::InvalidGroupId => "correct the consumer group's id",
        Code::InvalidSessionTimeout => {
            "set `session.timeout.ms` within the brokers' group.min and group.max.session.timeout.ms"
        }
        Code::InconsistentGroupProtocol => {
            "other members of the group use another assignment strategy: stop them, or use their strategy"
        }
        Code::FencedInstanceId | Code::FencedMemberEpoch => {
            "another consumer uses the same `group.instance.id`: give each its own"
        }
        Code::GroupMaxSizeReached => "raise the brokers' group.max.size or run fewer tasks",
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => "raise the limit on a record's size",
        Code::BadMessage => {
            "a response is damaged or larger than `receive.message.max.bytes`: raise it, or look for corrupt \
             records on the broker"
        }
        Code::UnsupportedFeature | Code::UnsupportedVersion | Code::UnsupportedForMessageFormat => {
            "the brokers do not support what is configured"
        }
        Code::BadCompression | Code::NotImplemented => {
            "the records are compressed in a way that this build cannot read"
        }
        _ => return None,
    })
}
