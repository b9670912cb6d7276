//! The text of every statement that the sink runs.
//!
//! ```text
//! ddl: tables and columns ── merge, rows: their rows ── moves: rows whose key changes ── deletes: deleted keys, truncates ── offsets: stored offsets
//! ```
//!
//! Names are quoted, and values are always bound, never part of the text. All rows are one bind,
//! a JSON array of arrays whose elements are `null`, `true`, `false` or strings. Each function documents the values that its
//! `?` stand for.

mod ddl;
mod deletes;
mod merge;
mod moves;
mod name;
mod offsets;
mod rows;

#[cfg(test)]
mod tests;

pub(crate) use ddl::{
    add_columns, create_deleted_keys, create_offsets, create_table, list_tables, show_columns, widen,
};
pub(crate) use deletes::{EVERY_KEY, purge_deletes, store_deletes, truncate_hard, truncate_soft};
pub(crate) use merge::{Merge, merge};
pub(crate) use moves::{Copying, EARLY, MissingValues, copy_moved, without_values};
#[cfg(test)]
pub(crate) use name::quoted;
pub(crate) use name::{Meta, OffsetNames, TableName};
pub(crate) use offsets::{OFFSETS_LANE, offsets_add_missing, offsets_claim, offsets_move, offsets_read};
pub(crate) use rows::{insert_rows, unmatched};

use crate::types::ColumnType;

/// A column of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its type in the table.
    pub(crate) kind: ColumnType,
}
