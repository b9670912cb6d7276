//! Everything that talks to Kafka: consumers, producers, look-ups, OAuth tokens and the embedded development broker.
//!
//! This room knows nothing of plugins, pipelines or configuration files: it takes plain settings and gives
//! records, events and errors.

mod access;
pub mod admin;
mod client;
pub mod consumer;
pub mod embedded;
mod ffi;
mod oauth;
pub mod producer;
pub mod reader;
mod topic_pattern;

pub use client::ClientError;
pub use ffi::{RawHeaders, raw_headers};
pub use oauth::OAuthError;
pub use topic_pattern::{Selection, TopicPattern};
