//! Tables in Snowflake: their columns, changes that events require, and encoding of rows.
//!
//! ```text
//! events ── desired: required columns and types ── alter: the statements ── rows, payload: the bound text
//! rows whose key changes ── moves: copies and lookups ── findings: values that are not in their column
//! ```

mod about;
mod alter;
mod desired;
mod findings;
mod layout;
mod moves;
mod payload;
mod rows;
mod sizes;

pub(crate) use about::add_deleted_key;
pub(crate) use alter::{Changes, Evolving};
pub(crate) use findings::Finding;
pub(crate) use layout::Columns;
pub(crate) use payload::EncodedRows;
pub(crate) use rows::{Encoder, Extras};

use crate::{
    session::Answer,
    sql::{Column, TableName},
    types::{ColumnType, kept_fraction},
};

/// A table in Snowflake.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    /// Columns; none if the table does not exist.
    pub(crate) columns: Vec<TableColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// Whether it is NOT NULL, as key columns of tables that the sink has created.
    pub(crate) is_required: bool,
    /// Whether it has a default or is an autoincrement column: the sink writes it only if an event has it.
    pub(crate) is_generated: bool,
    /// Whether it is a virtual column, which cannot be written.
    pub(crate) is_virtual: bool,
    /// Whether it was added for the current batch: earlier events do not have it.
    pub(crate) is_new: bool,
    /// Number of fractional digits of a second, if it is less than the maximum.
    pub(crate) kept_fraction: Option<u8>,
}

/// The result of SHOW COLUMNS cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("the columns of {table} cannot be read: {reason}")]
pub(crate) struct UnreadableTable {
    table: String,
    reason: String,
}

impl Table {
    /// A table that does not exist.
    pub(crate) fn missing(name: TableName) -> Self {
        Self { name, columns: Vec::new() }
    }

    /// Whether the table exists.
    pub(crate) fn exists(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Parses the result of SHOW COLUMNS: `table_name, schema_name, column_name, data_type, null?, default, kind,
    /// expression, comment, database_name, autoincrement`, and possibly more.
    ///
    /// # Errors
    /// If it has another format.
    pub(crate) fn from_show(name: TableName, answer: &Answer) -> Result<Self, UnreadableTable> {
        let unreadable = |reason: String| UnreadableTable { table: name.to_string(), reason };
        let mut columns = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            let text = |index: usize| row.get(index).and_then(Option::as_deref);
            let (Some(column), Some(data_type)) = (text(2), text(3)) else {
                return Err(unreadable(format!("a row with {} fields", row.len())));
            };
            let kind = ColumnType::from_show(data_type).map_err(|error| unreadable(error.to_string()))?;
            let filled = |index: usize| text(index).is_some_and(|text| !text.is_empty());
            columns.push(TableColumn {
                name: column.to_owned(),
                kind,
                is_required: text(4) == Some("false"),
                is_generated: filled(5) || filled(10),
                is_virtual: text(6).is_some_and(|kind| kind != "COLUMN"),
                is_new: false,
                kept_fraction: kept_fraction(data_type),
            });
        }
        Ok(Self { name, columns })
    }

    /// Finds a column by name: the exact name, otherwise the only one that differs in case, as in
    /// tables that were created without quotes.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        if let Some(exact) = self.find_exact(name) {
            return Some(exact);
        }
        let folded = name.to_lowercase();
        let mut alike =
            self.columns.iter().enumerate().filter(|(_, column)| column.name.to_lowercase() == folded);
        match (alike.next(), alike.next()) {
            (Some((index, _)), None) => Some(index),
            _ => None,
        }
    }

    /// The column with exactly this name.
    pub(crate) fn find_exact(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column for statements.
    pub(crate) fn column(&self, index: usize) -> Option<Column> {
        self.columns.get(index).map(TableColumn::to_column)
    }
}

impl TableColumn {
    fn to_column(&self) -> Column {
        Column { name: self.name.clone(), kind: self.kind.clone() }
    }
}
