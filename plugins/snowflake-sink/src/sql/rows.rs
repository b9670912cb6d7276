//! Rows as one bind or in a file: reading them, appending them, and asking which of them a table lacks.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{FILE, Meta, TableName},
};

use super::Column;

/// FROM clause of rows that are bound: one JSON array, as text. `f.value` is a row.
const BOUND: &str = "FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f";

/// The text of a statement whose rows are bound.
pub(crate) fn bound(text: &str) -> String {
    text.replace(FILE, BOUND)
}

/// The text of a statement whose rows are in a file at [`FILE`], a JSON array on each line. `f.value` is a row here, too.
pub(crate) fn from_file(text: &str) -> String {
    text.replace(FILE, &format!("FROM (SELECT $1 AS value FROM {FILE}) f"))
}

/// Builds a SELECT that converts bound rows to columns.
#[derive(Debug, Default)]
pub(super) struct Reader {
    items: Vec<String>,
    elements: usize,
}

impl Reader {
    /// Starts with the rows.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a column with a time that is the same for all rows and bound before them.
    pub(super) fn with_time(name: &str) -> Self {
        Self { items: vec![format!("CAST(? AS TIMESTAMP_TZ) AS {}", quoted(name))], elements: 0 }
    }

    /// Adds the next element of each row as a column.
    pub(super) fn column(mut self, column: &Column) -> Self {
        let value = column.kind.cast(&self.next());
        self.items.push(format!("{value} AS {}", quoted(&column.name)));
        self
    }

    /// Adds the next elements as columns.
    pub(super) fn columns<'c>(self, columns: impl IntoIterator<Item = &'c Column>) -> Self {
        columns.into_iter().fold(self, Self::column)
    }

    /// Adds the next element as one of the sink's own columns.
    pub(super) fn own(mut self, name: &str, kind: &str) -> Self {
        let value = self.next();
        self.items.push(format!("{value}::{kind} AS {}", quoted(name)));
        self
    }

    /// Adds the next elements as the sink's own columns, with the types of other columns.
    pub(super) fn own_columns<'c>(
        self,
        names: &[String],
        columns: impl IntoIterator<Item = &'c Column>,
    ) -> Self {
        let columns = names.iter().zip(columns);
        columns.fold(self, |rows, (name, column)| {
            rows.column(&Column { name: name.clone(), kind: column.kind.clone() })
        })
    }

    /// The SELECT, with [`FILE`] in place of the FROM clause: see [`bound`] and [`from_file`].
    pub(super) fn select(self) -> String {
        format!("SELECT {}\n{FILE}", list(self.items))
    }

    fn next(&mut self) -> String {
        let element = format!("f.value[{}]", self.elements);
        self.elements += 1;
        element
    }
}

/// Condition that the rows `t` and `s` have the same key.
pub(super) fn same_key<'c>(key: impl IntoIterator<Item = &'c Column>) -> String {
    joined(key.into_iter().map(|column| format!("t.{0} = s.{0}", quoted(&column.name))), " AND ")
}

/// Appends rows to a table. `columns` are all columns except the time of writing.
///
/// Binds: the time of writing; rows of `columns`.
pub(crate) fn insert_rows(table: &TableName, columns: &[Column], meta: &Meta) -> String {
    let names = columns.iter().map(|column| column.name.as_str());
    let names = list(std::iter::once(meta.processed_at.as_str()).chain(names).map(quoted));
    let rows = Reader::with_time(&meta.processed_at).columns(columns).select();
    format!("INSERT INTO {table} ({names})\n{rows}")
}

/// Returns the texts of up to 1,000 keys that have no row, or with `soft` no row that is not deleted. `key` has at
/// least one column.
///
/// Binds: rows of the key's text and its columns.
pub(crate) fn unmatched(table: &TableName, key: &[Column], soft: Option<&Meta>) -> String {
    let text = unused("__key", key);
    let rows = Reader::new().own(&text, "VARCHAR").columns(key).select();
    let on = same_key(key);
    let missing = key.iter().take(1).map(|column| format!("t.{} IS NULL", quoted(&column.name)));
    let deleted = soft.map(|meta| format!("t.{} = 'd'", quoted(&meta.operation)));
    let condition = joined(missing.chain(deleted), " OR ");
    format!(
        "SELECT s.{}\nFROM ({rows}) s LEFT JOIN {table} t ON {on}\nWHERE {condition}\nLIMIT 1000",
        quoted(&text)
    )
}
