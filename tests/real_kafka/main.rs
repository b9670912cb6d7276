//! Tests against a real Apache Kafka: what librdkafka's mock cluster does not do, or does in another way.
//!
//! `tests/kafka/with-kafka.sh cargo test -p tidegate-tests --test real_kafka` starts a broker for them. Without one they
//! say that they are skipped.

mod cluster;
mod dead_letters;
mod delivery;
mod groups;
mod security;
