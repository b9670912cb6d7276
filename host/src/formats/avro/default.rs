//! Defaults of a schema, from JSON to values in the schema's memory.

use serde_json::Value as Json;
use tidegate_abi::{Arena, Field, Value};

use super::{
    leaf::leaf,
    program::Type,
    schema::{Document, Kind, NodeId},
};
use crate::formats::types::{ArenaStore, convert, convert_bytes};

/// Levels of records, lists and maps in one default.
const MAX_DEPTH: usize = 64;
/// Values in one default. Records may have defaults for records, which may have defaults.
const MAX_VALUES: usize = 10_000;

/// The default of a field as a value; `None` if it does not fit the type, or is far too large.
pub(super) fn default_value<'m>(
    document: &Document,
    id: NodeId,
    json: &Json,
    arena: Arena<'m>,
) -> Option<Value<'m>> {
    Defaults { document, arena, values: MAX_VALUES }.value(id, json, MAX_DEPTH)
}

struct Defaults<'d, 'm> {
    document: &'d Document,
    arena: Arena<'m>,
    /// Values that may still be made.
    values: usize,
}

impl<'m> Defaults<'_, 'm> {
    fn value(&mut self, id: NodeId, json: &Json, depth: usize) -> Option<Value<'m>> {
        let (document, arena) = (self.document, self.arena);
        let node = document.node(id);
        self.values = self.values.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        match (&node.kind, json) {
            // The default of a union is one of its first branch, since Avro 1.12 of any.
            (Kind::Union(branches), json) => {
                branches.iter().find_map(|branch| self.value(*branch, json, depth))
            }
            (Kind::Null, Json::Null) => Some(Value::NULL),
            (Kind::Enum(symbols), Json::String(symbol)) => {
                symbols.symbols.contains(symbol).then(|| arena.string(symbol))
            }
            (Kind::Array(items), Json::Array(list)) => {
                let list: Option<Vec<_>> = list.iter().map(|json| self.value(*items, json, depth)).collect();
                Some(arena.list(&list?))
            }
            (Kind::Map(values), Json::Object(entries)) => object(
                entries.iter().map(|(name, json)| Some((name.as_str(), self.value(*values, json, depth)?))),
                arena,
            ),
            (Kind::Record(record), Json::Object(entries)) => {
                let fields = record.fields.iter().map(|field| {
                    let json = entries.get(&field.name).or(field.default.as_ref())?;
                    Some((field.name.as_str(), self.value(field.node, json, depth)?))
                });
                object(fields, arena)
            }
            (Kind::Null | Kind::Enum(_) | Kind::Array(_) | Kind::Map(_) | Kind::Record(_), _) => None,
            _ => scalar(&leaf(node, "").ok()?.ty, json, arena),
        }
    }
}

fn object<'n, 'm>(
    fields: impl Iterator<Item = Option<(&'n str, Value<'m>)>>,
    arena: Arena<'m>,
) -> Option<Value<'m>> {
    let fields: Option<Vec<Field<'m>>> =
        fields.map(|field| field.map(|(name, value)| Field::new(arena.str(name), value))).collect();
    Some(arena.object(&fields?))
}

fn scalar<'m>(ty: &Type<'_>, json: &Json, arena: Arena<'m>) -> Option<Value<'m>> {
    let mut store = ArenaStore { arena, buffer: &mut Vec::new() };
    let bytes = |text| bytes(text, arena);
    match (ty, json) {
        (Type::Boolean, Json::Bool(value)) => Some(Value::bool(*value)),
        (Type::Int, json) => json.as_i64().filter(|int| i32::try_from(*int).is_ok()).map(Value::int),
        (Type::Long, json) => json.as_i64().map(Value::int),
        (Type::Float | Type::Double, Json::Number(number)) => number.as_f64().map(Value::float),
        (Type::Text, Json::String(string)) => Some(arena.string(string)),
        (Type::Bytes, Json::String(string)) => Some(Value::bytes(bytes(string)?)),
        (Type::Fixed(size), Json::String(string)) => {
            bytes(string).filter(|bytes| bytes.len() == *size).map(Value::bytes)
        }
        (Type::IntAs(scalar) | Type::LongAs(scalar), json) => {
            convert(*scalar, Value::int(json.as_i64()?), &mut store).ok()
        }
        (Type::TextAs(scalar), Json::String(string)) => {
            convert(*scalar, arena.string(string), &mut store).ok()
        }
        (Type::BytesAs(scalar) | Type::FixedAs(_, scalar), Json::String(string)) => {
            convert_bytes(*scalar, bytes(string)?, &mut store)
        }
        (Type::Date | Type::Timestamp { .. }, json) => Some(super::decode::temporal(ty, json.as_i64()?)),
        (Type::UuidText, Json::String(string)) => Some(super::decode::uuid_or_text(arena.str(string))),
        (Type::Uuid, Json::String(string)) => Some(Value::uuid(bytes(string)?.try_into().ok()?)),
        (Type::Duration, Json::String(string)) => bytes(string)?.try_into().ok().map(super::decode::duration),
        _ => None,
    }
}

/// Avro writes bytes in JSON as text of the characters U+0000 to U+00FF.
fn bytes<'m>(text: &str, arena: Arena<'m>) -> Option<&'m [u8]> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    Some(arena.slice(&bytes?))
}
