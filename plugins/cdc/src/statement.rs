//! What statements are made of: names, columns, and what a flush wants to be done.
//!
//! A [`Dialect`](crate::dialect::Dialect) writes the text. Names are always quoted, and values are always bound or loaded, never
//! part of the text.

use std::fmt::{self, Display};

use crate::names::Naming;

/// The full name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The name alone.
    pub table: String,
    /// The full name as in statements: quoted, with the schema. Logs and errors show it, too.
    quoted: String,
}

impl TableName {
    /// A table, and its full name as in statements.
    pub fn new(table: impl Into<String>, quoted: impl Into<String>) -> Self {
        Self { table: table.into(), quoted: quoted.into() }
    }
}

impl Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.quoted)
    }
}

/// A column of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column<T> {
    /// Its name in the table.
    pub name: String,
    /// Its type in the table.
    pub kind: T,
}

/// Names of the metadata columns that the sink adds to each table, and of the key column in the tables of deleted keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Debezium's code of the row's last operation.
    pub operation: String,
    /// Commit time in the source.
    pub timestamp: String,
    /// Position, as text that sorts in the order of the source's log.
    pub position: String,
    /// Time of writing.
    pub processed_at: String,
    /// Text of a deleted key.
    pub key: String,
}

impl Meta {
    /// The names in the case of a naming rule.
    #[must_use]
    pub fn cased(naming: &Naming) -> Self {
        Self {
            operation: naming.cased("_cdc_operation"),
            timestamp: naming.cased("_cdc_timestamp"),
            position: naming.cased("_cdc_source_lsn"),
            processed_at: naming.cased("_cdc_processed_at"),
            key: naming.cased("key"),
        }
    }
}

/// Names of the columns of a history table with the times of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when it was valid.
    pub from: String,
    /// Until when it was valid, which is not included; NULL if it still is.
    pub to: String,
}

impl Validity {
    /// The names in the case of a naming rule.
    #[must_use]
    pub fn cased(naming: &Naming) -> Self {
        Self { from: naming.cased("_cdc_valid_from"), to: naming.cased("_cdc_valid_to") }
    }
}

/// Names of the columns of an offsets table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetNames {
    /// Kafka's topic.
    pub topic: String,
    /// Kafka's partition.
    pub partition: String,
    /// Warehouse of the offset; empty for the default one.
    pub warehouse: String,
    /// Number of the last claim: owners of earlier claims must not write.
    pub epoch: String,
    /// Next offset to write; NULL before the first write.
    pub next_offset: String,
    /// State of the host as of that offset, in base64.
    pub state: String,
    /// Time of the last update.
    pub updated_at: String,
}

impl OffsetNames {
    /// The names in the case of a naming rule.
    #[must_use]
    pub fn cased(naming: &Naming) -> Self {
        Self {
            topic: naming.cased("topic"),
            partition: naming.cased("partition"),
            warehouse: naming.cased("warehouse"),
            epoch: naming.cased("epoch"),
            next_offset: naming.cased("next_offset"),
            state: naming.cased("state"),
            updated_at: naming.cased("updated_at"),
        }
    }
}

/// The key under which a truncate is stored in a table of deleted keys. Keys of rows are JSON arrays.
pub const EVERY_KEY: &str = "*";

/// Second column of [`Dialect::without_values`](crate::dialect::Dialect::without_values) for a row whose old row exists and may
/// still change.
pub const EARLY: &str = "early";

/// Index of the lane in the rows of [`Dialect::offsets_read`](crate::dialect::Dialect::offsets_read).
pub const OFFSETS_LANE: usize = 6;

/// Rows of the source, to be applied to a table.
#[derive(Debug)]
pub struct Merge<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// All written columns, except the time of writing.
    pub columns: &'a [Column<T>],
    /// Indexes of the key columns; at least one.
    pub key: &'a [usize],
    /// Indexes of the columns that may keep their existing value.
    pub kept: &'a [usize],
    /// Indexes of the metadata columns, which a soft delete changes.
    pub about: &'a [usize],
    /// The table of deleted keys. Rows that are not newer than their delete are skipped.
    pub deleted_keys: Option<&'a TableName>,
    /// Whether deletes are soft: rows are kept with the operation `d`.
    pub soft_delete: bool,
    /// Whether each row has a flag that allows inserting it; otherwise all rows may be inserted.
    pub insert_flag: bool,
    /// Whether some rows are deletes.
    pub has_deletes: bool,
    /// Names of the metadata columns.
    pub meta: &'a Meta,
}

