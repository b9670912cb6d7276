//! Avro: binary data with its schema from a registry, decoded into the batch's arena.
//!
//! Format: Apache Avro 1.12, "Binary Encoding", "Schema Resolution" and "Logical Types"; the attributes of Connect's
//! `AvroConverter` (`connect.name`, `connect.parameters`) and Debezium's semantic types on top. `schema.rs` parses a schema,
//! `compile.rs` turns writer's and reader's schema into a program of types, and `decode.rs` executes it for each record.
//!
//! Schemas are not parsed by the crate `apache-avro`: it drops attributes of primitive types, such as
//! `{"type":"int","connect.name":"io.debezium.time.Date"}`, which say what a value is.

mod compile;
mod decode;
mod default;
mod definition;
mod error;
mod leaf;
mod program;
mod schema;
mod skip;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use decode::{RootBytes, decode};
pub(crate) use error::SchemaError;
pub(crate) use program::Program;
pub(crate) use schema::check as check_schema;

use tidegate_abi::Arena;

use crate::formats::registry::RegisteredSchema;

/// Compiles a registered schema, resolved to the reader's, if there is one.
///
/// # Errors
/// When one of them is not valid, or they cannot be resolved.
pub(crate) fn compile<'m>(
    schema: &RegisteredSchema,
    reader: Option<&str>,
    arena: Arena<'m>,
) -> Result<Program<'m>, SchemaError> {
    let references = schema.references.iter().map(|reference| &*reference.text);
    let writer = schema::Document::parse(&schema.text, references)?;
    let reader = reader.map(|text| schema::Document::parse(text, std::iter::empty())).transpose()?;
    compile::compile(&writer, reader.as_ref(), arena)
}
