//! The text of every statement.
//!
//! ```text
//! ddl: tables and columns ── rows: loaded or bound ── apply: to their table ── moves, deletes ── offsets
//! history: versions of rows
//! ```
//!
//! Rows are loaded by COPY into a temporary table with the types of their columns, which is dropped with the transaction; few rows are
//! bound. Names are quoted, and other values are bound as text.

mod apply;
mod ddl;
mod deletes;
mod history;
mod literal;
mod moves;
mod offsets;
mod rows;

pub(crate) use apply::{insert_rows, merge, unmatched};
pub(crate) use ddl::{
    add_columns, create_deleted_keys, create_offsets, create_table, describe, list_tables, widen,
};
pub(crate) use deletes::{purge_deletes, store_deletes, truncate_hard, truncate_soft};
pub(crate) use history::{
    add_versions, create_history, create_truncates, earlier_values, end_all, store_truncate,
};
pub(crate) use literal::with_literals;
pub(crate) use moves::{copy_moved, without_values};
pub(crate) use offsets::{offsets_add_missing, offsets_claim, offsets_move, offsets_read};
pub(crate) use rows::Transfer;

#[cfg(test)]
mod tests;

use crate::types::ColumnType;

/// A column of a statement.
type Column = tidegate_cdc::statement::Column<ColumnType>;
