//! Statements that create, alter and describe tables.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{Meta, OffsetNames, TableName},
};

use super::Column;

/// Lists the names of tables and views.
///
/// Binds: none.
pub(crate) const LIST_TABLES: &str =
    "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'";

/// Describes the columns of a table: name, declared type, whether it is NOT NULL, whether it has a default, place in the primary key
/// or 0, whether it is hidden (2 and 3: generated), kind of the table, whether it is WITHOUT ROWID, and whether it is STRICT.
///
/// Binds: the table, twice.
pub(crate) const DESCRIBE: &str = "SELECT c.name, c.type, c.\"notnull\", c.dflt_value IS NOT NULL, c.pk, c.hidden, l.type, l.wr, l.strict\n\
     FROM pragma_table_xinfo(?, 'main') c, pragma_table_list(?) l WHERE l.schema = 'main' ORDER BY c.cid";

/// Creates a table, and fails if it exists: then another client has created it, possibly with other columns. `key` are the
/// primary key columns, if any.
///
/// Binds: none.
pub(crate) fn create_table(table: &TableName, columns: &[Column], key: &[usize]) -> String {
    let definitions = columns.iter().enumerate().map(|(index, column)| {
        // A primary key alone does not exclude NULL in SQLite.
        let required = if key.contains(&index) { " NOT NULL" } else { "" };
        format!("{}{required}", definition(column))
    });
    let names = list(key.iter().filter_map(|index| columns.get(*index)).map(|column| quoted(&column.name)));
    let primary_key = (!names.is_empty()).then(|| format!("PRIMARY KEY ({names})"));
    format!("CREATE TABLE {table} ({})", list(definitions.chain(primary_key)))
}

/// Creates the table of deleted keys unless it exists.
///
/// Binds: none.
pub(crate) fn create_deleted_keys(deleted_keys: &TableName, meta: &Meta) -> String {
    let (key, position, processed_at) =
        (quoted(&meta.key), quoted(&meta.position), quoted(&meta.processed_at));
    format!(
        "CREATE TABLE IF NOT EXISTS {deleted_keys} ({key} TEXT NOT NULL PRIMARY KEY, {position} TEXT, {processed_at} TEXT) \
         WITHOUT ROWID"
    )
}

/// Creates the offsets table unless it exists.
///
/// Binds: none.
pub(crate) fn create_offsets(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let definitions = [
        format!("{} TEXT NOT NULL", quoted(topic)),
        format!("{} INTEGER NOT NULL", quoted(partition)),
        format!("{} TEXT NOT NULL", quoted(warehouse)),
        format!("{} INTEGER NOT NULL", quoted(epoch)),
        format!("{} INTEGER", quoted(next_offset)),
        format!("{} TEXT", quoted(state)),
        format!("{} TEXT", quoted(updated_at)),
        format!("PRIMARY KEY ({})", list([topic, partition, warehouse].map(|name| quoted(name)))),
    ];
    format!("CREATE TABLE IF NOT EXISTS {table} ({})", list(definitions))
}

/// Adds columns, each with a statement of its own. One that exists is an error, after which the table is described again.
///
/// Binds: none.
pub(crate) fn add_columns(table: &TableName, columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| format!("ALTER TABLE {table} ADD COLUMN {}", definition(column))).collect()
}

pub(super) fn definition(column: &Column) -> String {
    format!("{} {}", quoted(&column.name), column.kind)
}
