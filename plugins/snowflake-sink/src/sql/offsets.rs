//! Statements for the offsets tables of a connector, one per lane: offset and epoch of each partition, by warehouse.

use tidegate_cdc::{
    sql::{joined, list, quoted},
    statement::{OffsetNames, TableName},
};

use super::{merge::assigned, rows::Reader};

/// Types of the columns.
pub(super) const PARTITION: &str = "NUMBER(10,0)";
/// Fits 64 bits.
pub(super) const COUNTER: &str = "NUMBER(20,0)";

/// Adds missing rows, with epoch 0.
///
/// Binds: rows of topic, partition, warehouse, and the initial offset and state, or nulls.
pub(crate) fn offsets_add_missing(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows =
        partitions(names).own(warehouse, "VARCHAR").own(next_offset, COUNTER).own(state, "VARCHAR").select();
    let on = same([topic, partition, warehouse]);
    let columns = list([topic, partition, warehouse, next_offset, state, epoch].map(|name| quoted(name)));
    let values =
        list([topic, partition, warehouse, next_offset, state].map(|name| format!("s.{}", quoted(name))));
    format!(
        "INSERT INTO {table} ({columns})\nSELECT {values}, 0\n\
         FROM ({rows}) s LEFT JOIN {table} t ON {on}\nWHERE t.{} IS NULL",
        quoted(topic)
    )
}

/// Claims partitions for all warehouses with a new epoch, which invalidates earlier claims, unless there is a newer claim.
/// Duplicates of a row, which concurrent first claims can create, become equal, so that a claim is valid for all or none of them.
///
/// Binds: rows of topic, partition and epoch.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).own(epoch, COUNTER).select();
    let on = same([topic, partition]);
    let columns = list([topic, partition, warehouse].map(|name| format!("t.{0} AS {0}", quoted(name))));
    let groups = list([topic, partition, warehouse].map(|name| format!("t.{}", quoted(name))));
    let all = same([topic, partition, warehouse]);
    let update = list([epoch, next_offset, state].map(|name| assigned(name)));
    let (epoch, next_offset, state) = (quoted(epoch), quoted(next_offset), quoted(state));
    format!(
        "MERGE INTO {table} t\nUSING (SELECT {columns}, MAX(s.{epoch}) AS {epoch}, MAX(t.{next_offset}) AS {next_offset}, \
         COALESCE(MAX_BY(t.{state}, t.{next_offset}), MAX(t.{state})) AS {state}\n\
         FROM {table} t JOIN ({rows}) s ON {on}\nGROUP BY {groups}) s\nON {all}\n\
         WHEN MATCHED AND s.{epoch} > t.{epoch} THEN UPDATE SET {update}"
    )
}

/// Reads the rows of partitions in the offsets tables of all lanes: topic, partition, warehouse, epoch, next offset, state
/// and index of the table, all as text.
///
/// Binds: for each table, rows of topic and partition.
pub(crate) fn offsets_read(tables: &[TableName], names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).select();
    let on = same([topic, partition]);
    let columns = [topic, partition, warehouse, epoch, next_offset, state];
    let columns = list(columns.map(|name| format!("t.{0}::VARCHAR AS {0}", quoted(name))));
    let of_lane = |(lane, table): (usize, &TableName)| {
        format!("SELECT {columns}, '{lane}' AS \"__lane\"\nFROM {table} t JOIN ({rows}) s ON {on}")
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
        .own(topic, "VARCHAR")
        .own(partition, PARTITION)
        .own(warehouse, "VARCHAR")
        .own(epoch, COUNTER)
        .own(EXPECTED, COUNTER)
        .own(next_offset, COUNTER)
        .own(state, "VARCHAR")
        .select();
    let on = same([topic, partition, warehouse]);
    let update = list([next_offset, state, updated_at].map(|name| assigned(name)));
    let (epoch, next_offset, expected) = (quoted(epoch), quoted(next_offset), quoted(EXPECTED));
    format!(
        "MERGE INTO {table} t\nUSING ({rows}) s\nON {on}\n\
         WHEN MATCHED AND t.{epoch} = s.{epoch} AND EQUAL_NULL(t.{next_offset}, s.{expected}) \
         THEN UPDATE SET {update}"
    )
}

fn partitions(names: &OffsetNames) -> Reader {
    Reader::new().own(&names.topic, "VARCHAR").own(&names.partition, PARTITION)
}

fn same<const N: usize>(names: [&String; N]) -> String {
    joined(names.map(|name| format!("t.{0} = s.{0}", quoted(name))), " AND ")
}
