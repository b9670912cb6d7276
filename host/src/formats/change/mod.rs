//! Change events: recognised in a decoded value, whatever form they come in.
//!
//! Envelope: Debezium's documentation, "Change events", of each connector. Flat style: `op`, `before`, `after`, `table`,
//! and perhaps `schema`, `database`, `ts_ms`, `lsn`, without a `source`. Flattened rows: Debezium's documentation, "New
//! Record State Extraction". Messages of other tools, and topics of rows: `tools/`. Control events: what Debezium sends about itself.

mod cassandra;
mod columns;
mod control;
mod envelope;
mod error;
mod extended_json;
mod flattened;
mod hints;
mod inner_json;
mod keys;
mod mongodb;
mod position;
mod recognise;
mod rows;
mod tools;
mod width;

pub(crate) use error::EventError;
pub(crate) use flattened::FlattenedTopic;
pub use hints::{ColumnHint, HintError, Hints};
pub use keys::KeyColumns;
pub use recognise::ChangeEvents;
pub(crate) use recognise::{Recogniser, RecogniserOptions, RowContext, RowTypes};
pub(crate) use rows::{Payload, RowError, Rows};
