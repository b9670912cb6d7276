//! Statements for deleted keys and truncated tables.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{EVERY_KEY, Meta, TableName},
};

use super::rows::Reader;

/// Stores deletes of keys, the newer one of two deletes of a key. A truncate is the delete of [`EVERY_KEY`].
///
/// Binds: the time of writing; rows of the key's text and the delete's position.
pub(crate) fn store_deletes(deleted_keys: &TableName, meta: &Meta) -> String {
    let rows = Reader::with_time(&meta.processed_at).own(&meta.key).own(&meta.position).select();
    let names = list([&meta.processed_at, &meta.key, &meta.position].map(|name| quoted(name)));
    let update = list([&meta.position, &meta.processed_at].map(|name| {
        let name = quoted(name);
        format!("{name} = excluded.{name}")
    }));
    let (key, position) = (quoted(&meta.key), quoted(&meta.position));
    // Without WHERE, the ON of ON CONFLICT would be read as that of a join.
    format!(
        "INSERT INTO {deleted_keys} AS t ({names})\n{rows} WHERE TRUE\n\
         ON CONFLICT ({key}) DO UPDATE SET {update}\n\
         WHERE excluded.{position} > COALESCE(t.{position}, '')"
    )
}

/// Removes deletes that were written before a time, but not the truncate.
///
/// Binds: the time.
pub(crate) fn purge_deletes(deleted_keys: &TableName, meta: &Meta) -> String {
    let (key, processed_at) = (quoted(&meta.key), quoted(&meta.processed_at));
    format!("DELETE FROM {deleted_keys} AS t WHERE t.{processed_at} < ? AND t.{key} <> '{EVERY_KEY}'")
}

/// Deletes the rows that are not newer than a truncate.
///
/// Binds: the truncate's position.
pub(crate) fn truncate_hard(table: &TableName, meta: &Meta) -> String {
    format!("DELETE FROM {table} AS t WHERE COALESCE(t.{}, '') <= ?", quoted(&meta.position))
}

/// Marks rows that are older than a truncate as deleted. A repeated truncate finds none.
///
/// Binds: the truncate's position; when the source committed it; the time of writing; the truncate's position.
pub(crate) fn truncate_soft(table: &TableName, meta: &Meta) -> String {
    let Meta { operation, timestamp, position, processed_at, .. } = meta;
    let (operation, timestamp) = (quoted(operation), quoted(timestamp));
    let (position, processed_at) = (quoted(position), quoted(processed_at));
    format!(
        "UPDATE {table} AS t SET {operation} = 'd', {position} = ?, {timestamp} = ?, {processed_at} = ?\n\
         WHERE COALESCE(t.{position}, '') < ?"
    )
}
