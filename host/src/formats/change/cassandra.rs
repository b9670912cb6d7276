//! Events of Cassandra: rows of cells, `{"value","deletion_ts","set"}`, of which only those that were written are there.
//!
//! Debezium's `CassandraSchemaFactory` and `Record`: `op` is "i", "u", "d", or "r" for a range of rows that was deleted;
//! there is no `before`.

use tidegate_abi::{Arena, Field, Operation, Struct, Value};

use super::{envelope::Envelope, error::EventError};
use crate::formats::json::Scratch;

/// Bounds of a range of deleted rows, in every row.
const BOUNDS: [&str; 2] = ["_range_start", "_range_end"];

/// Replaces the cells of an event by what they hold. Gives the operation: what writes some columns only leaves the others
/// as they are, whether it calls itself an insert or not.
///
/// # Errors
/// When the event deletes a range of rows.
pub(super) fn read<'b>(
    envelope: &mut Envelope<'b>,
    operation: Operation,
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Operation, EventError> {
    if operation == Operation::Read {
        return Err(EventError::RangeTombstone);
    }
    let Some(cells) = envelope.after.and_then(|after| after.as_struct()) else { return Ok(operation) };
    let is_delete = operation == Operation::Delete;
    let base = scratch.fields.len();
    let mut has_gaps = false;
    for (name, cell) in cells.iter().filter(|(name, _)| !BOUNDS.contains(name)) {
        match value_of(cell) {
            Some(value) => scratch.fields.push(Field::new(name, value)),
            // A deleted row has the columns of its key.
            None if is_delete => {}
            None => {
                has_gaps = true;
                scratch.fields.push(Field::new(name, Value::UNAVAILABLE));
            }
        }
    }
    let row = arena.object(&scratch.fields[base..]);
    scratch.fields.truncate(base);
    if is_delete {
        (envelope.before, envelope.after) = (Some(row), None);
        return Ok(operation);
    }
    envelope.after = Some(row);
    Ok(if has_gaps { Operation::Update } else { operation })
}

/// What a cell holds; nothing if the column was not written. A value that is no cell, as a transform may have made it,
/// stays.
fn value_of(cell: Value<'_>) -> Option<Value<'_>> {
    let fields = cell.as_struct().unwrap_or(Struct::EMPTY);
    match (fields.get("set").and_then(|set| set.as_bool()), fields.get("value")) {
        (Some(true), Some(value)) => Some(value),
        (Some(false), _) => None,
        _ => (!cell.is_null()).then_some(cell),
    }
}
