//! TiCDC's protocol `simple` in JSON: one row in each message. Its protocol `canal-json` is read by `canal.rs`.

use tidegate_abi::{Field, Struct, Timestamp, Value, ValueRef};

use super::translate::{Found, Names, Origin, Translator, id_text};
use crate::formats::{
    Cause,
    change::{control::ControlEvent, error::EventError, recognise::RowTypes},
    types::{ArenaStore, Scalar, convert},
};

/// Timestamps in another time zone than UTC.
const ZONE: Cause = Cause("timestamps_in_time_zone");

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
            return Ok(Found::Events(RowTypes::OfTool));
        }
        "INSERT" | "UPDATE" | "DELETE" => {}
        _ => {
            let expected = "INSERT, UPDATE, DELETE, WATERMARK, BOOTSTRAP or the type of a statement";
            return Err(translator.wrong("type", message.get("type"), expected));
        }
    }
    // A delete needs the key alone.
    if kind != "DELETE" && is_cut(message) {
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
    let [data, old] = ["data", "old"].map(|field| translator.row(message, field));
    let (data, old) = (data?, old?);
    let data = data.map(|row| with_timestamps(row, table, translator));
    let old = old.map(|row| with_timestamps(row, table, translator));
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
    Ok(Found::Events(RowTypes::OfTool))
}

/// Whether the message does not hold its row, but its key or the place where the row is.
fn is_cut(message: Struct<'_>) -> bool {
    let is_key_only = message.get("handleKeyOnly").and_then(|is_set| is_set.as_bool()) == Some(true);
    let place = message.get("claimCheckLocation").and_then(|place| place.as_str());
    is_key_only || place.is_some_and(|place| !place.is_empty())
}

/// The row with timestamps in place of `{"location":"UTC","value":"2024-02-26 13:01:02"}`, as TIMESTAMP columns have them.
fn with_timestamps<'b>(row: Struct<'b>, table: &str, translator: &mut Translator<'b, '_, '_>) -> Struct<'b> {
    if !row.iter().any(|(_, value)| zone_and_text(value).is_some()) {
        return row;
    }
    let arena = translator.work.arena;
    let fields = arena.collect(row.fields().iter().map(|field| match zone_and_text(field.value()) {
        Some((zone, text)) => Field::new(field.name(), timestamp(zone, text, table, translator)),
        None => *field,
    }));
    Value::object(fields).as_struct().unwrap_or(row)
}

fn zone_and_text(value: Value<'_>) -> Option<(&str, &str)> {
    let value = value.as_struct().filter(|value| value.len() == 2)?;
    Some((value.get("location")?.as_str()?, value.get("value")?.as_str()?))
}

/// A time in UTC as a timestamp; in another zone, whose offset is not known here, and of no valid date, its text.
fn timestamp<'b>(
    zone: &str,
    text: &'b str,
    table: &str,
    translator: &mut Translator<'b, '_, '_>,
) -> Value<'b> {
    let plain = Value::string(text);
    if !matches!(zone, "UTC" | "Etc/UTC" | "+00:00") {
        translator.work.notices.note(ZONE, table, || {
            format!(
                "TIMESTAMP columns of {table} are in the time zone {zone:?} of TiCDC: they become text without a time zone. \
                 Start TiCDC with --tz=UTC"
            )
        });
        return plain;
    }
    let buffer = &mut translator.work.scratch.bytes;
    let local =
        convert(Scalar::IsoTimestamp, plain, &mut ArenaStore { arena: translator.work.arena, buffer });
    match local.map(|local| local.view()) {
        Ok(ValueRef::Timestamp(local)) => Value::timestamp(Timestamp { offset_seconds: Some(0), ..local }),
        _ => plain,
    }
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
