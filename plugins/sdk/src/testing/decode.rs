//! Converts hand-written JSON to values and change events.

use serde_json::Value as Json;
use tidegate_abi::{
    Arena, ChangeParts, Field, Operation, Record, Value,
    host::{Decode, Decoded, Kept, Recognise, Rejection},
    raw::{Kind, OperationCode},
};

use super::records::Records;

/// Decodes the records of a test.
pub(super) struct Decoder<'r>(pub(super) &'r Records);

impl Decode for Decoder<'_> {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        _: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let spec = &self.0.specs[record.index() as usize];
        let value = from_json(&spec.value, &spec.kinds, arena);
        let change = recognise(value, arena);
        Ok(Decoded { change, ..Decoded::plain(from_json(&spec.key, &[], arena), value) })
    }
}

/// Parses Debezium's envelope.
pub(super) struct Envelope;

impl Recognise for Envelope {
    fn recognise<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        _: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let change = recognise(record.value(), arena);
        Ok(Decoded { change, ..Decoded::plain(record.key(), record.value()) })
    }
}

fn recognise<'b>(value: Value<'b>, arena: Arena<'b>) -> Option<ChangeParts<'b>> {
    let [op] = *value.get("op")?.as_str()?.as_bytes() else { return None };
    let source = value.get("source").unwrap_or_default();
    let text = |name| source.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let lsn = source.get("lsn").filter(|lsn| !lsn.is_null());
    Some(ChangeParts {
        before: value.get("before").unwrap_or_default(),
        after: value.get("after").unwrap_or_default(),
        source,
        connector: text("connector"),
        database: text("db"),
        schema: text("schema"),
        table: text("table"),
        snapshot: text("snapshot"),
        position_text: lsn.map_or("", |lsn| arena.str(&lsn.to_string())),
        position: lsn.and_then(|lsn| Some([lsn.as_u64()?, 0, 0, 0])),
        commit_ms: source.get("ts_ms").and_then(|value| value.as_i64()),
        event_ms: value.get("ts_ms").and_then(|value| value.as_i64()),
        ..ChangeParts::new(Operation::from_code(OperationCode(op)))
    })
}

/// Converts JSON to a value; `kinds` lists fields with kinds that JSON does not have.
pub(super) fn from_json<'b>(json: &Json, kinds: &[(String, Kind)], arena: Arena<'b>) -> Value<'b> {
    match json {
        Json::Null => Value::NULL,
        Json::Bool(value) => Value::bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::int(value),
            (None, Some(value)) => Value::uint(value),
            (None, None) => Value::float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => arena.string(text),
        Json::Array(items) => {
            Value::list(arena.collect(items.iter().map(|item| from_json(item, kinds, arena))))
        }
        Json::Object(fields) => Value::object(arena.collect(fields.iter().map(|(name, value)| {
            let kind = kinds.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
            let value = match (kind, value.as_str()) {
                (Some(Kind::UNAVAILABLE), _) => Value::UNAVAILABLE,
                (Some(kind), Some(text)) => typed(text, kind, arena),
                _ => from_json(value, kinds, arena),
            };
            Field::new(arena.str(name), value)
        }))),
    }
}

/// # Panics
/// If `Event::column` does not support the kind, or a decimal does not fit 128 bits.
fn typed<'b>(text: &str, kind: Kind, arena: Arena<'b>) -> Value<'b> {
    match kind {
        Kind::DECIMAL => decimal(text, arena),
        Kind::NUMBER => Value::number(arena.str(text)),
        Kind::JSON => Value::json(arena.str(text)),
        Kind::BYTES => arena.bytes(text.as_bytes()),
        other => panic!("tests cannot create a column of {other:?}"),
    }
}

fn decimal<'b>(text: &str, arena: Arena<'b>) -> Value<'b> {
    let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let Ok(unscaled) = text.replace('.', "").parse::<i128>() else { panic!("not a valid decimal: {text}") };
    Value::decimal(arena.slice(&unscaled.to_be_bytes()), scale as i32)
}
