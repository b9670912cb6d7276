//! What logical types and Connect's and Debezium's semantic types make of a primitive type.

use serde_json::Value as Json;

use super::{
    error::SchemaError,
    program::Type,
    schema::{Kind, Node},
};
use crate::formats::types::{Declared, Parameters, SOURCE_TYPE, Scalar, Unit};

/// A primitive type with what its attributes say.
#[derive(Debug)]
pub(super) struct Leaf<'m> {
    pub(super) ty: Type<'m>,
    /// An attribute that says what values are, and is not known or does not hold.
    pub(super) ignored: Option<String>,
}

/// The semantic name that Connect's converter has put on a type; empty if there is none.
pub(super) fn connect_name(node: &Node) -> &str {
    node.text("connect.name")
}

/// A parameter of the Connect schema.
pub(super) fn connect_parameter<T: std::str::FromStr>(node: &Node, name: &str) -> Option<T> {
    node.attributes.get("connect.parameters")?.get(name)?.as_str()?.parse().ok()
}

/// The type of a node that is neither a collection nor a union nor an enum.
///
/// # Errors
/// When it is a decimal without a precision.
pub(super) fn leaf<'m>(node: &Node, place: &str) -> Result<Leaf<'m>, SchemaError> {
    let name = connect_name(node);
    if !name.is_empty() {
        return Ok(match semantic(node, name) {
            Some(scalar) => Leaf { ty: typed(node, scalar), ignored: None },
            None => Leaf { ty: plain(node), ignored: Some(name.to_owned()) },
        });
    }
    logical(node, node.text("logicalType"), place)
}

fn semantic(node: &Node, name: &str) -> Option<Scalar> {
    let scale =
        connect_parameter(node, "scale").or_else(|| node.attributes.get("scale")?.as_i64()?.try_into().ok());
    let parameters = Parameters {
        scale,
        length: connect_parameter(node, "length"),
        source_type: node
            .attributes
            .get("connect.parameters")
            .and_then(|parameters| parameters.get(SOURCE_TYPE))
            .and_then(Json::as_str)
            .unwrap_or_default(),
    };
    match Declared::of(name, primitive(node)?, parameters) {
        Declared::Known(scalar) => Some(scalar),
        Declared::Unknown => None,
    }
}

fn primitive(node: &Node) -> Option<Scalar> {
    Some(match node.kind {
        Kind::Boolean => Scalar::Boolean,
        Kind::Int => Scalar::Integer(32),
        Kind::Long => Scalar::Integer(64),
        Kind::Float | Kind::Double => Scalar::Float,
        Kind::Bytes | Kind::Fixed(..) => Scalar::Bytes,
        Kind::String => Scalar::Text,
        _ => return None,
    })
}

/// The type without any attributes.
pub(super) fn plain<'m>(node: &Node) -> Type<'m> {
    match node.kind {
        Kind::Boolean => Type::Boolean,
        Kind::Int => Type::Int,
        Kind::Long => Type::Long,
        Kind::Float => Type::Float,
        Kind::Double => Type::Double,
        Kind::Bytes => Type::Bytes,
        Kind::Fixed(_, size) => Type::Fixed(size),
        Kind::String => Type::Text,
        _ => Type::Null,
    }
}

/// The type whose values are those of `scalar`.
fn typed<'m>(node: &Node, scalar: Scalar) -> Type<'m> {
    match (&node.kind, scalar) {
        (_, Scalar::Integer(_) | Scalar::Float | Scalar::Text | Scalar::Bytes | Scalar::Boolean) => {
            plain(node)
        }
        (Kind::Int, scalar) => Type::IntAs(scalar),
        (Kind::Long, scalar) => Type::LongAs(scalar),
        (Kind::String, scalar) => Type::TextAs(scalar),
        (Kind::Fixed(_, size), scalar) => Type::FixedAs(*size, scalar),
        (Kind::Bytes, scalar) => Type::BytesAs(scalar),
        _ => plain(node),
    }
}

/// Avro 1.12, "Logical Types": one that does not hold is ignored, and so is one that is not known.
fn logical<'m>(node: &Node, name: &str, place: &str) -> Result<Leaf<'m>, SchemaError> {
    let timestamp = |unit, is_utc| Type::Timestamp { unit, is_utc };
    let ty = match (&node.kind, name) {
        (_, "") => Some(plain(node)),
        (Kind::Bytes | Kind::Fixed(..), "decimal") => {
            decimal_scale(node, place)?.map(|scale| typed(node, Scalar::Decimal(scale)))
        }
        (Kind::Int, "date") => Some(Type::Date),
        (Kind::Int, "time-millis") => Some(Type::IntAs(Scalar::Time(Unit::Millis))),
        (Kind::Long, "time-micros") => Some(Type::LongAs(Scalar::Time(Unit::Micros))),
        (Kind::Long, "timestamp-millis") => Some(timestamp(Unit::Millis, true)),
        (Kind::Long, "timestamp-micros") => Some(timestamp(Unit::Micros, true)),
        (Kind::Long, "timestamp-nanos") => Some(timestamp(Unit::Nanos, true)),
        (Kind::Long, "local-timestamp-millis") => Some(timestamp(Unit::Millis, false)),
        (Kind::Long, "local-timestamp-micros") => Some(timestamp(Unit::Micros, false)),
        (Kind::Long, "local-timestamp-nanos") => Some(timestamp(Unit::Nanos, false)),
        (Kind::String, "uuid") => Some(Type::UuidText),
        (Kind::Fixed(_, 16), "uuid") => Some(Type::Uuid),
        (Kind::Fixed(_, 12), "duration") => Some(Type::Duration),
        _ => None,
    };
    Ok(match ty {
        Some(ty) => Leaf { ty, ignored: None },
        None => Leaf { ty: plain(node), ignored: Some(name.to_owned()) },
    })
}

/// The scale of a decimal; `None` if its attributes contradict each other.
fn decimal_scale(node: &Node, place: &str) -> Result<Option<i32>, SchemaError> {
    let Some(precision) = node.attributes.get("precision") else {
        let problem = "a decimal without a precision".to_owned();
        return Err(SchemaError::At { place: place.to_owned(), problem });
    };
    let scale = node.attributes.get("scale").map_or(Some(0), Json::as_i64);
    let (Some(precision), Some(scale)) = (precision.as_i64(), scale) else { return Ok(None) };
    let fits = match node.kind {
        Kind::Fixed(_, size) => precision <= digits_of(size),
        _ => true,
    };
    let holds = precision > 0 && (0..=precision).contains(&scale) && fits;
    Ok(i32::try_from(scale).ok().filter(|_| holds))
}

/// Digits that any number of so many bytes has room for: floor(log10(2^(8 size - 1) - 1)).
fn digits_of(size: usize) -> i64 {
    if size == 0 {
        return 0;
    }
    let bits = (8 * size as u64 - 1) as f64;
    (bits * std::f64::consts::LOG10_2).floor() as i64
}
