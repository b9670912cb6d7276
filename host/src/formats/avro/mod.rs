//! Avro: binary data with its schema from a registry, decoded into the batch's arena.
//!
//! Format: Apache Avro 1.12, "Binary Encoding", "Schema Resolution" and "Logical Types"; the attributes of Connect's
//! `AvroConverter` (`connect.name`, `connect.parameters`) and Debezium's semantic types on top. `schema.rs` parses a schema,
//! `compile.rs` turns writer's and reader's schema into a program of types, once per process (`cache.rs`), and `decode.rs`
//! executes it for each record.
//!
//! Schemas are not parsed by the crate `apache-avro`: it drops attributes of primitive types, such as
//! `{"type":"int","connect.name":"io.debezium.time.Date"}`, which say what a value is.

mod bounds;
mod cache;
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

pub use bounds::DecodeLimits;
pub(crate) use cache::compiled;
pub(crate) use decode::decode;
pub(crate) use error::AvroError;
pub(crate) use program::Program;
pub(crate) use schema::check as check_schema;
