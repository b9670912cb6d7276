//! Client of a schema registry: finds the schema that a message was written with.
//!
//! `wire.rs` reads the schema's id from a message, `http.rs` sends requests, `client.rs` fetches a schema with everything that
//! it refers to, `cache.rs` keeps schemas for all connectors of the process. Confluent's REST API is spoken by Confluent's
//! registry, Karapace, Redpanda and Apicurio; ids that only Apicurio's own API knows are requested there (`api.rs`).

mod api;
mod cache;
mod client;
mod error;
mod http;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use cache::{Lookup, Registry};
#[cfg(test)]
pub(crate) use client::ReferencedSchema;
pub(crate) use client::{RegisteredSchema, SchemaType};
pub use error::RegistryError;
pub use settings::{ApicurioId, Credentials, RegistrySettings, RegistryTls};
pub(crate) use wire::{Framed, MessageRef, SchemaId, WireError, frame};
