//! A producer for records that must not be lost: [`Producer::send`] returns when all of them are acknowledged.
//!
//! It is idempotent and waits for all replicas; librdkafka retries in order until the timeout in the settings. Missing
//! topics are created first.

mod error;
mod reports;
mod send;
mod settings;
#[cfg(test)]
mod tests;
mod topics;

pub use error::ProduceError;
pub use send::{Producer, ProducerRecord, SendProgress};
pub use settings::{ProducerSettings, SendTimeouts};
pub use topics::NewTopic;

pub use crate::kafka::ffi::NO_TIMESTAMP;
