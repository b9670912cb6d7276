//! The embedded development broker: a small Kafka in this process, and a loader of captured records.
//!
//! It is librdkafka's mock cluster with three hooks (`mock_hooks.c`). It supports, like Kafka: produce and
//! fetch with every codec, headers, classic consumer groups, commits. It keeps everything in memory until
//! it is dropped; it lacks admin requests, transactions, offsets by time, authentication and TLS; every record's append
//! time is a constant. It is for development and tests, and therefore listens on loopback only.
//!
//! A topic that a client creates by using it gets four partitions. Records are never deleted: a produce request
//! that would exceed [`Options::max_bytes`] is rejected with `POLICY_VIOLATION`.

mod broker;
mod loader;

pub use broker::{BrokerError, EmbeddedBroker, Options};
pub use loader::{LoadError, LoadReport, Loader};

#[cfg(test)]
mod tests;
