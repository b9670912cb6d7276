//! SDK for Tidegate plugins in safe Rust. A transform takes about twenty lines, a sink about thirty.
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
//! - [`Transform`], [`Emit`], [`Output`]: change, filter and multiply records.
//! - [`Sink`], [`Report`]: write batches, durably when `write` returns. `AsyncSink` (feature `async`) is the async version.
//! - [`Record`], [`Change`], [`Value`], [`Schema`]: the contents of a batch, borrowed for the call.
//! - [`Context`]: connector and task, metrics, and whether the call should stop. `tracing` events are forwarded to the
//!   host's log, with connector and task.
//! - [`Error`]: fatal, retriable, rejected, fenced, invalid option. `?` converts any other error to a fatal one.
//! - [`PluginConfig`], [`Secret`], [`HumanDuration`], [`ByteSize`]: configuration in a Rust struct.
//! - [`same_value`], [`write_event_line`], [`write_record_line`]: helpers.
//! - `testing` (feature `testing`): runs a transform or a sink on hand-written records in unit tests.
//!
//! `cargo doc --package tidegate-plugin --all-features --no-deps --open` builds this documentation with all features.
//!
//! # Panics
//!
//! The SDK catches panics inside the plugin. The host gets an error with message and location, drops the instance, and
//! opens a new one according to the restart policy. A panic in a thread that the plugin has started is logged. Some
//! failures cannot be caught: stack overflow, a panic during a panic or in the destructor of a thread-local value, and
//! running out of memory.

#![warn(missing_docs)]
// On docs.rs, items say which feature they need.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(panic = "unwind"))]
compile_error!("the SDK must be able to catch panics: build plugins with panic = \"unwind\"");

#[cfg(feature = "async")]
mod async_sink;
mod config;
mod context;
mod de;
mod duration;
mod error;
mod export;
mod guard;
mod lines;
mod logging;
mod quantity;
mod same;
mod secret;
mod sink;
mod size;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod transform;

#[cfg(feature = "async")]
#[cfg_attr(docsrs, doc(cfg(feature = "async")))]
pub use async_sink::{AsyncSink, Blocking};
pub use config::PluginConfig;
pub use context::Context;
pub use de::from_value;
pub use duration::{DurationError, HumanDuration};
pub use error::{Error, OptionKey, Result};
pub use lines::{write_event_line, write_record_line};
pub use same::same_value;
pub use secret::Secret;
pub use sink::{BatchDefaults, Claim, FlushDefaults, FlushReport, Partition, RejectedAt, Report, Rows, Sink};
pub use size::{ByteSize, SizeError};
pub use tidegate_abi::{
    Arena, Batch, Change, Date, Decimal, Field, Header, Headers, Interval, List, NextOffset, Operation,
    Position, Record, Schema, SchemaField, Struct, Time, Timestamp, Value, ValueRef, printable, raw::Kind,
    value::write_json_string,
};
pub use transform::{Emit, Output, Transform};

/// Versions of this SDK and of the compiler.
pub const BUILD: &str = concat!("tidegate-plugin ", env!("CARGO_PKG_VERSION"), ", ", env!("TIDEGATE_RUSTC"));

/// Common imports of plugins.
pub mod prelude {
    pub use serde::Deserialize;
    pub use tracing::{debug, error, info, trace, warn};

    pub use crate::{
        Batch, Change, Context, Emit, Error, FlushReport, Operation, Output, Record, Report, Result, Secret,
        Sink, Struct, Transform, Value, ValueRef, export_plugin,
    };
    #[cfg(feature = "schema")]
    pub use schemars::JsonSchema;
}

/// Used by the expansion of [`export_plugin!`]; not part of the API.
#[doc(hidden)]
pub mod private {
    pub use tidegate_abi::{abi_stable, raw};

    #[cfg(feature = "async")]
    pub use crate::export::async_sink_entry;
    pub use crate::export::{PluginInfo, PluginList, init, mentions_cdylib, sink_entry, transform_entry};
}
