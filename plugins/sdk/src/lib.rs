//! Write Tidegate plugins in safe Rust: a transform in about twenty lines, a sink in about thirty.
//!
//! A plugin is a dynamic library (`crate-type = ["cdylib"]`) that exports transforms and sinks:
//!
//! ```
//! use tidegate_plugin::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Config {
//!     /// Drop rows whose `amount` is below this.
//!     #[serde(default)]
//!     minimum: f64,
//! }
//!
//! struct DropSmall(Config);
//!
//! impl Transform for DropSmall {
//!     type Config = Config;
//!
//!     fn open(config: Config, _: &Context) -> Result<Self> {
//!         Ok(Self(config))
//!     }
//!
//!     fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
//!         let amount = record.change().and_then(|change| change.row().get("amount")?.as_f64());
//!         if amount.is_some_and(|amount| amount < self.0.minimum) {
//!             return Ok(()); // not emitted: filtered out
//!         }
//!         out.emit(record)
//!     }
//! }
//!
//! export_plugin!(transform: DropSmall);
//! # fn main() {}
//! ```
//!
//! # Layout
//!
//! - [`Transform`], [`Emit`], [`Output`]: records in, records out.
//! - [`Sink`], [`Report`]: batches in, durable when `write` returns. `AsyncSink` (feature `async`) is the same in async.
//! - [`Record`], [`Change`], [`Value`], [`Schema`]: what a batch holds, borrowed for the call.
//! - [`Context`]: who runs the plugin, its metrics, and whether it should stop. `tracing` events simply reach the
//!   host's log, with the connector's and task's names.
//! - [`Error`]: fatal, retriable, rejected, fenced. Any other error turns into a fatal one through `?`.
//! - [`PluginConfig`], [`Secret`]: configuration from a Rust struct.
//! - [`same_value`], [`write_event_line`], [`write_record_line`]: what several plugins need.
//! - `testing` (feature `testing`): runs a transform or a sink on hand-made records, in its own unit tests.
//!
//! # What the SDK takes care of
//!
//! Panics are caught here, inside the plugin: the host gets an error with message and location, drops the instance and
//! opens a fresh one as its restart policy says. In a thread that the plugin has made, a panic is logged. What cannot be
//! caught: stack overflow, a panic while panicking or in the destructor of a thread-local value, and running out of memory.

#[cfg(not(panic = "unwind"))]
compile_error!("panics are contained by catching them: build plugins with panic = \"unwind\"");

#[cfg(feature = "async")]
mod async_sink;
mod config;
mod context;
mod de;
mod error;
mod export;
mod guard;
mod lines;
mod logging;
mod same;
mod secret;
mod sink;
#[cfg(feature = "testing")]
pub mod testing;
mod transform;

#[cfg(feature = "async")]
pub use async_sink::{AsyncSink, Blocking};
pub use config::PluginConfig;
pub use context::Context;
pub use de::from_value;
pub use error::{Error, Result};
pub use lines::{write_event_line, write_record_line};
pub use same::same_value;
pub use secret::Secret;
pub use sink::{BatchDefaults, Claim, Partition, Report, Rows, Sink};
pub use tidegate_abi::{
    Arena, Batch, Change, Date, Decimal, Field, Header, Headers, Interval, List, NextOffset, Operation,
    Position, Record, Schema, SchemaField, Struct, Time, Timestamp, Value, ValueRef, raw::Kind,
    value::write_json_string,
};
pub use transform::{Emit, Output, Transform};

/// What builds a plugin: the versions of this SDK and of the compiler.
pub const BUILD: &str = concat!("tidegate-plugin ", env!("CARGO_PKG_VERSION"), ", ", env!("TIDEGATE_RUSTC"));

/// Everything that a plugin usually needs.
pub mod prelude {
    pub use serde::Deserialize;
    pub use tracing::{debug, error, info, trace, warn};

    pub use crate::{
        Batch, Change, Context, Emit, Error, Operation, Output, Record, Report, Result, Secret, Sink, Struct,
        Transform, Value, ValueRef, export_plugin,
    };
    #[cfg(feature = "schema")]
    pub use schemars::JsonSchema;
}

/// What [`export_plugin!`] expands to; not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use tidegate_abi::{abi_stable, raw};

    #[cfg(feature = "async")]
    pub use crate::export::async_sink_entry;
    pub use crate::export::{Names, PluginList, init, sink_entry, transform_entry};
}
