//! The text of every statement that the sink runs.
//!
//! ```text
//! ddl: tables and columns ── merge, rows: their rows ── moves: rows whose key changes ── deletes: deleted keys, truncates ── offsets: stored offsets
//! history: versions of rows
//! ```
//!
//! Names are quoted, and values are always bound, never part of the text. All rows are one bind, a JSON array of arrays. SQLite has
//! no MERGE: rows that are compared with a table are first read into the temporary table [`rows::STAGE`], and then a DELETE, an UPDATE
//! and an INSERT each apply a part of them. Their conditions exclude each other, so every row is counted once. Reading the rows once
//! takes less time than reading them in each of these statements.
//!
//! Keys are compared with the collation BINARY: a column of the user's may have another one, but the keys of the source are different
//! if one byte is.

mod ddl;
mod deletes;
mod history;
mod merge;
mod moves;
mod offsets;
mod rows;

#[cfg(test)]
mod tests;

pub(crate) use ddl::{DESCRIBE, LIST_TABLES, add_columns, create_deleted_keys, create_offsets, create_table};
pub(crate) use deletes::{purge_deletes, store_deletes, truncate_hard, truncate_soft};
pub(crate) use history::{
    add_versions, create_history, create_truncates, earlier_values, end_all, store_truncate,
};
pub(crate) use merge::merge;
pub(crate) use moves::{copy_moved, without_values};
pub(crate) use offsets::{offsets_add_missing, offsets_claim, offsets_move, offsets_read};
pub(crate) use rows::{insert_rows, unmatched};

use crate::types::ColumnType;

/// A column of a statement.
type Column = tidegate_cdc::statement::Column<ColumnType>;
