//! Shared by all Kafka clients: client configuration from properties.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

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
