//! The embedded development broker: a small Kafka in this process, and a loader of captured records.
//!
//! It is librdkafka's mock cluster with three hooks (`mock_hooks.c`). What it does as Kafka does: produce and
//! fetch with every codec, headers, classic consumer groups, commits. What it lacks: it forgets everything when
//! it is dropped; no admin requests, transactions, look-up by time, authentication or TLS; every record's append
//! time is a constant. It is for development and tests, and therefore listens on loopback only.
//!
//! A topic that a client creates by using it gets four partitions. Nothing is ever dropped: a produce request
//! that would exceed [`Options::max_bytes`] is refused with `POLICY_VIOLATION`.

mod broker;
mod loader;

pub use broker::{BrokerError, EmbeddedBroker, Options};
pub use loader::{LoadError, LoadReport, Loader};

#[cfg(test)]
mod tests;
