//! JSON whose schema is a JSON Schema in a registry: typed values, as far as the schema says what values are.
//!
//! Formats: JSON Schema from draft 4 on, as Confluent's `JSONSerializer`s register it, and the attributes that Confluent's
//! `JsonSchemaConverter` adds (`connect.type`, `connect.index`, `connect.parameters`, `connect.version`, and `title` for the semantic
//! type). `node.rs` parses a schema, `resolve.rs` follows its references, and `convert.rs` makes Connect's schema of it, which
//! `connect/` compiles: payloads are then decoded as JSON with its schema is.
//!
//! Payloads are not validated: minimum, pattern, format and the like say nothing about the type of a value.

mod convert;
mod node;
mod resolve;
#[cfg(test)]
mod tests;

use tidegate_abi::Arena;

use super::{
    connect::{self, Compiled},
    json::{JsonError, Scratch},
    read::Read,
    registry::RegisteredSchema,
};

/// A compiled JSON Schema.
pub(crate) type Program<'m> = Compiled<'m>;

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("it is not JSON: {0}")]
    Json(String),
    /// Nothing has the name of a reference.
    #[error("{place}: the reference {reference:?} cannot be resolved")]
    Reference {
        /// The property.
        place: String,
        reference: String,
    },
    #[error("the schema is nested deeper than {0} levels")]
    Depth(usize),
    /// Neither an object nor a boolean.
    #[error("a JSON Schema is an object or a boolean, and this is neither")]
    NotASchema,
    #[error(transparent)]
    Connect(#[from] connect::SchemaError),
}

/// Compiles a registered schema.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn compile<'m>(schema: &RegisteredSchema, arena: Arena<'m>) -> Result<Program<'m>, SchemaError> {
    let converted = convert::convert(schema)?;
    Ok(Compiled::of_json_schema(&converted, arena)?)
}

/// Decodes `data`, which is text of JSON. Strings without escapes point into it.
///
/// # Errors
/// When it is not JSON, or does not have the types of the schema.
#[inline]
pub(crate) fn decode<'b>(
    program: &'b Program<'b>,
    data: &'b [u8],
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Read<'b>, JsonError> {
    program.read(data, arena, scratch)
}
