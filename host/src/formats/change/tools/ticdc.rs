//! TiCDC's protocol `simple` in JSON: one row in each message. Its protocol `canal-json` is read by `canal.rs`.

use tidegate_abi::{Struct, Value};

use super::translate::{Found, Names, Origin, Translator, id_text};
use crate::formats::change::{control::ControlEvent, error::EventError, recognise::RowTypes};

/// Statements that define tables.
const DEFINITIONS: [&str; 7] = ["CREATE", "RENAME", "CINDEX", "DINDEX", "ERASE", "ALTER", "QUERY"];

/// Bits of a timestamp of TiDB's oracle below the milliseconds since 1970.
const LOGICAL_BITS: u32 = 18;

/// Whether the message is one of the protocol `simple`.
pub(super) fn is_simple(message: Struct<'_>) -> bool {
    message.get("version").is_some() && message.get("commitTs").is_some()
}

/// Reads a message.
///
/// # Errors
/// When it is not what TiCDC sends.
pub(super) fn read<'b>(
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let kind = translator.text(message, "type")?;
    match kind {
        "WATERMARK" => return Ok(Found::Control(ControlEvent::Watermark)),
        "BOOTSTRAP" => return Ok(Found::Control(ControlEvent::SchemaChange)),
        _ if DEFINITIONS.contains(&kind) => return Ok(Found::Control(ControlEvent::SchemaChange)),
        "TRUNCATE" => {
            let origin = origin(truncated(message, translator)?, message, translator)?;
            translator.truncate(origin);
            return Ok(Found::Events(RowTypes::HintsOnly));
        }
        "INSERT" | "UPDATE" | "DELETE" => {}
        _ => {
            let expected = "INSERT, UPDATE, DELETE, WATERMARK, BOOTSTRAP or the type of a statement";
            return Err(translator.wrong("type", message.get("type"), expected));
        }
    }
    let whole =
        |field: &str| message.get(field).is_none_or(|value| matches!(value.as_bool(), None | Some(false)));
    if !whole("handleKeyOnly")
        || message
            .get("claimCheckLocation")
            .is_some_and(|place| place.as_str().is_some_and(|place| !place.is_empty()))
    {
        return Err(translator.broken(
            "it does not hold its row, which is larger than max-message-bytes: raise max-message-bytes in TiCDC and \
             max.message.bytes of the topic",
        ));
    }
    let database = translator.text(message, "database")?;
    let table = translator.text(message, "table")?;
    let names = translator.names(Names { database, schema: "", table });
    let origin = origin(names, message, translator)?;
    let columns = translator.key_names(names, None);
    let own_key = translator.key;
    let data = translator.row(message, "data")?;
    let old = translator.row(message, "old")?;
    match (kind, data, old) {
        ("INSERT", Some(data), _) => translator.insert("c", origin, columns, data, own_key)?,
        ("UPDATE", Some(data), old) => {
            let before = old.map_or(Value::NULL, |old| translator.row_before(data, old));
            translator.update(origin, columns, [before, data.to_value()], own_key)?;
        }
        ("DELETE", _, Some(old)) => translator.delete(origin, columns, old, own_key)?,
        _ => {
            let field = if kind == "DELETE" { "old" } else { "data" };
            return Err(translator.wrong(field, message.get(field), "an object with the row"));
        }
    }
    Ok(Found::Events(RowTypes::HintsOnly))
}

/// The table that a statement has truncated.
fn truncated<'b>(message: Struct<'b>, translator: &Translator<'b, '_, '_>) -> Result<Names<'b>, EventError> {
    let schema = message.get("tableSchema").unwrap_or_default();
    let text = |name: &str| schema.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let names = Names { database: text("schema"), schema: "", table: text("table") };
    if names.table.is_empty() {
        let expected = "an object that names the table that was truncated";
        return Err(translator.wrong("tableSchema", message.get("tableSchema"), expected));
    }
    Ok(names)
}

fn origin<'b>(
    names: Names<'b>,
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Origin<'b>, EventError> {
    let commit_ts = message.get("commitTs");
    let number = commit_ts.and_then(|value| value.as_u64());
    let number = number.ok_or_else(|| translator.wrong("commitTs", commit_ts, "a whole number"))?;
    let milliseconds = i64::try_from(number >> LOGICAL_BITS).unwrap_or_default();
    let fields = [
        ("ts_ms", Value::int(milliseconds)),
        ("snapshot", Value::string("false")),
        ("commit_ts", Value::uint(number)),
    ];
    let source = translator.source("ticdc", names, &fields);
    let id = id_text(commit_ts, translator);
    let transaction = translator.transaction(id);
    Ok(Origin { names, source, ts_ms: message.get("buildTs").unwrap_or_default(), transaction })
}
