//! Statements that create and alter tables, and queries for what is there. In MySQL, each of them commits.

use tidegate_cdc::{
    sql::list,
    statement::{Meta, OffsetNames, Query, TableName},
};

use super::{
    Column,
    apply::digest_column,
    name::{Literal, quoted},
};
use crate::dialect::MySql;

/// Creates a table, and fails if it exists. Columns of texts get the collation of the table.
pub(crate) fn create_table(
    dialect: &MySql,
    table: &TableName,
    columns: &[Column],
    key: &[usize],
    comment: &str,
) -> String {
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        let name = quoted(&column.name);
        match key.contains(&index) {
            true => format!("{name} {} NOT NULL", column.kind.of_key(key.len())),
            false => format!("{name} {}{}", column.kind, check(column)),
        }
    });
    let names = list(key.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)));
    let primary_key = (!names.is_empty()).then(|| format!("PRIMARY KEY ({names})"));
    let definitions: Vec<String> = definitions.chain(primary_key).collect();
    created(dialect, &format!("CREATE TABLE {table}"), &definitions, comment)
}

/// A statement that creates a table.
pub(super) fn created(dialect: &MySql, head: &str, definitions: &[String], comment: &str) -> String {
    format!(
        "{head} ({}) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {} COMMENT = {}",
        list(definitions),
        dialect.collation,
        Literal(comment)
    )
}

/// Creates the table of deleted keys unless it exists. Its primary key is a digest, because keys may be longer than an index allows.
pub(crate) fn create_deleted_keys(dialect: &MySql, deleted_keys: &TableName, meta: &Meta) -> String {
    let digest = digest_column(meta);
    let definitions = [
        format!("{} binary(32) NOT NULL PRIMARY KEY", quoted(&digest)),
        format!("{} longtext NOT NULL", quoted(&meta.key)),
        format!("{} longtext", quoted(&meta.position)),
        format!("{} datetime(6)", quoted(&meta.processed_at)),
    ];
    let comment = "Keys that were deleted, so that late events do not bring their rows back";
    created(dialect, &format!("CREATE TABLE IF NOT EXISTS {deleted_keys}"), &definitions, comment)
}

/// Creates the offsets table unless it exists.
pub(crate) fn create_offsets(dialect: &MySql, table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let key = list([topic, partition, warehouse].map(|name| quoted(name)));
    let definitions = [
        format!("{} varchar(255) NOT NULL", quoted(topic)),
        format!("{} int NOT NULL", quoted(partition)),
        format!("{} varchar(255) NOT NULL", quoted(warehouse)),
        format!("{} bigint unsigned NOT NULL", quoted(epoch)),
        format!("{} bigint", quoted(next_offset)),
        format!("{} longtext", quoted(state)),
        format!("{} datetime(6)", quoted(updated_at)),
        format!("PRIMARY KEY ({key})"),
    ];
    let comment = "Offsets up to which a connector has written; do not change them while it runs";
    created(dialect, &format!("CREATE TABLE IF NOT EXISTS {table}"), &definitions, comment)
}

/// Adds columns; none if there are no columns to add. The table may have another collation than that of the sink's texts.
pub(crate) fn add_columns(dialect: &MySql, table: &TableName, columns: &[Column]) -> Option<String> {
    if columns.is_empty() {
        return None;
    }
    let added = columns.iter().map(|column| {
        let kind = column.kind.with_collation(dialect.collation);
        format!("ADD COLUMN {} {kind}{}", quoted(&column.name), check(column))
    });
    Some(format!("ALTER TABLE {table} {}", list(added)))
}

/// Widens the type of a column, which has nothing but its type.
pub(crate) fn widen(dialect: &MySql, table: &TableName, column: &Column) -> String {
    let kind = column.kind.with_collation(dialect.collation);
    format!("ALTER TABLE {table} MODIFY COLUMN {} {kind}", quoted(&column.name))
}

/// What lets a column hold only JSON.
pub(super) fn check(column: &Column) -> String {
    if !column.kind.is_document() {
        return String::new();
    }
    format!(" CHECK (JSON_VALID({}))", quoted(&column.name))
}

/// Lists the names of the tables of a database.
pub(crate) fn list_tables(database: &str) -> Query {
    let text = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
    Query { kind: "SELECT", text: text.to_owned(), binds: vec![database.to_owned()] }
}

/// Describes the columns of a table: name, type, whether it is required, whether it has a default, whether it is generated, what else
/// is defined, character set, collation, comment and index, kind and engine of its table, and whether a check lets it hold only JSON.
pub(crate) fn describe(dialect: &MySql, table: &str) -> Query {
    // MariaDB has the text of the default, which is `NULL` for a column that may be NULL and has no other.
    let (default, checks) = if dialect.is_mariadb {
        (
            "COALESCE(c.COLUMN_DEFAULT, 'NULL') <> 'NULL'",
            "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?",
        )
    } else {
        (
            "c.COLUMN_DEFAULT IS NOT NULL",
            "SELECT l.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS l\n\
             JOIN information_schema.TABLE_CONSTRAINTS b\n\
             ON b.CONSTRAINT_SCHEMA = l.CONSTRAINT_SCHEMA AND b.CONSTRAINT_NAME = l.CONSTRAINT_NAME\n\
             WHERE b.TABLE_SCHEMA = ? AND b.TABLE_NAME = ? AND b.CONSTRAINT_TYPE = 'CHECK'",
        )
    };
    let text = format!(
        "SELECT c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE = 'NO', {default},\n\
         COALESCE(c.GENERATION_EXPRESSION, '') <> '', c.EXTRA, c.CHARACTER_SET_NAME, c.COLLATION_NAME, CONCAT(c.COLUMN_COMMENT, c.COLUMN_KEY),\n\
         t.TABLE_TYPE, t.ENGINE,\n\
         EXISTS (SELECT 1 FROM ({checks}) k WHERE k.CHECK_CLAUSE = CONCAT('json_valid(`', REPLACE(c.COLUMN_NAME, '`', '``'), '`)'))\n\
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t\n\
         ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME\n\
         WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? AND t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ?\n\
         ORDER BY c.ORDINAL_POSITION"
    );
    let names = [dialect.database.clone(), table.to_owned()];
    Query { kind: "SELECT", text, binds: [names.clone(), names.clone(), names].concat() }
}
