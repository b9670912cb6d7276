//! Statements for deleted keys and truncated tables.

use tidegate_cdc::{
    sql::{list, quoted},
    statement::{
        Bind::{Now, Position, Time},
        Call, EVERY_KEY, Meta, TableName,
    },
};

use super::{
    apply::NOW,
    rows::{Rows, Transfer, lock},
};

/// Stores deletes of keys, the newer one of two deletes of a key.
pub(crate) fn store_deletes(transfer: Transfer, deleted_keys: &TableName, meta: &Meta) -> Vec<Call> {
    let rows = Rows::new(transfer).text(&meta.key).text(&meta.position);
    let (key, position, processed_at) =
        (quoted(&meta.key), quoted(&meta.position), quoted(&meta.processed_at));
    let names = list([key, position, processed_at]);
    let insert = rows.call("INSERT", [Now], |rows| {
        format!(
            "INSERT INTO {deleted_keys} AS t ({names})\n\
             SELECT s.{key}, s.{position}, {NOW} FROM {rows} s ORDER BY s.{key}\n\
             ON CONFLICT ({key}) DO UPDATE SET {position} = EXCLUDED.{position}, {processed_at} = EXCLUDED.{processed_at}\n\
             WHERE EXCLUDED.{position} COLLATE \"C\" > COALESCE(t.{position}, '')"
        )
    });
    rows.then([insert])
}

/// Removes deletes that were written before a time, but not the truncate.
pub(crate) fn purge_deletes(deleted_keys: &TableName, meta: &Meta) -> Call {
    let (key, processed_at) = (quoted(&meta.key), quoted(&meta.processed_at));
    let text = format!("DELETE FROM {deleted_keys} WHERE {processed_at} < {NOW} AND {key} <> '{EVERY_KEY}'");
    Call::new("DELETE", text, [Time])
}

/// Deletes the rows that are not newer than a truncate.
pub(crate) fn truncate_hard(table: &TableName, meta: &Meta) -> Vec<Call> {
    let text = format!(
        "DELETE FROM {table} WHERE COALESCE({}, '') COLLATE \"C\" <= CAST($1 AS text)",
        quoted(&meta.position)
    );
    vec![lock(table), Call::new("DELETE", text, [Position])]
}

/// Marks rows that are older than a truncate as deleted.
pub(crate) fn truncate_soft(table: &TableName, meta: &Meta) -> Vec<Call> {
    let Meta { operation, timestamp, position, processed_at, .. } = meta;
    let (operation, timestamp) = (quoted(operation), quoted(timestamp));
    let (position, processed_at) = (quoted(position), quoted(processed_at));
    let text = format!(
        "UPDATE {table} SET {operation} = 'd', {processed_at} = {NOW}, {position} = CAST($2 AS text), \
         {timestamp} = CAST(CAST($3 AS text) AS timestamptz)\n\
         WHERE COALESCE({position}, '') COLLATE \"C\" < CAST($2 AS text)"
    );
    vec![lock(table), Call::new("UPDATE", text, [Now, Position, Time])]
}
