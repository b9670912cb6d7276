//! Change events into tables: what all sinks share that keep tables of a database equal to those of a source.
//!
//! A sink for a database brings three things, and is a small crate of its own:
//!
//! - a [`Dialect`]: the text of statements, the types of columns ([`types::ColumnType`]) and the format of rows
//!   ([`rows::RowFormat`]). Pure: it sends nothing and remembers nothing;
//! - a [`Session`](session::Session): a connection that runs statements in transactions, and whose errors have a
//!   [class](session::Class);
//! - a [`Database`](session::Database), which opens sessions, and a configuration with the [common options](options::Options).
//!
//! A [`TableSink`] does the rest. The sink's `AsyncSink` passes its calls on: `connect` when it is opened, `claim`, `write`,
//! `reset_offsets`, `release` and `close`. `plugins/sqlite-sink` and `plugins/snowflake-sink` are examples.
//!
//! # Data flow
//!
//! ```text
//! plan/    events ── which warehouse, table, key ── one row per key
//! table/   which columns and types the rows need ── rows as text
//! flush/   lanes, at the same time: BEGIN ── the rows of each table ── the offsets ── COMMIT
//! ```
//!
//! With the feature `testing`, the module `testing` has every statement of a dialect, for golden files and property tests.
//!
//! Other modules: [`names`], names of tables and columns; [`position`], which of two events is newer; [`statement`], what
//! statements are made of.
//!
//! # Targets without transactions
//!
//! `flush/` is above all others. A target that commits in another way, such as by a new snapshot of files, uses [`plan`], [`table`] and
//! [`rows`] without it, and needs neither a dialect nor sessions: a [`Planner`](plan::Planner) for batches, the columns that
//! [`Requirements`](table::Requirements) asks for, an [`Encoder`](table::Encoder) for rows. `tests/manifest` is a complete example, whose
//! tables consist of files that a manifest names.
//!
//! # Invariants
//!
//! - Rows and their offsets are written in one transaction. A claim increments the epoch of the partition; a task with an
//!   older epoch cannot commit.
//! - Only an event that is newer than the row changes it. Deleted keys are stored with their position for this purpose.
//! - Planning is repeatable: the same batch and offsets give the same plan, so a batch can be planned again after any failure.
//! - A value that a column would change does not fit it. A row that cannot be written is named, and is not sent.
//! - Values are always bound or loaded, never part of a statement's text. Names are always quoted.
//! - Tables are written in the order of their names, then offsets in the order of the lanes, so transactions cannot deadlock.

#![warn(missing_docs)]

pub mod dialect;
mod flush;
pub mod history;
pub mod names;
pub mod options;
pub mod plan;
pub mod position;
pub mod rows;
pub mod session;
pub mod sql;
pub mod statement;
pub mod table;
pub mod types;

#[cfg(test)]
mod test_config;
#[cfg(feature = "testing")]
pub mod testing;

pub use dialect::Dialect;
pub use flush::{TableSink, into_plugin_error};
pub use history::HistoryDialect;
