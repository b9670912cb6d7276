//! Formats: the bytes of keys and values to typed values in a batch's arena, and the change events in them.
//!
//! `json/` is the grammar, `types/` what sources mean by a plain value, `connect/` JSON with its schema, `registry/` the client
//! of a schema registry, `avro/`, `protobuf/` and `json_schema/` the formats whose schemas are there, `binary/` what the binary ones
//! share, `change/` change events and rows without a schema; `payload.rs` decodes keys and values, `registered/` those whose schema
//! is in a registry, `decoder.rs` whole records. Knows nothing of Kafka clients, plugins or
//! configuration.

mod avro;
mod binary;
mod change;
mod connect;
mod decoder;
mod json;
mod json_schema;
mod memory;
mod notices;
mod order;
mod payload;
mod protobuf;
mod read;
mod registered;
pub mod registry;
mod schema_cache;
mod schemas;
mod state;
mod types;

#[cfg(test)]
#[path = "../../../tests/support/registry_stub.rs"]
mod stub;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use avro::check_schema;
pub use binary::DecodeLimits;
pub use change::{ChangeEvents, ColumnHint, HintError, Hints, KeyColumns};
pub(crate) use connect::SchemaLengths;
pub use decoder::{DecoderOptions, RecordDecoder};
pub use json::{InvalidUnicode, MAX_DEPTH};
pub use notices::{Cause, Notice, Severity};
pub use order::Reading;
pub use state::{TopicIdentity, ids, state_of_new_topic, with_ids};
pub use types::{PlaceholderError, placeholder_text};

/// Format of a key or value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Format {
    /// JSON, with or without Connect's `{"schema","payload"}` envelope.
    #[default]
    Json,
    /// UTF-8 text.
    String,
    /// Bytes as they are.
    Bytes,
    /// Avro with its schema in a registry.
    Avro,
    /// Protobuf with its schema in a registry.
    Protobuf,
    /// JSON with a JSON Schema in a registry.
    JsonSchema,
}

/// Format of headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum HeaderFormat {
    /// Text, or bytes that are not UTF-8.
    #[default]
    Raw,
    /// As Connect's `SimpleHeaderConverter` reads them.
    Simple,
}

impl Format {
    /// Its name in connector files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Avro => "avro",
            Self::Protobuf => "protobuf",
            Self::JsonSchema => "json-schema",
        }
    }

    /// Whether its schemas are in a registry.
    #[must_use]
    pub const fn needs_registry(self) -> bool {
        matches!(self, Self::Avro | Self::Protobuf | Self::JsonSchema)
    }
}
