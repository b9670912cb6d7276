//! Tidegate: runs many Kafka sink pipelines in one process.
//!
//! A pipeline is called a *connector* and is defined in one TOML file: Kafka topics, transforms and a sink. Transforms and
//! sinks are plugins: Rust dynamic libraries that are loaded at run time. Each connector has its own tasks and its own
//! consumer group, and no connector can stop another.
//!
//! # Layout
//!
//! The modules:
//!
//! - [`config`]: reads connector files into typed, validated definitions.
//! - [`plugins`]: discovers, probes and loads plugin libraries, and calls plugins.
//! - [`kafka`]: consumers, producers, metadata queries, the embedded development broker.
//! - [`formats`]: decodes bytes into typed values.
//! - [`dead_letters`]: the format of dead-letter records; reads and replays them.
//! - [`pipeline`]: one task: batch, decode, transforms, sink, commit.
//! - [`supervisor`]: the life cycle of connectors and their tasks.
//! - [`deployment`]: which connectors the host runs: their files, and changes of them while it runs.
//! - [`api`]: the control socket of a running host.
//! - [`telemetry`]: log and metrics.
//! - [`cli`]: the command line.
//!
//! `kafka` does not depend on plugins, `plugins` does not depend on Kafka, and `formats` depends on neither. `pipeline`
//! combines them, and `supervisor` runs pipelines. `deployment` tells the supervisor what to run.

pub mod api;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod deployment;
pub mod formats;
pub mod kafka;
pub mod pipeline;
pub mod plugins;
pub mod supervisor;
pub mod telemetry;
