//! The text of every statement that the sink runs.
//!
//! ```text
//! ddl: tables and columns ── merge, rows: their rows ── moves: rows whose key changes ── deletes: deleted keys, truncates ── offsets: stored offsets ── stages: files with rows
//! ```
//!
//! Names are quoted, and values are always bound, never part of the text. All rows are one bind,
//! a JSON array of arrays whose elements are `null`, `true`, `false` or strings, or a file with such an array for each row. The
//! texts of statements with rows have a mark in place of the FROM clause of the rows, which [`bound`] and [`from_file`] replace. Each
//! function documents the values that its `?` stand for.

mod ddl;
mod deletes;
mod history;
mod merge;
mod moves;
mod offsets;
mod rows;
mod stages;

#[cfg(test)]
mod tests;

pub(crate) use ddl::{
    add_columns, create_deleted_keys, create_offsets, create_table, list_tables, show_columns, widen,
};
pub(crate) use deletes::{purge_deletes, store_deletes, truncate_hard, truncate_soft};
pub(crate) use history::{
    add_versions, create_history, create_truncates, earlier_values, end_all, store_truncate,
};
pub(crate) use merge::merge;
pub(crate) use moves::{copy_moved, without_values};
pub(crate) use offsets::{offsets_add_missing, offsets_claim, offsets_move, offsets_read};
pub(crate) use rows::{bound, from_file, insert_rows, unmatched};
pub(crate) use stages::{StageName, create_stage, list_stage, put, remove};

use crate::types::ColumnType;

/// A column of a statement.
type Column = tidegate_cdc::statement::Column<ColumnType>;
