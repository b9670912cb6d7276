//! Statements for the offsets tables of a connector, one per lane: offset and epoch of each partition.
//!
//! Their rows are few, and bound as JSON.

use tidegate_cdc::{
    sql::{joined, list, quoted},
    statement::{
        Bind::{Now, Rows},
        Call, OffsetNames, TableName,
    },
};

use super::apply::{NOW, assigned};

/// A FROM item with the bound rows, of which `place` is the number of the bind. Its columns are all texts or nulls.
fn rows<const N: usize>(place: usize, columns: [(&str, &str); N]) -> String {
    let items = columns
        .iter()
        .enumerate()
        .map(|(index, (name, kind))| format!("CAST(r.value ->> {index} AS {kind}) AS {}", quoted(name)));
    format!("(SELECT {} FROM json_array_elements(CAST(CAST(${place} AS text) AS json)) r)", list(items))
}

fn same<const N: usize>(names: [&String; N]) -> String {
    joined(names.map(|name| format!("t.{0} = s.{0}", quoted(name))), " AND ")
}

/// Adds missing rows, with epoch 0.
pub(crate) fn offsets_add_missing(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let source = rows(
        1,
        [
            (topic, "text"),
            (partition, "integer"),
            (warehouse, "text"),
            (next_offset, "bigint"),
            (state, "text"),
        ],
    );
    let columns = list([topic, partition, warehouse, next_offset, state, epoch].map(|name| quoted(name)));
    let values =
        list([topic, partition, warehouse, next_offset, state].map(|name| format!("s.{}", quoted(name))));
    let text = format!(
        "INSERT INTO {table} ({columns})\nSELECT {values}, 0 FROM {source} s\nON CONFLICT DO NOTHING"
    );
    Call::new("INSERT", text, [Rows])
}

/// Claims partitions with a new epoch, unless there is a newer claim.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, epoch, .. } = names;
    let source = rows(1, [(topic, "text"), (partition, "integer"), (epoch, "numeric")]);
    let (on, epoch) = (same([topic, partition]), quoted(epoch));
    let text = format!(
        "UPDATE {table} t SET {epoch} = s.{epoch}\nFROM {source} s\nWHERE {on} AND s.{epoch} > t.{epoch}"
    );
    Call::new("UPDATE", text, [Rows])
}

/// Reads the rows of partitions in the offsets tables of all lanes.
pub(crate) fn offsets_read(tables: &[TableName], names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let on = same([topic, partition]);
    let columns = [topic, partition, warehouse, epoch, next_offset, state];
    let columns = list(columns.map(|name| format!("t.{}::text", quoted(name))));
    let source = rows(1, [(topic, "text"), (partition, "integer")]);
    let of_lane = |(lane, table): (usize, &TableName)| {
        format!("SELECT {columns}, '{lane}'::text FROM {table} t JOIN {source} s ON {on}")
    };
    Call::new("SELECT", joined(tables.iter().enumerate().map(of_lane), "\nUNION ALL\n"), [Rows])
}

/// Updates offsets, each if the claim is still valid and the offset has the expected value.
pub(crate) fn offsets_move(table: &TableName, names: &OffsetNames) -> Call {
    const EXPECTED: &str = "__expected";
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let source = rows(
        2,
        [
            (topic, "text"),
            (partition, "integer"),
            (warehouse, "text"),
            (epoch, "numeric"),
            (EXPECTED, "bigint"),
            (next_offset, "bigint"),
            (state, "text"),
        ],
    );
    let on = same([topic, partition, warehouse]);
    let update = list([next_offset, state].map(|name| assigned(name)));
    let (epoch, next_offset, expected) = (quoted(epoch), quoted(next_offset), quoted(EXPECTED));
    let text = format!(
        "UPDATE {table} t SET {update}, {} = {NOW}\nFROM {source} s\n\
         WHERE {on} AND t.{epoch} = s.{epoch} AND t.{next_offset} IS NOT DISTINCT FROM s.{expected}",
        quoted(updated_at)
    );
    Call::new("UPDATE", text, [Now, Rows])
}
