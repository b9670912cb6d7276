//! AWS DMS: `{"data": row, "metadata": {"record-type","operation","schema-name","table-name",..}}`, and with before
//! images a further object whose name the task sets.

use tidegate_abi::{Struct, Value};

use super::translate::{Found, Names, Origin, Translator, id_text, milliseconds};
use crate::formats::change::{control::ControlEvent, error::EventError, recognise::RowTypes};

/// Reads a message.
///
/// # Errors
/// When it is not what DMS sends.
pub(super) fn read<'b>(
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let metadata = message.get("metadata").unwrap_or_default();
    let error = || translator.wrong("metadata", message.get("metadata"), "an object");
    let metadata = metadata.as_struct().ok_or_else(error)?;
    let operation = translator.text(metadata, "operation")?;
    let schema = translator.text(metadata, "schema-name")?;
    let table = translator.text(metadata, "table-name")?;
    if translator.text(metadata, "record-type")? == "control" {
        if !operation.contains("truncate") || table.is_empty() {
            return Ok(Found::Control(ControlEvent::SchemaChange));
        }
        let names = Names { database: "", schema, table };
        let origin = origin(operation, names, metadata, translator)?;
        translator.truncate(origin);
        return Ok(Found::Events(RowTypes::OfTool));
    }
    if !["load", "insert", "update", "delete"].contains(&operation) {
        let expected = "load, insert, update or delete";
        return Err(translator.wrong("metadata.operation", metadata.get("operation"), expected));
    }
    let data = translator.row(message, "data")?;
    let data = data.ok_or_else(|| translator.wrong("data", message.get("data"), "an object with the row"))?;
    let names = translator.names(Names { database: "", schema, table });
    let origin = origin(operation, names, metadata, translator)?;
    let columns = translator.key_names(names, None);
    let own_key = translator.key;
    match operation {
        "load" => translator.insert("r", origin, columns, data, own_key)?,
        "insert" => translator.insert("c", origin, columns, data, own_key)?,
        "delete" => translator.delete(origin, columns, data, own_key)?,
        _ => {
            let before = before_image(message).map_or(Value::NULL, |old| translator.row_before(data, old));
            translator.update(origin, columns, [before, data.to_value()], own_key)?;
        }
    }
    Ok(Found::Events(RowTypes::OfTool))
}

/// The object beside `data` and `metadata`, under whatever name `BeforeImageSettings` gives it.
fn before_image(message: Struct<'_>) -> Option<Struct<'_>> {
    let others = message.iter().filter(|(name, _)| !matches!(*name, "data" | "metadata" | "control"));
    others.filter_map(|(_, value)| value.as_struct()).next()
}

fn origin<'b>(
    operation: &str,
    names: Names<'b>,
    metadata: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Origin<'b>, EventError> {
    let value = |field: &str| metadata.get(field).unwrap_or_default();
    let handled = milliseconds("metadata.timestamp", value("timestamp"), translator)?;
    let committed = milliseconds("metadata.commit-timestamp", value("commit-timestamp"), translator)?;
    let id = id_text(metadata.get("transaction-id"), translator);
    let snapshot = if operation == "load" { "true" } else { "false" };
    let fields = [
        ("ts_ms", if committed.is_null() { handled } else { committed }),
        ("snapshot", Value::string(snapshot)),
        ("stream_position", value("stream-position")),
        ("txId", if id.is_empty() { Value::NULL } else { Value::string(id) }),
    ];
    let source = translator.source("dms", names, &fields);
    Ok(Origin { names, source, ts_ms: handled, transaction: Value::NULL })
}
