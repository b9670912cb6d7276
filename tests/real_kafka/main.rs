//! Tests against a real Apache Kafka, for behaviour that librdkafka's mock cluster does not have.
//!
//! They start brokers with Java and Maven, and are skipped, with a message, without these.

mod dead_letters;
mod delivery;
mod groups;
mod leaders;
mod outages;
mod reasons;
mod recreated;
mod remedies;
mod rest;
mod rolling;
mod security;
mod starts;
mod support;
mod takeover;
mod topics;
mod upgrade;
