//! Formats: the bytes of keys and values to typed values in a batch's arena, and the change events in them.
//!
//! `json/` is the grammar, `types/` what sources mean by a plain value, `connect/` JSON with its schema, `change/` change
//! events and rows without a schema; `payload.rs` reads keys and values, `decoder.rs` joins them. Knows nothing of Kafka
//! clients, plugins or configuration.

mod change;
mod connect;
mod decoder;
mod json;
mod memory;
mod notices;
mod order;
mod payload;
mod state;
mod types;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use change::{ChangeEvents, ColumnHint, HintError, Hints};
pub use decoder::{DecoderOptions, RecordDecoder};
pub use json::{InvalidUnicode, MAX_DEPTH};
pub use notices::{Cause, Notice, Severity};
pub use order::Reading;
pub use state::state_of_new_topic;

/// Format of a key or value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Format {
    /// JSON, with or without Connect's `{"schema","payload"}` envelope.
    #[default]
    Json,
    /// UTF-8 text.
    String,
    /// Bytes as they are.
    Bytes,
}

impl Format {
    /// Its name in connector files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::String => "string",
            Self::Bytes => "bytes",
        }
    }
}
