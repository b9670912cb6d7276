//! Tests against a real Apache Kafka: what librdkafka's mock cluster does not do, or does in another way.
//!
//! They start brokers of their own, with Java and Maven; where those are missing they say that they are skipped.

mod dead_letters;
mod delivery;
mod groups;
mod leaders;
mod outages;
mod security;
mod support;
mod takeover;
mod topics;
