//! All access to Kafka: consumers, producers, metadata queries, OAuth tokens and the embedded development broker.
//!
//! This module does not depend on plugins, pipelines or configuration files. It takes plain settings and returns records,
//! events and errors.

mod access;
pub mod admin;
mod client;
pub mod consumer;
pub mod embedded;
mod error_rules;
mod ffi;
mod group_deletion;
mod group_offsets;
mod oauth;
pub mod producer;
mod property_check;
pub mod reader;
mod topic_pattern;

pub use client::ClientError;
pub use error_rules::ErrorClass;
pub use ffi::{FetchedRecord, RawHeaders, TopicId, raw_headers};
pub use group_deletion::{DELETE_OFFSETS_COMMAND, delete_offsets_main};
pub use group_offsets::{GroupAdmin, GroupError, GroupOffsets, cluster_id};
pub use oauth::OAuthError;
pub use property_check::PropertyFault;
pub use topic_pattern::{Selection, TopicPattern};
