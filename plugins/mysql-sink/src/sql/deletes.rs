//! Statements for deleted keys and truncated tables.

use tidegate_cdc::{
    sql::list,
    statement::{
        Bind::{Now, Position, Time},
        Call, EVERY_KEY, Meta, TableName,
    },
};

use super::{
    apply::{digest, digest_column},
    load::{Loading, lock, moment, rows},
    name::quoted,
};
use crate::dialect::MySql;

/// Stores deletes of keys, the newer one of two deletes of a key. The table is the sink's own and has no other unique index.
pub(crate) fn store_deletes(dialect: &MySql, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
    let (key, position, processed_at) =
        (quoted(&meta.key), quoted(&meta.position), quoted(&meta.processed_at));
    let (column, stored) = (digest_column(meta), format!("{deleted_keys}.{position}"));
    let is_newer = format!("s.{position} > COALESCE({stored}, '')");
    // Assigned from left to right: the position is compared before it changes.
    let text = format!(
        "INSERT INTO {deleted_keys} ({})\nSELECT {}, s.{key}, s.{position}, {} FROM {} s ORDER BY 1\n\
         ON DUPLICATE KEY UPDATE {processed_at} = IF({is_newer}, {}, {deleted_keys}.{processed_at}),\n\
         {position} = IF({is_newer}, s.{position}, {stored})",
        list([quoted(&column), key, position, processed_at]),
        digest(&format!("s.{key}")),
        moment("?"),
        rows(dialect),
        moment("?"),
    );
    let loading = Loading::new(dialect).text(&meta.key).text(&meta.position);
    loading.then([Call::new("INSERT", text, [Now, Now])])
}

/// Removes deletes that were written before a time, but not the truncate.
pub(crate) fn purge_deletes(deleted_keys: &TableName, meta: &Meta) -> Call {
    let (key, processed_at) = (quoted(&meta.key), quoted(&meta.processed_at));
    let text = format!(
        "DELETE FROM {deleted_keys} WHERE {processed_at} < {} AND {key} <> '{EVERY_KEY}'",
        moment("?")
    );
    Call::new("DELETE", text, [Time])
}

/// Deletes the rows that are not newer than a truncate.
pub(crate) fn truncate_hard(dialect: &MySql, table: &TableName, meta: &Meta) -> Vec<Call> {
    let text = format!("DELETE FROM {table} WHERE COALESCE({}, '') <= ?", quoted(&meta.position));
    vec![lock(dialect, table), Call::new("DELETE", text, [Position])]
}

/// Marks rows that are older than a truncate as deleted.
pub(crate) fn truncate_soft(dialect: &MySql, table: &TableName, meta: &Meta) -> Vec<Call> {
    let Meta { operation, timestamp, position, processed_at, .. } = meta;
    let (operation, timestamp) = (quoted(operation), quoted(timestamp));
    let (position, processed_at) = (quoted(position), quoted(processed_at));
    let text = format!(
        "UPDATE {table} SET {operation} = 'd', {processed_at} = {}, {timestamp} = {}, {position} = ?\n\
         WHERE COALESCE({position}, '') < ?",
        moment("?"),
        moment("?"),
    );
    vec![lock(dialect, table), Call::new("UPDATE", text, [Now, Time, Position, Position])]
}
