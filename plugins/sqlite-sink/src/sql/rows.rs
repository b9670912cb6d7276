//! Rows as one bind: reading them, appending them, and asking which of them a table lacks.

use tidegate_cdc::{
    sql::{joined, list, quoted, unused},
    statement::{
        Bind::{Now, Rows},
        Call, Meta, TableName,
    },
};

use super::Column;

/// FROM clause of the rows: one JSON array, bound as text. `r.value` is a row.
const ROWS: &str = "FROM json_each(?) r";

/// The temporary table of the rows of one merge. It exists only within the transaction.
pub(super) const STAGE: &str = "temp.\"_cdc_rows\"";

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
        Self { items: vec![format!("? AS {}", quoted(name))], elements: 0 }
    }

    /// Adds the next element of each row as a column.
    pub(super) fn column(mut self, column: &Column) -> Self {
        let value = column.kind.element(self.elements);
        self.items.push(format!("{value} AS {}", quoted(&column.name)));
        self.elements += 1;
        self
    }

    /// Adds the next elements as columns.
    pub(super) fn columns<'c>(self, columns: impl IntoIterator<Item = &'c Column>) -> Self {
        columns.into_iter().fold(self, Self::column)
    }

    /// Adds the next element as one of the sink's own columns.
    pub(super) fn own(mut self, name: &str) -> Self {
        self.items.push(format!("r.value ->> {} AS {}", self.elements, quoted(name)));
        self.elements += 1;
        self
    }

    /// Adds the next element as one of the sink's own columns, which is a whole number.
    pub(super) fn own_number(mut self, name: &str) -> Self {
        self.items.push(format!("CAST(r.value ->> {} AS INTEGER) AS {}", self.elements, quoted(name)));
        self.elements += 1;
        self
    }

    /// Adds the next elements as the sink's own columns, with the types of other columns.
    pub(super) fn own_columns<'c>(
        self,
        names: &[String],
        columns: impl IntoIterator<Item = &'c Column>,
    ) -> Self {
        let columns = names.iter().zip(columns);
        columns
            .fold(self, |rows, (name, column)| rows.column(&Column { name: name.clone(), kind: column.kind }))
    }

    pub(super) fn select(self) -> String {
        format!("SELECT {}\n{ROWS}", list(self.items))
    }
}

/// Runs `statements` with the rows of a query in [`STAGE`]. The query has the binds of the time of writing and of the rows.
pub(super) fn staged(select: &str, statements: impl IntoIterator<Item = Call>) -> Vec<Call> {
    let create = Call::new("CREATE TEMP TABLE", format!("CREATE TABLE {STAGE} AS\n{select}"), [Now, Rows]);
    let drop = Call::new("DROP TEMP TABLE", format!("DROP TABLE {STAGE}"), []);
    std::iter::once(create).chain(statements).chain([drop]).collect()
}

/// Condition that the rows `table` and `s` have the same key.
pub(super) fn same_key<'c>(table: &str, key: impl IntoIterator<Item = &'c Column>) -> String {
    let same = |column: &Column| format!("{table}.{0} = s.{0} COLLATE BINARY", quoted(&column.name));
    joined(key.into_iter().map(same), " AND ")
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
    let rows = Reader::new().own(&text).columns(key).select();
    let on = same_key("t", key);
    let missing = key.iter().take(1).map(|column| format!("t.{} IS NULL", quoted(&column.name)));
    let deleted = soft.map(|meta| format!("t.{} = 'd'", quoted(&meta.operation)));
    let condition = joined(missing.chain(deleted), " OR ");
    format!(
        "SELECT s.{}\nFROM ({rows}) s LEFT JOIN {table} t ON {on}\nWHERE {condition}\nLIMIT 1000",
        quoted(&text)
    )
}
