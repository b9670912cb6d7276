//! Statements for deleted keys and truncated tables.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{EVERY_KEY, Meta, TableName},
};

use super::{
    merge::{assigned, newer},
    rows::Reader,
};

/// Stores deletes of keys, the newer one of two deletes of a key. A truncate is the delete of [`EVERY_KEY`].
///
/// Binds: the time of writing; rows of the key's text and the delete's position.
pub(crate) fn store_deletes(deleted_keys: &TableName, meta: &Meta) -> String {
    let rows = Reader::with_time(&meta.processed_at)
        .own(&meta.key, "VARCHAR")
        .own(&meta.position, "VARCHAR")
        .select();
    let names = [&meta.key, &meta.position, &meta.processed_at];
    let key = quoted(&meta.key);
    let newer = newer(meta);
    let update = list([&meta.position, &meta.processed_at].map(|name| assigned(name)));
    let values = list(names.map(|name| format!("s.{}", quoted(name))));
    let names = list(names.map(|name| quoted(name)));
    format!(
        "MERGE INTO {deleted_keys} t\nUSING ({rows}) s\nON t.{key} = s.{key}\n\
         WHEN MATCHED AND {newer} THEN UPDATE SET {update}\n\
         WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
    )
}

/// Removes deletes that were written before a time, but not the truncate.
///
/// Binds: the time.
pub(crate) fn purge_deletes(deleted_keys: &TableName, meta: &Meta) -> String {
    let (key, processed_at) = (quoted(&meta.key), quoted(&meta.processed_at));
    format!(
        "DELETE FROM {deleted_keys} WHERE {processed_at} < CAST(? AS TIMESTAMP_TZ) AND {key} <> '{EVERY_KEY}'"
    )
}

/// Deletes the rows that are not newer than a truncate.
///
/// Binds: the truncate's position.
pub(crate) fn truncate_hard(table: &TableName, meta: &Meta) -> String {
    format!("DELETE FROM {table} WHERE COALESCE({}, '') <= ?", quoted(&meta.position))
}

/// Marks rows that are older than a truncate as deleted. A repeated truncate finds none.
///
/// Binds: the truncate's position; when the source committed it; the time of writing; the truncate's position.
pub(crate) fn truncate_soft(table: &TableName, meta: &Meta) -> String {
    let Meta { operation, timestamp, position, processed_at, .. } = meta;
    let (operation, timestamp) = (quoted(operation), quoted(timestamp));
    let (position, processed_at) = (quoted(position), quoted(processed_at));
    format!(
        "UPDATE {table} SET {operation} = 'd', {position} = ?, {timestamp} = CAST(? AS TIMESTAMP_TZ), \
         {processed_at} = CAST(? AS TIMESTAMP_TZ)\n\
         WHERE COALESCE({position}, '') < ?"
    )
}
