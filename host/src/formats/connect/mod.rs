//! JSON with its schema: Connect's `{"schema","payload"}` envelope, and values typed by it.
//!
//! Format: Kafka Connect's `JsonConverter` and `JsonSchema` (`org.apache.kafka.connect.json`). Each distinct schema text
//! is compiled once per process; a record whose schema is known is found by comparing bytes, and its payload is typed
//! while it is parsed.

mod compile;
mod envelope;
mod registry;
mod typed;

pub(crate) use compile::SchemaError;
pub(crate) use envelope::{BYTE_ORDER_MARK, Envelopes};

use tidegate_abi::{Schema, Value};

use crate::formats::{read::Unknown, types::Scalar};

/// A compiled type.
#[derive(Debug)]
pub(crate) struct Type {
    shape: Shape,
    optional: bool,
    default: Option<Value<'static>>,
    /// Whether values are in a row of a change event, where placeholders for unavailable values are recognised.
    in_row: bool,
}

#[derive(Debug)]
enum Shape {
    Scalar(Scalar),
    /// Debezium's struct of a scale and an unscaled value.
    VariableScaleDecimal,
    List(Box<Type>),
    Map(MapType),
    Struct(StructType),
}

#[derive(Debug)]
struct MapType {
    keys: Box<Type>,
    values: Box<Type>,
    /// The primitive type of the keys is text: a JSON object. With other keys: an array of pairs.
    is_object: bool,
}

#[derive(Debug)]
struct StructType {
    schema: Schema,
    fields: Vec<StructField>,
    /// As of its [`Type`], for fields that the schema does not have.
    in_row: bool,
}

#[derive(Debug)]
struct StructField {
    name: &'static str,
    /// The name as in compact JSON, with quotes and colon.
    quoted: String,
    ty: Type,
}

/// A compiled schema with its text.
#[derive(Debug)]
pub(crate) struct Document {
    text: &'static str,
    root: Type,
    unknown: Vec<Unknown>,
}

impl Document {
    /// The schema of the payload, if it is a struct.
    pub(crate) const fn schema(&self) -> Option<Schema> {
        match &self.root.shape {
            Shape::Struct(row) => Some(row.schema),
            _ => None,
        }
    }
}
