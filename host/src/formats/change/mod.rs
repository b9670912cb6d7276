//! Change events: recognised in a decoded value, in Debezium's envelope and in the flat style.
//!
//! Envelope: Debezium's documentation, "Change events", of each connector; its heartbeats, transaction and
//! schema-change messages have no `op` and are plain records. Flat style: `op`, `before`, `after`, `table`, and perhaps
//! `schema`, `database`, `ts_ms`, `lsn`, without a `source`.

mod columns;
mod hints;
mod position;
mod recognise;
mod rows;

pub use hints::{ColumnHint, HintError, Hints};
pub(crate) use recognise::recognise;
pub(crate) use rows::{RowError, Rows};
