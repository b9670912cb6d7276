//! Maxwell's daemon: `{"database","table","type","ts","xid","commit","data","old"}`.

use tidegate_abi::{Field, Struct, Value};

use super::translate::{Found, KeyNames, Names, Origin, Translator, id_text};
use crate::formats::change::{control::ControlEvent, error::EventError, recognise::RowTypes};

/// Reads a message.
///
/// # Errors
/// When it is not what Maxwell sends.
pub(super) fn read<'b>(
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let kind = translator.text(message, "type")?;
    match kind {
        "insert" | "update" | "delete" | "bootstrap-insert" => {}
        "bootstrap-start" | "bootstrap-complete" => return Ok(Found::Control(ControlEvent::Notification)),
        // Table and database definitions, which output_ddl adds.
        _ if kind.starts_with("table-") || kind.starts_with("database-") => {
            let [database, table] = ["database", "table"].map(|field| translator.text(message, field));
            translator.forget_columns(Names { database: database?, schema: "", table: table? });
            return Ok(Found::Control(ControlEvent::SchemaChange));
        }
        _ => {
            let expected = "insert, update, delete, bootstrap-.., table-.. or database-..";
            return Err(translator.wrong("type", message.get("type"), expected));
        }
    }
    let database = translator.text(message, "database")?;
    let table = translator.text(message, "table")?;
    let names = translator.names(Names { database, schema: "", table });
    let origin = origin(kind, names, message, translator)?;
    let missing = |translator: &Translator<'b, '_, '_>| {
        translator.wrong("data", message.get("data"), "an object with the row")
    };
    let data = translator.row(message, "data")?.ok_or_else(|| missing(translator))?;
    let columns = primary_key(message, data, translator)?;
    let columns = translator.key_names(names, columns);
    // Maxwell's message key is not a row, so without column names there is no key.
    let own_key = Value::NULL;
    match kind {
        "insert" | "bootstrap-insert" => {
            translator.remember_columns(names, data);
            let op = if kind == "insert" { "c" } else { "r" };
            translator.insert(op, origin, columns, data, own_key)?;
        }
        "delete" => translator.delete(origin, columns, data, own_key)?,
        _ => {
            let old = translator.row(message, "old")?;
            let data = with_new_nulls(data, old.unwrap_or(Struct::EMPTY), translator);
            let data = translator.complete_row(names, data);
            let before = old.map_or(Value::NULL, |old| translator.row_before(data, old));
            translator.update(origin, columns, [before, data.to_value()], own_key)?;
        }
    }
    Ok(Found::Events(RowTypes::OfTool))
}

/// The row with NULL in the columns that only `old` has: with output_nulls=false, Maxwell leaves out a column that an
/// update has set to NULL.
fn with_new_nulls<'b>(
    data: Struct<'b>,
    old: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Struct<'b> {
    if old.iter().all(|(name, _)| data.get(name).is_some()) {
        return data;
    }
    let scratch = &mut translator.work.scratch.fields;
    let base = scratch.len();
    scratch.extend(data.fields());
    let nulls = old.iter().filter(|(name, _)| data.get(name).is_none());
    scratch.extend(nulls.map(|(name, _)| Field::new(name, Value::NULL)));
    let whole = translator.work.arena.object(&scratch[base..]);
    scratch.truncate(base);
    whole.as_struct().unwrap_or(data)
}

fn origin<'b>(
    kind: &str,
    names: Names<'b>,
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Origin<'b>, EventError> {
    let number = |field: &str| message.get(field).unwrap_or_default();
    let seconds = number("ts");
    let ts_ms = match seconds.as_i64().and_then(|seconds| seconds.checked_mul(1_000)) {
        Some(milliseconds) => Value::int(milliseconds),
        None if seconds.is_null() => Value::NULL,
        None => return Err(translator.wrong("ts", Some(seconds), "whole seconds since 1970")),
    };
    let (file, at) = match translator.text(message, "position")?.rsplit_once(':') {
        Some((file, at)) => (Value::string(file), at.parse().map_or(Value::NULL, Value::int)),
        None => (Value::NULL, Value::NULL),
    };
    // The last row of a transaction has `commit` and no number.
    let row = match number("xoffset") {
        row if !row.is_null() => row,
        _ if number("commit").as_bool() == Some(true) && !file.is_null() => Value::int(i64::MAX),
        _ => Value::NULL,
    };
    let snapshot = if kind == "bootstrap-insert" { "incremental" } else { "false" };
    let xid = id_text(message.get("xid"), translator);
    let fields = [
        ("ts_ms", ts_ms),
        ("snapshot", Value::string(snapshot)),
        ("server_id", number("server_id")),
        ("gtid", number("gtid")),
        ("file", file),
        ("pos", at),
        ("row", row),
        ("thread", number("thread_id")),
        ("txId", if xid.is_empty() { Value::NULL } else { Value::string(xid) }),
    ];
    let source = translator.source("maxwell", names, &fields);
    Ok(Origin { names, source, ts_ms: Value::NULL, transaction: Value::NULL })
}

/// The primary key's columns: `primary_key_columns`, else those of the message's key in one of its two forms, a hash
/// (`{"database":..,"table":..,"pk.id":1}`) or an array (`[database, table, [{"id":1}]]`), where Maxwell writes all names
/// in lower case.
fn primary_key<'b>(
    message: Struct<'b>,
    data: Struct<'b>,
    translator: &Translator<'b, '_, '_>,
) -> Result<KeyNames<'b>, EventError> {
    if let Some(columns) = translator.name_list(message, "primary_key_columns")? {
        return Ok(Some(columns));
    }
    let arena = translator.work.arena;
    if let Some(hash) = translator.key.as_struct() {
        let columns = || hash.iter().filter_map(|(name, _)| name.strip_prefix("pk."));
        let mut names = columns().map(|name| spelled(name, data));
        let names = arena.collect((0..columns().count()).map(|_| names.next().unwrap_or_default()));
        return Ok((!names.is_empty()).then_some(names));
    }
    let Some([_, _, columns]) = translator.key.as_list().map(|list| list.items()) else { return Ok(None) };
    let Some(columns) = columns.as_list().filter(|columns| !columns.is_empty()) else { return Ok(None) };
    let name = |column: Value<'b>| match column.as_struct().map(|column| column.fields()) {
        Some([only]) => spelled(only.name(), data),
        _ => "",
    };
    Ok(Some(arena.collect(columns.iter().map(name))))
}

/// The name of a key's column as the row spells it.
fn spelled<'b>(name: &'b str, row: Struct<'b>) -> &'b str {
    if row.get(name).is_some() {
        return name;
    }
    let lower = |text: &'b str| text.chars().flat_map(char::to_lowercase);
    row.iter().map(|(column, _)| column).find(|column| lower(column).eq(lower(name))).unwrap_or(name)
}
