//! The text of every statement.
//!
//! ```text
//! ddl: tables and columns ── load: rows in a temporary table ── apply: to their table ── moves, deletes, history ── offsets
//! ```
//!
//! Rows are loaded into a temporary table with the types of their columns. Names are quoted with backticks, which MySQL understands in
//! every mode, and other values are bound.

mod apply;
mod ddl;
mod deletes;
mod history;
mod load;
mod moves;
mod name;
mod offsets;

pub(crate) use apply::{insert_rows, merge, unmatched};
pub(crate) use ddl::{
    add_columns, create_deleted_keys, create_offsets, create_table, describe, list_tables, widen,
};
pub(crate) use deletes::{purge_deletes, store_deletes, truncate_hard, truncate_soft};
pub(crate) use history::{
    add_versions, create_history, create_truncates, earlier_values, end_all, store_truncate,
};
pub(crate) use moves::{copy_moved, without_values};
pub(crate) use name::quoted;
pub(crate) use offsets::{offsets_add_missing, offsets_claim, offsets_move, offsets_read};

#[cfg(test)]
pub(crate) mod tests;

use crate::types::ColumnType;

/// A column of a statement.
type Column = tidegate_cdc::statement::Column<ColumnType>;
