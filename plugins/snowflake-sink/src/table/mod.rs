//! Tables as they are in Snowflake, how they come to have the columns that events need, and rows in their columns.
//!
//! ```text
//! events ── wanted: which columns, of which types ── alter: the statements ── rows, payload: the text that is bound
//! rows whose key changes ── moves: what is copied and what is asked ── findings: what a column holds otherwise
//! ```

mod about;
mod alter;
mod findings;
mod layout;
mod moves;
mod payload;
mod rows;
mod wanted;

pub(crate) use about::bury;
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
    /// Its names.
    pub(crate) name: TableName,
    /// Its columns; none if it does not exist.
    pub(crate) columns: Vec<TableColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) kind: ColumnType,
    /// Whether it refuses NULL: a key column, in tables that the sink has made.
    pub(crate) is_required: bool,
    /// Whether Snowflake fills it when nobody does: the sink leaves it alone unless an event has it.
    pub(crate) fills_itself: bool,
    /// Whether nobody can write it.
    pub(crate) is_virtual: bool,
    /// Whether it was added for the batch that is being written: events that came before it do not have it.
    pub(crate) is_new: bool,
    /// The digits of a second that it keeps, where they are fewer than Snowflake has.
    pub(crate) kept_fraction: Option<u8>,
}

/// Why the answer of SHOW COLUMNS cannot be used.
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

    /// Reads the answer of SHOW COLUMNS: `table_name, schema_name, column_name, data_type, null?, default, kind,
    /// expression, comment, database_name, autoincrement`, and perhaps more.
    ///
    /// # Errors
    /// When it is of another shape.
    pub(crate) fn from_show(name: TableName, answer: &Answer) -> Result<Self, UnreadableTable> {
        let unreadable = |reason: String| UnreadableTable { table: name.to_string(), reason };
        let mut columns = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            let text = |index: usize| row.get(index).and_then(Option::as_deref);
            let (Some(column), Some(data_type)) = (text(2), text(3)) else {
                return Err(unreadable(format!("an answer of {} fields", row.len())));
            };
            let kind = ColumnType::from_show(data_type).map_err(|error| unreadable(error.to_string()))?;
            let filled = |index: usize| text(index).is_some_and(|text| !text.is_empty());
            columns.push(TableColumn {
                name: column.to_owned(),
                kind,
                is_required: text(4) == Some("false"),
                fills_itself: filled(5) || filled(10),
                is_virtual: text(6).is_some_and(|kind| kind != "COLUMN"),
                is_new: false,
                kept_fraction: kept_fraction(data_type),
            });
        }
        Ok(Self { name, columns })
    }

    /// The column that a name means: the one of just this name, else the only one that differs in case alone, as in
    /// tables that people have made without quotes.
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

    /// The column of just this name.
    pub(crate) fn find_exact(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column as it stands in statements.
    pub(crate) fn column(&self, index: usize) -> Option<Column> {
        self.columns.get(index).map(TableColumn::to_column)
    }
}

impl TableColumn {
    fn to_column(&self) -> Column {
        Column { name: self.name.clone(), kind: self.kind.clone() }
    }
}
