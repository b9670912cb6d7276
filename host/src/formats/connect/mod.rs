//! JSON with its schema: Connect's `{"schema","payload"}` envelope, and values typed by it.
//!
//! Format: Kafka Connect's `JsonConverter` and `JsonSchema` (`org.apache.kafka.connect.json`). A decoder
//! compiles each distinct schema text once, as long as it fits into its memory; a record whose schema is known is found by comparing
//! bytes, and its payload is typed while it is parsed.

mod compile;
mod document;
mod envelope;
mod typed;

pub(crate) use compile::SchemaError;
pub(crate) use envelope::{BYTE_ORDER_MARK, Envelopes, SchemaLengths};

use std::collections::HashMap;

use tidegate_abi::{Arena, Schema, Value, raw::Kind};

use crate::formats::{
    json::{Fault, JsonError, Scratch},
    read::{Read, Unknown},
    types::Scalar,
};

/// A compiled type.
#[derive(Debug)]
pub(super) struct Type<'m> {
    shape: Shape<'m>,
    optional: bool,
    default: Option<Value<'m>>,
    /// Whether values are in a row of a change event, where placeholders for unavailable values are recognised.
    in_row: bool,
    /// The schema describes values and does not say how they are encoded: one of another type stays as it is, and a field that
    /// is missing stays missing. Set only for JSON Schemas that Connect did not write.
    is_lenient: bool,
}

#[derive(Debug)]
enum Shape<'m> {
    Scalar(Scalar),
    /// Debezium's struct of a scale and an unscaled value.
    VariableScaleDecimal,
    List(Box<Type<'m>>),
    Map(MapType<'m>),
    Struct(StructType<'m>),
    /// Read as JSON without a schema is. The kind is what the schema says; null if it says nothing.
    Any(Kind),
}

#[derive(Debug)]
struct MapType<'m> {
    keys: Box<Type<'m>>,
    values: Box<Type<'m>>,
    /// The primitive type of the keys is text: a JSON object. With other keys: an array of pairs.
    is_object: bool,
}

#[derive(Debug)]
struct StructType<'m> {
    schema: Schema<'m>,
    fields: Vec<StructField<'m>>,
    /// Places of the fields by name, where there are many.
    by_name: HashMap<&'m str, usize>,
    /// As of its [`Type`], for fields that the schema does not have.
    in_row: bool,
    /// As of its [`Type`].
    is_lenient: bool,
}

impl<'m> StructType<'m> {
    fn new(schema: Schema<'m>, fields: Vec<StructField<'m>>, in_row: bool, is_lenient: bool) -> Self {
        let mut new = Self { schema, fields, by_name: HashMap::new(), in_row, is_lenient };
        if new.is_wide() {
            new.by_name = new.fields.iter().enumerate().map(|(at, field)| (field.name, at)).collect();
        }
        new
    }

    /// Fields up to which looking at each of them is faster than an index.
    const FEW: usize = 64;

    /// Whether it has an index.
    const fn is_wide(&self) -> bool {
        self.fields.len() > Self::FEW
    }

    /// The place of a field.
    fn position(&self, name: &str) -> Option<usize> {
        if self.is_wide() {
            return self.by_name.get(name).copied();
        }
        self.fields.iter().position(|field| field.name == name)
    }
}

#[derive(Debug)]
struct StructField<'m> {
    name: &'m str,
    /// The name as in compact JSON, with quotes and colon.
    quoted: &'m str,
    ty: Type<'m>,
}

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Compiled<'m> {
    root: Type<'m>,
    unknown: Vec<Unknown>,
    /// Number of types in it.
    types: usize,
}

impl<'m> Compiled<'m> {
    /// The schema of the payload, if it is a struct.
    pub(crate) const fn schema(&self) -> Option<Schema<'m>> {
        match &self.root.shape {
            Shape::Struct(row) => Some(row.schema),
            _ => None,
        }
    }

    /// Compiles Connect's schema of a JSON Schema, in `arena`.
    ///
    /// # Errors
    /// When it is not a valid schema.
    pub(crate) fn of_json_schema(schema: &serde_json::Value, arena: Arena<'m>) -> Result<Self, SchemaError> {
        let mut compiler = compile::Compiler { is_json_schema: true, ..compile::Compiler::new(arena) };
        let root = compiler.compile(schema, "the value", false)?;
        Ok(Self { root, unknown: compiler.unknown, types: compiler.types })
    }

    /// Bytes that it takes outside of its arena.
    pub(crate) const fn heap_bytes(&self) -> usize {
        // A field, and its place in an index.
        self.types.saturating_mul(size_of::<StructField<'_>>() + 2 * size_of::<(&str, usize)>())
    }
}

impl<'b> Compiled<'b> {
    /// Reads a payload of this schema. What is unusual about it is in the findings of `scratch`.
    ///
    /// # Errors
    /// When it is not JSON, or not of the schema.
    pub(crate) fn read(
        &'b self,
        payload: &'b [u8],
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Read<'b>, JsonError> {
        let (payload, offset) = envelope::without_mark(payload);
        let invalid_unicode = scratch.invalid_unicode;
        let mut parser = envelope::parser(payload, offset, invalid_unicode, arena, scratch)?;
        if parser.lexer.peek().is_none() {
            return Err(parser.lexer.error(Fault::Empty));
        }
        let value = parser.typed(&self.root)?;
        parser.lexer.end()?;
        parser.scratch.findings.replaced += parser.lexer.replaced();
        Ok(Read { value, typed: true, is_text: false, schema: self.schema(), unknown: &self.unknown })
    }
}
