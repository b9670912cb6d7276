//! Protobuf: messages with their schema from a registry, decoded into the batch's arena.
//!
//! Format: Protocol Buffers, "Encoding" and the language guides of proto2 and proto3; Confluent's message indexes and Apicurio's
//! `Ref` in front of a message. `files.rs` compiles a schema and its imports to descriptors, `compile.rs` turns these into a
//! program of types, `reference.rs` finds out which message of the schema a payload is, and `decode.rs` decodes it;
//! `well_known.rs` are the messages that stand for a value, such as `google.protobuf.Timestamp`.
//!
//! The wire format is read by our own code, steered by `prost-reflect`'s descriptors: its `DynamicMessage` allocates for each field,
//! while here text and bytes point into the payload and everything else is in the arena.

mod compile;
mod decode;
mod definition;
mod error;
mod files;
mod program;
mod reference;
#[cfg(test)]
mod tests;
mod well_known;
mod wire;

pub(crate) use compile::compile;
pub(crate) use decode::decode;
pub(crate) use error::ProtobufError;
pub(crate) use program::Program;
