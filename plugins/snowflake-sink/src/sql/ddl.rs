//! Statements that create and alter tables.

use std::fmt::{self, Display, Write};

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{Meta, OffsetNames, TableName},
};

use super::{
    Column,
    offsets::{COUNTER, PARTITION},
};

const UNLESS_IT_EXISTS: &str = "IF NOT EXISTS ";

/// Creates a table, and fails if it exists: then another client has created it, possibly with other columns. `key` are the
/// primary key columns, if any.
///
/// Binds: none.
pub(crate) fn create_table(table: &TableName, columns: &[Column], key: &[usize], comment: &str) -> String {
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let required = if key.contains(&index) { " NOT NULL" } else { "" };
        format!("{}{required}", definition(column))
    });
    let names = list(key.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)));
    let primary_key = (!names.is_empty()).then(|| format!("PRIMARY KEY ({names})"));
    created("", table, definitions.chain(primary_key), comment)
}

/// Creates the table of deleted keys unless it exists.
///
/// Binds: none.
pub(crate) fn create_deleted_keys(deleted_keys: &TableName, meta: &Meta) -> String {
    let definitions = [
        format!("{} VARCHAR NOT NULL", quoted(&meta.key)),
        format!("{} VARCHAR", quoted(&meta.position)),
        format!("{} TIMESTAMP_TZ", quoted(&meta.processed_at)),
    ];
    created(
        UNLESS_IT_EXISTS,
        deleted_keys,
        definitions,
        "Keys that were deleted, so that late events do not bring their rows back",
    )
}

/// Creates the offsets table unless it exists.
///
/// Binds: none.
pub(crate) fn create_offsets(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let definitions = [
        format!("{} VARCHAR NOT NULL", quoted(topic)),
        format!("{} {PARTITION} NOT NULL", quoted(partition)),
        format!("{} VARCHAR NOT NULL", quoted(warehouse)),
        format!("{} {COUNTER} NOT NULL", quoted(epoch)),
        format!("{} {COUNTER}", quoted(next_offset)),
        format!("{} VARCHAR", quoted(state)),
        format!("{} TIMESTAMP_TZ", quoted(updated_at)),
    ];
    created(
        UNLESS_IT_EXISTS,
        table,
        definitions,
        "Offsets up to which a connector has written; do not change them while it runs",
    )
}

/// Adds columns unless they exist; none if there are no columns to add.
///
/// Binds: none.
pub(crate) fn add_columns(table: &TableName, columns: &[Column]) -> Option<String> {
    if columns.is_empty() {
        return None;
    }
    // IF NOT EXISTS applies to one column, and COLUMN is written only once.
    let added = list(columns.iter().map(|column| format!("IF NOT EXISTS {}", definition(column))));
    Some(format!("ALTER TABLE {table} ADD COLUMN {added}"))
}

/// Widens the type of a column.
///
/// Binds: none.
pub(crate) fn widen(table: &TableName, column: &Column) -> String {
    format!("ALTER TABLE {table} ALTER COLUMN {} SET DATA TYPE {}", quoted(&column.name), column.kind)
}

/// Lists the names of the tables of a schema that the role can use.
///
/// Binds: the schema.
pub(crate) fn list_tables(database: &str) -> String {
    format!("SELECT TABLE_NAME FROM {}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ?", quoted(database))
}

/// Lists the columns of a table.
///
/// Binds: none.
pub(crate) fn show_columns(table: &TableName) -> String {
    format!("SHOW COLUMNS IN TABLE {table}")
}

pub(super) fn created(
    condition: &str,
    table: &TableName,
    definitions: impl IntoIterator<Item = String>,
    comment: &str,
) -> String {
    format!("CREATE TABLE {condition}{table} ({}) COMMENT = {}", list(definitions), Literal(comment))
}

pub(super) fn definition(column: &Column) -> String {
    format!("{} {}", quoted(&column.name), column.kind)
}

/// A string literal, for comments, which cannot be bound.
struct Literal<'t>(&'t str);

impl Display for Literal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('\'')?;
        for character in self.0.chars() {
            match character {
                '\'' => formatter.write_str("''")?,
                '\\' => formatter.write_str("\\\\")?,
                _ => formatter.write_char(character)?,
            }
        }
        formatter.write_char('\'')
    }
}
