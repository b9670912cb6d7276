//! Oracle GoldenGate's JSON formatter, operation model: `{"table","op_type","op_ts","current_ts","pos","primary_keys",
//! "before","after"}`.

use tidegate_abi::{Field, Struct, Value};

use super::translate::{Found, Names, Origin, Translator, id_text, milliseconds};
use crate::formats::change::{error::EventError, recognise::RowTypes};

/// What the formatter adds to a column's name to say whether the trail had it.
const MISSING: &str = "_isMissing";

/// Reads a message.
///
/// # Errors
/// When it is not what GoldenGate sends.
pub(super) fn read<'b>(
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let kind = translator.text(message, "op_type")?;
    if !["I", "U", "D", "T"].contains(&kind) {
        return Err(translator.wrong("op_type", message.get("op_type"), "I, U, D or T"));
    }
    let names = names_of(translator.text(message, "table")?);
    if kind == "T" {
        if names.table.is_empty() {
            return Err(translator.wrong(
                "table",
                message.get("table"),
                "the name of the table that was truncated",
            ));
        }
        let origin = origin(names, message, translator)?;
        translator.truncate(origin);
        return Ok(Found::Events(RowTypes::OfTool));
    }
    let names = translator.names(names);
    let origin = origin(names, message, translator)?;
    let columns = translator.name_list(message, "primary_keys")?;
    let columns = translator.key_names(names, columns);
    let own_key = translator.key;
    let [before, after] = ["before", "after"].map(|field| translator.row(message, field));
    let (before, after) = (before?, after?);
    let missing = |field, translator: &Translator<'b, '_, '_>| {
        translator.wrong(field, message.get(field), "an object with the row, as format=json writes it")
    };
    match kind {
        "D" => {
            let before = before.ok_or_else(|| missing("before", translator))?;
            let before = known_columns(before, false, translator);
            translator.delete(origin, columns, before, own_key)?;
        }
        "I" => {
            let after = after.ok_or_else(|| missing("after", translator))?;
            let after = known_columns(after, true, translator);
            translator.remember_columns(names, after);
            translator.insert("c", origin, columns, after, own_key)?;
        }
        _ => {
            let after = after.ok_or_else(|| missing("after", translator))?;
            let after = known_columns(after, true, translator);
            let before = before.map(|before| known_columns(before, false, translator));
            let row = whole_row(after, before.unwrap_or(Struct::EMPTY), translator);
            let row = translator.complete_row(names, row);
            let before = before.map_or(Value::NULL, |before| translator.with_columns_of(before, row));
            translator.update(origin, columns, [before, row.to_value()], own_key)?;
        }
    }
    Ok(Found::Events(RowTypes::OfTool))
}

/// `TABLE`, `SCHEMA.TABLE` or, of a pluggable database, `DATABASE.SCHEMA.TABLE`.
fn names_of(name: &str) -> Names<'_> {
    let (rest, table) = name.rsplit_once('.').unwrap_or(("", name));
    let (database, schema) = rest.rsplit_once('.').unwrap_or(("", rest));
    Names { database, schema, table }
}

/// The row without the fields that say which columns are missing. A missing one is left out, or with `marks` is marked as
/// unavailable.
fn known_columns<'b>(row: Struct<'b>, marks: bool, translator: &mut Translator<'b, '_, '_>) -> Struct<'b> {
    let is_flag = |name: &str, value: Value<'b>| {
        value.as_bool().is_some()
            && name.strip_suffix(MISSING).is_some_and(|column| row.get(column).is_some())
    };
    if !row.iter().any(|(name, value)| is_flag(name, value)) {
        return row;
    }
    let mut missing = row.fields().iter().peekable();
    let scratch = &mut translator.work.scratch.fields;
    let base = scratch.len();
    while let Some(field) = missing.next() {
        if is_flag(field.name(), field.value()) {
            continue;
        }
        // The flag is the next field.
        let flag = missing.peek().filter(|flag| flag.name().strip_suffix(MISSING) == Some(field.name()));
        match flag.and_then(|flag| flag.value().as_bool()) {
            Some(true) if marks => scratch.push(Field::new(field.name(), Value::UNAVAILABLE)),
            Some(true) => {}
            _ => scratch.push(*field),
        }
    }
    let known = translator.work.arena.object(&scratch[base..]);
    scratch.truncate(base);
    known.as_struct().unwrap_or(row)
}

/// The row after an update, with what only the row before it has: an update that is compressed in the trail has the
/// columns that were changed and the key.
fn whole_row<'b>(
    after: Struct<'b>,
    before: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Struct<'b> {
    let has_gaps = after.iter().any(|(name, value)| value.is_unavailable() && before.get(name).is_some());
    let after = if has_gaps {
        let filled = after.fields().iter().map(|field| match before.get(field.name()) {
            Some(value) if field.value().is_unavailable() => Field::new(field.name(), value),
            _ => *field,
        });
        Value::object(translator.work.arena.collect(filled)).as_struct().unwrap_or(after)
    } else {
        after
    };
    translator.with_columns_of(after, before).as_struct().unwrap_or(after)
}

fn origin<'b>(
    names: Names<'b>,
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Origin<'b>, EventError> {
    let value = |field: &str| message.get(field).unwrap_or_default();
    let changed = milliseconds("op_ts", value("op_ts"), translator)?;
    let handled = milliseconds("current_ts", value("current_ts"), translator)?;
    let fields = [
        ("ts_ms", changed),
        ("snapshot", Value::string("false")),
        ("trail_pos", value("pos")),
        ("csn", value("csn")),
    ];
    let source = translator.source("goldengate", names, &fields);
    let id = id_text(message.get("xid"), translator);
    let transaction = translator.transaction(id);
    Ok(Origin { names, source, ts_ms: handled, transaction })
}
