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
pub(crate) use envelope::{Envelopes, Read};

use tidegate_abi::{Schema, Value};

use crate::formats::types::Scalar;

/// A compiled type.
#[derive(Debug)]
pub(crate) struct Type {
    shape: Shape,
    optional: bool,
    default: Option<Value<'static>>,
    /// Whether values lie in a row of a change event, where marks for unavailable values count.
    in_row: bool,
}

#[derive(Debug)]
enum Shape {
    Scalar(Scalar),
    /// Debezium's struct of a scale and an unscaled value.
    VariableScaleDecimal,
    List(Box<Type>),
    /// Keys are text: a JSON object. Other keys: an array of pairs.
    Map(Box<Type>, Box<Type>),
    Struct(StructType),
}

#[derive(Debug)]
struct StructType {
    schema: Schema,
    fields: Vec<StructField>,
}

#[derive(Debug)]
struct StructField {
    name: &'static str,
    /// Name as it stands in compact JSON, with quotes and colon.
    quoted: String,
    ty: Type,
}

/// A compiled schema with its text.
#[derive(Debug)]
pub(crate) struct Document {
    text: &'static str,
    root: Type,
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
