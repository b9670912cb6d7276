//! Tests against a real schema registry: Apicurio, with values that Confluent's serializers wrote.
//!
//! They start the registry with Java and Maven, and are skipped, with a message, without these. The broker is the embedded
//! one, but for `compose`, which also needs PostgreSQL.

mod compose;
mod formats;
mod ids;
mod outages;
mod proxy;
mod security;
mod support;
