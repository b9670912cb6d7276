//! MongoDB's Extended JSON: objects such as `{"$oid": ".."}` become the values that they stand for.
//!
//! Format: MongoDB's manual, "MongoDB Extended JSON (v2)" with its canonical and relaxed forms, and "(v1)" in strict mode,
//! which Debezium sends by default. What has no kind of its own, or does not fit it, stays the object that it is.

use tidegate_abi::{Arena, Field, Struct, Timestamp, Value, ValueRef};

use crate::formats::{
    json::Scratch,
    types::{ArenaStore, Scalar, convert},
};

/// Makes typed values in a batch's memory.
pub(super) struct ExtendedJson<'b, 's> {
    pub(super) arena: Arena<'b>,
    pub(super) scratch: &'s mut Scratch<'b>,
}

impl<'b> ExtendedJson<'b, '_> {
    /// The value with all that it holds typed, at any depth.
    pub(super) fn typed(&mut self, value: Value<'b>) -> Value<'b> {
        match value.view() {
            // All other numbers of a document are doubles, which their text denotes exactly.
            ValueRef::Number(text) if text.contains(['.', 'e', 'E']) => {
                text.parse().map_or(value, Value::float)
            }
            ValueRef::Struct(fields) => self.scalar(fields).unwrap_or_else(|| self.object(fields, value)),
            ValueRef::List(items) => self.list(items.items(), value),
            _ => value,
        }
    }

    fn object(&mut self, fields: Struct<'b>, value: Value<'b>) -> Value<'b> {
        let base = self.scratch.fields.len();
        let mut changed = false;
        for field in fields.fields() {
            let typed = self.typed(field.value());
            changed |= !is_same(typed, field.value());
            self.scratch.fields.push(Field::new(field.name(), typed));
        }
        let typed = if changed { self.arena.object(&self.scratch.fields[base..]) } else { value };
        self.scratch.fields.truncate(base);
        typed
    }

    fn list(&mut self, items: &[Value<'b>], value: Value<'b>) -> Value<'b> {
        let base = self.scratch.values.len();
        let mut changed = false;
        for item in items {
            let typed = self.typed(*item);
            changed |= !is_same(typed, *item);
            self.scratch.values.push(typed);
        }
        let typed = if changed { self.arena.list(&self.scratch.values[base..]) } else { value };
        self.scratch.values.truncate(base);
        typed
    }

    /// The value that an object with names such as `$oid` stands for.
    fn scalar(&mut self, fields: Struct<'b>) -> Option<Value<'b>> {
        let first = fields.fields().first().filter(|first| first.name().starts_with('$'))?;
        match fields.fields() {
            [only] => self.one_field(only.name(), only.value()),
            // Version 1 of the format: {"$binary": "<base64>", "$type": "<subtype>"}, in either order.
            [_, _] if matches!(first.name(), "$binary" | "$type") => {
                self.binary(fields.get("$binary")?.as_str()?, fields.get("$type")?)
            }
            _ => None,
        }
    }

    fn one_field(&mut self, name: &str, value: Value<'b>) -> Option<Value<'b>> {
        let text = value.as_str();
        match name {
            "$oid" => text.filter(|text| is_object_id(text)).map(Value::string),
            "$numberInt" | "$numberLong" => integer(value).map(Value::int),
            "$numberDouble" => double(text?).map(Value::float),
            "$numberDecimal" => self.decimal(text?),
            "$date" => self.date(value),
            "$binary" => self.binary(value.get("base64")?.as_str()?, value.get("subType")?),
            "$uuid" => self.convert(Scalar::Uuid, value),
            "$symbol" => text.map(Value::string),
            _ => None,
        }
    }

    /// NaN and infinities stay text: no decimal holds them.
    fn decimal(&mut self, text: &'b str) -> Option<Value<'b>> {
        let lower = text.trim_start_matches('-');
        if ["NaN", "Infinity", "Inf"].iter().any(|word| word.eq_ignore_ascii_case(lower)) {
            return Some(Value::string(text));
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let fraction = mantissa.split_once('.').map_or("", |(_, fraction)| fraction);
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        self.convert(Scalar::Decimal(scale), Value::number(text))
    }

    /// A point in time, in UTC: ISO 8601 text, or milliseconds since 1970.
    fn date(&mut self, value: Value<'b>) -> Option<Value<'b>> {
        let at = match value.view() {
            ValueRef::String(_) => match self.convert(Scalar::ZonedTimestamp, value)?.view() {
                ValueRef::Timestamp(at) if at.offset_seconds.is_some() => at,
                _ => return None,
            },
            ValueRef::Struct(fields) => match fields.fields() {
                [only] if only.name() == "$numberLong" => of_milliseconds(integer(only.value())?),
                _ => return None,
            },
            _ => of_milliseconds(value.as_i64()?),
        };
        Some(Value::timestamp(Timestamp { offset_seconds: Some(0), ..at }))
    }

    fn binary(&mut self, base64: &'b str, subtype: Value<'b>) -> Option<Value<'b>> {
        let subtype = match subtype.view() {
            ValueRef::String(hex) => u8::from_str_radix(hex, 16).ok()?,
            _ => u8::try_from(subtype.as_i64()?).ok()?,
        };
        let value = self.convert(Scalar::Bytes, Value::string(base64))?;
        let uuid = (subtype == 4).then(|| value.as_bytes()?.try_into().ok()).flatten();
        Some(uuid.map_or(value, Value::uuid))
    }

    fn convert(&mut self, scalar: Scalar, value: Value<'b>) -> Option<Value<'b>> {
        convert(scalar, value, &mut ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes }).ok()
    }
}

/// Whether typing left the value as it was.
fn is_same(typed: Value<'_>, value: Value<'_>) -> bool {
    match (typed.view(), value.view()) {
        (ValueRef::Struct(typed), ValueRef::Struct(value)) => std::ptr::eq(typed.fields(), value.fields()),
        (ValueRef::List(typed), ValueRef::List(value)) => std::ptr::eq(typed.items(), value.items()),
        _ => typed.kind() == value.kind(),
    }
}

fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn integer(value: Value<'_>) -> Option<i64> {
    value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok())
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust reads more words than these.
        _ => text.parse().ok().filter(|double: &f64| double.is_finite()),
    }
}

fn of_milliseconds(milliseconds: i64) -> Timestamp {
    Timestamp::from_parts(milliseconds, 1000, Some(0))
}
