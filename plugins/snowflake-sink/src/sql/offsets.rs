//! Statements about the table of a connector's offsets: how far each partition is, by warehouse, and who may write.

use super::{
    OffsetNames, TableName,
    merge::assigned,
    name::{joined, list, quoted},
    rows::Reader,
};

/// Types of the columns, as they are in the table.
pub(super) const PARTITION: &str = "NUMBER(10,0)";
/// Room for all of Kafka's 64 bits.
pub(super) const COUNTER: &str = "NUMBER(20,0)";

/// Adds the rows that are missing, unclaimed.
///
/// Binds: rows of topic, partition, warehouse, and the offset and state that it begins with, or nulls.
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

/// Claims partitions, for all warehouses: earlier claims are void. Copies of a row, which a race of two first claims may
/// leave, become equal: a claim that holds for one of them must not hold for another.
///
/// Binds: rows of topic and partition.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).select();
    let on = same([topic, partition]);
    let columns = list([topic, partition, warehouse].map(|name| format!("t.{0} AS {0}", quoted(name))));
    let groups = list([topic, partition, warehouse].map(|name| format!("t.{}", quoted(name))));
    let all = same([topic, partition, warehouse]);
    let update = list([epoch, next_offset, state].map(|name| assigned(name)));
    let (epoch, next_offset, state) = (quoted(epoch), quoted(next_offset), quoted(state));
    format!(
        "MERGE INTO {table} t\nUSING (SELECT {columns}, MAX(t.{epoch}) + 1 AS {epoch}, MAX(t.{next_offset}) AS {next_offset}, \
         COALESCE(MAX_BY(t.{state}, t.{next_offset}), MAX(t.{state})) AS {state}\n\
         FROM {table} t JOIN ({rows}) s ON {on}\nGROUP BY {groups}) s\nON {all}\n\
         WHEN MATCHED THEN UPDATE SET {update}"
    )
}

/// Reads the rows of partitions: topic, partition, warehouse, epoch, next offset and state, all as text.
///
/// Binds: rows of topic and partition.
pub(crate) fn offsets_read(table: &TableName, names: &OffsetNames) -> String {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let rows = partitions(names).select();
    let on = same([topic, partition]);
    let columns = [topic, partition, warehouse, epoch, next_offset, state];
    let columns = list(columns.map(|name| format!("t.{0}::VARCHAR AS {0}", quoted(name))));
    format!("SELECT {columns}\nFROM {table} t JOIN ({rows}) s ON {on}")
}

/// Moves offsets on, each if the claim still holds and nobody moved it before. A count of changed rows below that of
/// the rows says that somebody else writes.
///
/// Binds: the time of writing; rows of topic, partition, warehouse, epoch, the offset it has (or null), and the offset and
/// state that it gets.
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
