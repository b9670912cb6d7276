//! Statements that create and alter tables, and queries for what is there.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{Meta, OffsetNames, Query, TableName},
};

use super::{Column, literal::Literal};

/// Creates a table, and fails if it exists. With several statements, they run in one transaction.
pub(crate) fn create_table(table: &TableName, columns: &[Column], key: &[usize], comment: &str) -> String {
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let required = if key.contains(&index) { " NOT NULL" } else { "" };
        format!("{}{required}", definition(column))
    });
    let names = list(key.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)));
    let primary_key = (!names.is_empty()).then(|| format!("PRIMARY KEY ({names})"));
    let created = format!("CREATE TABLE {table} ({})", list(definitions.chain(primary_key)));
    format!("{created}; COMMENT ON TABLE {table} IS {}", Literal(comment))
}

/// Creates the table of deleted keys unless it exists.
pub(crate) fn create_deleted_keys(deleted_keys: &TableName, meta: &Meta) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {deleted_keys} ({} text COLLATE \"C\" NOT NULL PRIMARY KEY, {} text COLLATE \"C\", {} \
         timestamptz); COMMENT ON TABLE {deleted_keys} IS \
         'Keys that were deleted, so that late events do not bring their rows back'",
        quoted(&meta.key),
        quoted(&meta.position),
        quoted(&meta.processed_at)
    )
}

/// Creates the offsets table unless it exists.
pub(crate) fn create_offsets(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let key = list([topic, partition, warehouse].map(|name| quoted(name)));
    let definitions = [
        format!("{} text NOT NULL", quoted(topic)),
        format!("{} integer NOT NULL", quoted(partition)),
        format!("{} text NOT NULL", quoted(warehouse)),
        format!("{} numeric(20,0) NOT NULL", quoted(epoch)),
        format!("{} bigint", quoted(next_offset)),
        format!("{} text", quoted(state)),
        format!("{} timestamptz", quoted(updated_at)),
        format!("PRIMARY KEY ({key})"),
    ];
    format!(
        "CREATE TABLE IF NOT EXISTS {table} ({}); COMMENT ON TABLE {table} IS \
         'Offsets up to which a connector has written; do not change them while it runs'",
        list(definitions)
    )
}

/// Adds columns unless they exist; none if there are no columns to add.
pub(crate) fn add_columns(table: &TableName, columns: &[Column]) -> Option<String> {
    if columns.is_empty() {
        return None;
    }
    let added = list(columns.iter().map(|column| format!("ADD COLUMN IF NOT EXISTS {}", definition(column))));
    Some(format!("ALTER TABLE {table} {added}"))
}

/// Widens the type of a column.
pub(crate) fn widen(table: &TableName, column: &Column) -> String {
    format!("ALTER TABLE {table} ALTER COLUMN {} TYPE {}", quoted(&column.name), column.kind)
}

/// Lists the names of the tables of a schema.
pub(crate) fn list_tables(schema: &str) -> Query {
    let text = "SELECT c.relname::text FROM pg_catalog.pg_class c\n\
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n\
                WHERE n.nspname = CAST($1 AS text) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')";
    Query { kind: "SELECT", text: text.to_owned(), binds: vec![schema.to_owned()] }
}

/// Describes the columns of a table: name, type as in a definition, whether it is required, whether it has a default or is an
/// identity, whether it is generated or an identity that is always generated, category of the type, and name of its base type.
pub(crate) fn describe(schema: &str, table: &str) -> Query {
    let text = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,\n\
                (a.atthasdef OR a.attidentity = 'd')::text, (a.attgenerated <> '' OR a.attidentity = 'a')::text,\n\
                t.typtype::text, format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END,\n\
                CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END), c.relkind::text\n\
                FROM pg_catalog.pg_attribute a\n\
                JOIN pg_catalog.pg_class c ON c.oid = a.attrelid\n\
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n\
                JOIN pg_catalog.pg_type t ON t.oid = a.atttypid\n\
                WHERE n.nspname = CAST($1 AS text) AND c.relname = CAST($2 AS text) AND a.attnum > 0 AND NOT a.attisdropped\n\
                ORDER BY a.attnum";
    Query { kind: "SELECT", text: text.to_owned(), binds: vec![schema.to_owned(), table.to_owned()] }
}

pub(super) fn definition(column: &Column) -> String {
    format!("{} {}", quoted(&column.name), column.kind)
}