/// Rows to be copied within a table, because their key changes.
#[derive(Debug)]
pub struct Copying<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// All written columns, except the time of writing.
    pub columns: &'a [Column<T>],
    /// Indexes of the key columns; at least one.
    pub key: &'a [usize],
    /// Index of the position column.
    pub position: usize,
    /// The table of deleted keys. Rows that are not newer than the delete of their new key are skipped.
    pub deleted_keys: Option<&'a TableName>,
    /// Names of the metadata columns.
    pub meta: &'a Meta,
}

/// Rows with omitted values, to be searched for those values.
#[derive(Debug)]
pub struct MissingValues<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// The key columns; at least one.
    pub key: &'a [Column<T>],
    /// The table of deleted keys.
    pub deleted_keys: Option<&'a TableName>,
    /// Names of the metadata columns.
    pub meta: &'a Meta,
}

/// A history table to be created.
#[derive(Debug)]
pub struct HistoryTable<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// All columns.
    pub columns: &'a [Column<T>],
    /// Indexes of the columns of the source's key; at least one.
    pub key: &'a [usize],
    /// Index of the position, which completes the key.
    pub position: usize,
    /// Index of the column with the end of the validity.
    pub valid_to: usize,
    /// Its comment.
    pub comment: &'a str,
}

/// Versions of rows, to be added to a history table.
#[derive(Debug)]
pub struct AddVersions<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// All written columns, except the time of writing and the end of the validity.
    pub columns: &'a [Column<T>],
    /// Indexes of the key columns; at least one.
    pub key: &'a [usize],
    /// Indexes of the columns that may have the value of an earlier version.
    pub kept: &'a [usize],
    /// Indexes of the columns that are compared with those of the previous version, if some rows are only a version if they differ
    /// from it; otherwise empty.
    pub compared: &'a [usize],
    /// The table of truncates.
    pub truncates: Option<&'a TableName>,
    /// Names of the metadata columns.
    pub meta: &'a Meta,
    /// Names of the columns with the times of a version.
    pub validity: &'a Validity,
}

impl<T> AddVersions<'_, T> {
    /// The key columns.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column<T>> {
        self.key.iter().filter_map(|index| self.columns.get(*index))
    }
}

/// Versions with omitted values, to be searched for in earlier versions.
#[derive(Debug)]
pub struct EarlierValues<'a, T> {
    /// The table.
    pub table: &'a TableName,
    /// The key columns; at least one.
    pub key: &'a [Column<T>],
    /// Names of the metadata columns.
    pub meta: &'a Meta,
}

// Derived, they would ask that the type of a column can be copied.
macro_rules! copied {
    ($($name:ident),*) => {$(
        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<'_, T> {}
    )*};
}

copied!(Merge, Copying, MissingValues, HistoryTable, AddVersions, EarlierValues);

/// A statement, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Kind, for logs and errors: `MERGE`, `INSERT`.
    pub kind: &'static str,
    /// Text, with a placeholder for every bind.
    pub text: String,
    /// What is bound, in order.
    pub binds: Vec<Bind>,
    /// Whether the rows are sent after the statement instead of being bound.
    pub loads: bool,
    /// The text if the rows are in a stored file, with [`FILE`] in place of the file's location; `None` if the statement cannot
    /// read one.
    pub from_file: Option<String>,
}

/// Stands for the location of a stored file in [`Call::from_file`]. Names cannot contain it.
pub const FILE: char = '\0';

/// What a [`Call`] binds, always as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bind {
    /// The time of writing.
    Now,
    /// The time that the statement is about: of a truncate in the source, or the beginning of what is kept.
    Time,
    /// The position of a truncate.
    Position,
    /// The rows, in the format of the dialect; those of offsets are a JSON array of arrays of strings and nulls.
    Rows,
}

impl Call {
    /// A statement with binds.
    pub fn new(kind: &'static str, text: impl Into<String>, binds: impl Into<Vec<Bind>>) -> Self {
        Self { kind, text: text.into(), binds: binds.into(), loads: false, from_file: None }
    }

    /// The statement that reads its rows from a stored file instead of a bind; `None` if it cannot.
    pub(crate) fn reading(&self, location: &str) -> Option<Self> {
        let text = self.from_file.as_ref()?.replace(FILE, location);
        let binds = self.binds.iter().copied().filter(|bind| *bind != Bind::Rows).collect();
        Some(Self { kind: self.kind, text, binds, loads: false, from_file: None })
    }
}

/// A query for the database's own catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Kind, for logs and errors: `SELECT`, `SHOW COLUMNS`.
    pub kind: &'static str,
    /// Text, with a placeholder for every bind.
    pub text: String,
    /// Binds, each as text.
    pub binds: Vec<String>,
}
