//! Kafka Connect's endpoints, with the status codes and the JSON of Kafka Connect 4.1.

pub(super) mod configs;
pub(super) mod connectors;
pub(super) mod invalid;
pub(super) mod loggers;
pub(super) mod offsets;
pub(super) mod plugins;
pub(super) mod query;
pub(super) mod states;
pub(super) mod tasks;
pub(super) mod topics;
pub(super) mod views;
pub(super) mod worker;

/// The version of Kafka Connect whose API this is. Clients decide by it which endpoints they use.
pub(super) const CONNECT_VERSION: &str = "4.1.1";
