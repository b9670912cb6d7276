//! Tables in the database: their columns, changes that events require, and encoding of rows.
//!
//! ```text
//! events ── desired: required columns and types ── changes: what to add and widen ── rows: their elements
//! rows whose key changes ── moves: copies and lookups ── findings: values that are not in their column
//! ```
//!
//! [`Requirements`] compares a [`Table`] with the rows of a plan, and returns the [`Changes`] that it needs first. An [`Encoder`] then
//! writes the rows, with one element for each column that they need.

mod about;
mod changes;
mod desired;
mod findings;
mod layout;
mod moves;
mod rows;
mod sizes;
mod versions;

pub(crate) use about::{add_deleted_key, moment};
pub use changes::{Changes, Requirements};
pub use findings::Finding;
pub use layout::{About, Columns};
pub use rows::{Encoder, Extras, Written};
pub(crate) use versions::VersionExtras;

use crate::statement::{Column, TableName};

/// A table in the database.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// Its full name.
    pub name: TableName,
    /// Columns; none if the table does not exist.
    pub columns: Vec<TableColumn<T>>,
}

/// A column of a table in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn<T> {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: T,
    /// Whether it is NOT NULL, as key columns of tables that the sink has created.
    pub is_required: bool,
    /// Whether it has a default or is an autoincrement column: the sink writes it only if an event has it.
    pub is_generated: bool,
    /// Whether it is a virtual column, which cannot be written.
    pub is_virtual: bool,
    /// Number of fractional digits of a second that it keeps; `None` if it keeps all.
    pub kept_fraction: Option<u8>,
    /// Whether it was added for the current batch: earlier events do not have it.
    pub is_new: bool,
}

impl<T> TableColumn<T> {
    /// A column that may be NULL and has no default.
    #[must_use]
    pub fn new(name: String, kind: T) -> Self {
        Self {
            name,
            kind,
            is_required: false,
            is_generated: false,
            is_virtual: false,
            kept_fraction: None,
            is_new: false,
        }
    }
}

impl<T: Clone> Table<T> {
    /// A table that does not exist.
    pub fn missing(name: TableName) -> Self {
        Self { name, columns: Vec::new() }
    }

    /// Whether the table exists.
    pub fn exists(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Finds a column by name: the exact name, otherwise the only one that differs in case, as in
    /// tables that were created without quotes.
    pub fn find(&self, name: &str) -> Option<usize> {
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
    pub fn find_exact(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column for statements.
    pub fn column(&self, index: usize) -> Option<Column<T>> {
        self.columns.get(index).map(TableColumn::to_column)
    }
}

impl<T: Clone> TableColumn<T> {
    fn to_column(&self) -> Column<T> {
        Column { name: self.name.clone(), kind: self.kind.clone() }
    }
}
