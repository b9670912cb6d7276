//! Statements for the offsets tables of a connector, one per lane: offset and epoch of each partition.
//!
//! Their rows are few, and bound as JSON.

use tidegate_cdc::{
    sql::{joined, list, quoted},
    statement::{Bind::Now, Call, OffsetNames, TableName},
};

use super::{
    apply::{NOW, assigned},
    rows::{Rows, Transfer},
};

fn rows<const N: usize>(columns: [(&str, &str); N]) -> Rows {
    columns.into_iter().fold(Rows::new(Transfer::Bind), |rows, (name, kind)| rows.own(name, kind))
}

fn same<const N: usize>(names: [&String; N]) -> String {
    joined(names.map(|name| format!("t.{0} = s.{0}", quoted(name))), " AND ")
}

/// Adds missing rows, with epoch 0.
pub(crate) fn offsets_add_missing(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = rows([
        (topic, "text"),
        (partition, "integer"),
        (warehouse, "text"),
        (next_offset, "bigint"),
        (state, "text"),
    ]);
    let columns = list([topic, partition, warehouse, next_offset, state, epoch].map(|name| quoted(name)));
    let values =
        list([topic, partition, warehouse, next_offset, state].map(|name| format!("s.{}", quoted(name))));
    rows.call("INSERT", [], |rows| {
        format!("INSERT INTO {table} ({columns})\nSELECT {values}, 0 FROM {rows} s\nON CONFLICT DO NOTHING")
    })
}

/// Claims partitions with a new epoch, unless there is a newer claim.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, epoch, .. } = names;
    let rows = rows([(topic, "text"), (partition, "integer"), (epoch, "numeric")]);
    let (on, epoch) = (same([topic, partition]), quoted(epoch));
    rows.call("UPDATE", [], |rows| {
        format!(
            "UPDATE {table} t SET {epoch} = s.{epoch}\nFROM {rows} s\nWHERE {on} AND s.{epoch} > t.{epoch}"
        )
    })
}

/// Reads the rows of partitions in the offsets tables of all lanes.
pub(crate) fn offsets_read(tables: &[TableName], names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let on = same([topic, partition]);
    let columns = [topic, partition, warehouse, epoch, next_offset, state];
    let columns = list(columns.map(|name| format!("t.{}::text", quoted(name))));
    rows([(topic, "text"), (partition, "integer")]).call("SELECT", [], |rows| {
        let of_lane = |(lane, table): (usize, &TableName)| {
            format!("SELECT {columns}, '{lane}'::text FROM {table} t JOIN {rows} s ON {on}")
        };
        joined(tables.iter().enumerate().map(of_lane), "\nUNION ALL\n")
    })
}

/// Updates offsets, each if the claim is still valid and the offset has the expected value.
pub(crate) fn offsets_move(table: &TableName, names: &OffsetNames) -> Call {
    const EXPECTED: &str = "__expected";
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let rows = rows([
        (topic, "text"),
        (partition, "integer"),
        (warehouse, "text"),
        (epoch, "numeric"),
        (EXPECTED, "bigint"),
        (next_offset, "bigint"),
        (state, "text"),
    ]);
    let on = same([topic, partition, warehouse]);
    let update = list([next_offset, state].map(|name| assigned(name)));
    let (epoch, next_offset, expected) = (quoted(epoch), quoted(next_offset), quoted(EXPECTED));
    let updated_at = quoted(updated_at);
    rows.call("UPDATE", [Now], |rows| {
        format!(
            "UPDATE {table} t SET {update}, {updated_at} = {NOW}\nFROM {rows} s\n\
             WHERE {on} AND t.{epoch} = s.{epoch} AND t.{next_offset} IS NOT DISTINCT FROM s.{expected}"
        )
    })
}
