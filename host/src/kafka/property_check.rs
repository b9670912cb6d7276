//! Checks client properties with librdkafka, without contacting a broker.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::types::RDKafkaType;

use super::client::ClientError;
use super::oauth::{OAuthError, TokenSource};

/// A property that a client would be rejected for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyFault {
    /// The property, if a single one of those that were given is at fault.
    pub property: Option<String>,
    /// What is wrong. It does not contain the value of a secret.
    pub message: String,
    /// Whether the property itself is invalid. Otherwise a file that it names cannot be used on this machine.
    pub is_invalid: bool,
}

impl PropertyFault {
    fn new(property: Option<String>, message: String) -> Self {
        // `ssl.ca.location` and the like are the only properties that name files.
        let is_invalid = !property.as_ref().is_some_and(|name| name.ends_with(".location"));
        Self { property, message, is_invalid }
    }
}

/// Checks `properties` one by one, so that every wrong one is reported, and if all are accepted, creates a client from
/// `config`, which contains them: that checks whether they go together and whether files that they name can be used.
pub(super) fn check<E>(
    properties: &BTreeMap<String, String>,
    kind: RDKafkaType,
    config: impl FnOnce() -> Result<ClientConfig, E>,
) -> Vec<PropertyFault>
where
    E: std::fmt::Display,
{
    let single = match TokenSource::split_off(properties) {
        Ok((rest, _)) => rest.iter().filter_map(|(name, value)| check_one(name, value)).collect(),
        Err(error) => vec![oauth_fault(&error)],
    };
    if !single.is_empty() {
        return single;
    }
    let message = match config() {
        Ok(config) => match create(config, kind) {
            Ok(()) => return vec![],
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    // librdkafka's messages name the property that has to change first.
    let position = |name: &&String| message.find(name.as_str());
    let named = properties.keys().filter(|name| position(name).is_some());
    let property = named.min_by_key(|name| (position(name), usize::MAX - name.len())).cloned();
    vec![PropertyFault::new(property, message)]
}

fn check_one(name: &str, value: &str) -> Option<PropertyFault> {
    let error = ClientConfig::new().set(name, value).create_native_config().err()?;
    let message = ClientError::from_creation(error).to_string();
    Some(PropertyFault::new(Some(name.to_owned()), message))
}

fn oauth_fault(error: &OAuthError) -> PropertyFault {
    let property = match error {
        OAuthError::Property { property, .. } => property,
        _ => "sasl.mechanism",
    };
    PropertyFault::new(Some(property.to_owned()), error.to_string())
}

/// Creates a client without brokers, so that it connects to none.
fn create(mut config: ClientConfig, kind: RDKafkaType) -> Result<(), ClientError> {
    config.remove("bootstrap.servers");
    let native = config.create_native_config().map_err(ClientError::from_creation)?;
    Client::new(&config, native, kind, DefaultClientContext).map_err(ClientError::from_creation)?;
    Ok(())
}
