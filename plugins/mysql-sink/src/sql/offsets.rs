//! Statements for the offsets tables of a connector, one per lane: offset and epoch of each partition.
//!
//! Their rows are few, and bound value by value: `ROWS(?, 3)` is a table with the columns `c0` to `c2`, see `session/rows.rs`.
//! JSON_TABLE is not used, because it is missing in some versions of MariaDB and wrong in others.

use tidegate_cdc::{
    sql::{joined, list},
    statement::{
        Bind::{Now, Rows},
        Call, OffsetNames, TableName,
    },
};

use super::{load::moment, name::quoted};

/// The type of a bound value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
}

use Kind::{Number, Text};

/// A FROM item with the bound rows.
fn rows<const N: usize>(columns: [(&str, Kind); N]) -> String {
    let items = columns.iter().enumerate().map(|(index, (name, kind))| match kind {
        Text => format!("r.c{index} AS {}", quoted(name)),
        Number => format!("CAST(r.c{index} AS UNSIGNED) AS {}", quoted(name)),
    });
    format!("(SELECT {} FROM ROWS(?, {N}) r)", list(items))
}

fn same<const N: usize>(names: [&String; N]) -> String {
    joined(names.map(|name| format!("t.{0} = s.{0}", quoted(name))), " AND ")
}

/// Adds missing rows, with epoch 0. What IGNORE ignores is that a row exists.
pub(crate) fn offsets_add_missing(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let source =
        rows([(topic, Text), (partition, Number), (warehouse, Text), (next_offset, Number), (state, Text)]);
    let columns = list([topic, partition, warehouse, next_offset, state, epoch].map(|name| quoted(name)));
    let values =
        list([topic, partition, warehouse, next_offset, state].map(|name| format!("s.{}", quoted(name))));
    let text = format!("INSERT IGNORE INTO {table} ({columns})\nSELECT {values}, 0 FROM {source} s");
    Call::new("INSERT", text, [Rows])
}

/// Claims partitions with a new epoch, unless there is a newer claim.
pub(crate) fn offsets_claim(table: &TableName, names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, epoch, .. } = names;
    let source = rows([(topic, Text), (partition, Number), (epoch, Number)]);
    let (on, epoch) = (same([topic, partition]), quoted(epoch));
    let text = format!(
        "UPDATE {table} t JOIN {source} s ON {on}\nSET t.{epoch} = s.{epoch}\nWHERE s.{epoch} > t.{epoch}"
    );
    Call::new("UPDATE", text, [Rows])
}

/// Reads the rows of partitions in the offsets tables of all lanes.
pub(crate) fn offsets_read(tables: &[TableName], names: &OffsetNames) -> Call {
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, .. } = names;
    let on = same([topic, partition]);
    let columns = [topic, partition, warehouse, epoch, next_offset, state];
    let columns = list(columns.map(|name| format!("t.{}", quoted(name))));
    let source = rows([(topic, Text), (partition, Number)]);
    let of_lane = |(lane, table): (usize, &TableName)| {
        format!("SELECT {columns}, '{lane}' FROM {table} t JOIN {source} s ON {on}")
    };
    let text = joined(tables.iter().enumerate().map(of_lane), "\nUNION ALL\n");
    Call::new("SELECT", text, vec![Rows; tables.len()])
}

/// Updates offsets, each if the claim is still valid and the offset has the expected value.
pub(crate) fn offsets_move(table: &TableName, names: &OffsetNames) -> Call {
    const EXPECTED: &str = "__expected";
    let OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at } = names;
    let source = rows([
        (topic, Text),
        (partition, Number),
        (warehouse, Text),
        (epoch, Number),
        (EXPECTED, Number),
        (next_offset, Number),
        (state, Text),
    ]);
    let on = same([topic, partition, warehouse]);
    let update = list([next_offset, state].map(|name| format!("t.{0} = s.{0}", quoted(name))));
    let (epoch, next_offset, expected) = (quoted(epoch), quoted(next_offset), quoted(EXPECTED));
    let text = format!(
        "UPDATE {table} t JOIN {source} s ON {on}\nSET {update}, t.{} = {}\n\
         WHERE t.{epoch} = s.{epoch} AND t.{next_offset} <=> s.{expected}",
        quoted(updated_at),
        moment("?")
    );
    Call::new("UPDATE", text, [Rows, Now])
}
