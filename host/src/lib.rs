//! Tidegate: many Kafka pipelines in one process.
//!
//! A pipeline, a *connector*, is one TOML file: Kafka topics in, transforms, a sink. Transforms and sinks are plugins:
//! Rust dynamic libraries that are loaded at run time. Each connector runs as tasks of its own, with a consumer group of
//! its own, and none can stop another.
//!
//! # Layout
//!
//! Data runs one way through these rooms:
//!
//! - [`config`]: connector files become typed, validated definitions.
//! - [`plugins`]: finds, probes, loads and describes plugin libraries.
//! - [`kafka`]: consumers, producers, look-ups, the embedded development broker.
//! - [`formats`]: bytes become typed values.
//! - [`dead_letters`]: what letters look like; reading and replaying them.
//! - [`pipeline`]: one task: batch, decode, transforms, sink, commit.
//! - [`supervisor`]: the life of connectors and their tasks.
//! - [`api`]: how other processes talk to a running host.
//! - [`telemetry`]: log and metrics.
//! - [`cli`]: the command line.
//!
//! `kafka` knows nothing of plugins, `plugins` nothing of Kafka, `formats` neither; `pipeline` joins them; `supervisor`
//! runs pipelines; `api` and `cli` talk to the supervisor alone.

pub mod api;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod formats;
pub mod kafka;
pub mod pipeline;
pub mod plugins;
pub mod supervisor;
pub mod telemetry;
