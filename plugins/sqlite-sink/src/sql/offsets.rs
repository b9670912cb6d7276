//! Statements for the offsets table of a connector: offset and epoch of each partition.

use tidegate_cdc::{
    sql::{joined, list, quoted},
    statement::{OffsetNames, TableName},
};

use super::{merge::assigned, rows::Reader};

/// Adds missing rows, with epoch 0.
///
/// Binds: rows of topic, partition, warehouse, and the initial offset and state, or nulls.
pub(crate) fn offsets_add_missing(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).own(warehouse).own(next_offset).own(state).select();
    let columns = list([topic, partition, warehouse, next_offset, state, epoch].map(|name| quoted(name)));
    // Without WHERE, the ON of ON CONFLICT would be read as that of a join.
    format!(
        "INSERT INTO {table} ({columns})\nSELECT s.*, 0\nFROM ({rows}) s WHERE TRUE\nON CONFLICT DO NOTHING"
    )
}

/// Claims partitions with a new epoch, which invalidates earlier claims, unless there is a newer claim. The primary key excludes
/// copies of a row.
///
/// Binds: rows of topic, partition and epoch.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, epoch, .. } = names;
    let rows = partitions(names).own_number(epoch).select();
    let (on, epoch) = (same([topic, partition]), quoted(epoch));
    format!(
        "UPDATE {table} AS t SET {epoch} = s.{epoch}\nFROM ({rows}) s\nWHERE {on} AND s.{epoch} > t.{epoch}"
    )
}

/// Reads the rows of partitions: topic, partition, warehouse, epoch, next offset, state and index of the table.
///
/// Binds: for each table, rows of topic and partition.
pub(crate) fn offsets_read(tables: &[TableName], names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).select();
    let on = same([topic, partition]);
    let columns = list(
        [topic, partition, warehouse, epoch, next_offset, state].map(|name| format!("t.{}", quoted(name))),
    );
    let of_lane = |(lane, table): (usize, &TableName)| {
        format!("SELECT {columns}, '{lane}'\nFROM {table} t JOIN ({rows}) s ON {on}")
    };
    joined(tables.iter().enumerate().map(of_lane), "\nUNION ALL\n")
}

/// Updates offsets, each if the claim is still valid and the offset has the expected value. If fewer rows are updated than
/// expected, another task writes to the table.
///
/// Binds: the time of writing; rows of topic, partition, warehouse, epoch, the current offset (or null), and the new offset and
/// state.
pub(crate) fn offsets_move(table: &TableName, names: &OffsetNames) -> String {
    const EXPECTED: &str = "__expected";
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let rows = Reader::with_time(updated_at)
        .own(topic)
        .own_number(partition)
        .own(warehouse)
        .own_number(epoch)
        .own_number(EXPECTED)
        .own_number(next_offset)
        .own(state)
        .select();
    let on = same([topic, partition, warehouse]);
    let update = list([next_offset, state, updated_at].map(|name| assigned(name)));
    let (epoch, next_offset, expected) = (quoted(epoch), quoted(next_offset), quoted(EXPECTED));
    format!(
        "UPDATE {table} AS t SET {update}\nFROM ({rows}) s\n\
         WHERE {on} AND t.{epoch} = s.{epoch} AND t.{next_offset} IS s.{expected}"
    )
}

fn partitions(names: &OffsetNames) -> Reader {
    Reader::new().own(&names.topic).own_number(&names.partition)
}

fn same<const N: usize>(names: [&String; N]) -> String {
    joined(names.map(|name| format!("t.{0} = s.{0}", quoted(name))), " AND ")
}
