//! Change events: recognised in a decoded value, whatever form they come in.
//!
//! Envelope: Debezium's documentation, "Change events", of each connector. Flat style: `op`, `before`, `after`, `table`,
//! and perhaps `schema`, `database`, `ts_ms`, `lsn`, without a `source`. Flattened rows: Debezium's documentation, "New
//! Record State Extraction". Control events: what Debezium sends about itself.

mod columns;
mod control;
mod envelope;
mod error;
mod extended_json;
mod flattened;
mod hints;
mod inner_json;
mod mongodb;
mod position;
mod recognise;
mod rows;

pub(crate) use error::EventError;
pub(crate) use flattened::FlattenedTopic;
pub use hints::{ColumnHint, HintError, Hints};
pub use recognise::ChangeEvents;
pub(crate) use recognise::{Recogniser, RowContext};
pub(crate) use rows::{Payload, RowError, Rows};
