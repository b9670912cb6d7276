//! Runs a transform or a sink on hand-written records, for unit tests of plugins.
//!
//! In `Cargo.toml`: `[dev-dependencies] tidegate-plugin = { .., features = ["testing"] }`.
//!
//! ```
//! use serde_json::json;
//! use tidegate_plugin::{
//!     prelude::*,
//!     testing::{self, Event, Records, TransformTest},
//! };
//!
//! struct DropCheap;
//!
//! impl Transform for DropCheap {
//!     type Config = ();
//!
//!     fn open(_: (), _: &Context) -> Result<Self> {
//!         Ok(Self)
//!     }
//!
//!     fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
//!         let price = record.change().and_then(|change| change.row().get("price")?.as_f64());
//!         if price.is_some_and(|price| price < 1.0) {
//!             warn!("dropped");
//!             return Ok(());
//!         }
//!         out.emit(record)
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let mut transform = TransformTest::<DropCheap>::open(json!({}))?;
//! let records = Records::new()
//!     .event(Event::insert("products").key(json!({"id": 1})).after(json!({"id": 1, "price": 0.5})))
//!     .event(Event::insert("products").key(json!({"id": 2})).after(json!({"id": 2, "price": 20})));
//! let applied = transform.apply(&records)?;
//! assert_eq!(applied.records.len(), 1);
//! assert_eq!(applied.records[0].after["id"], 2);
//! assert_eq!(testing::logs()[0].message, "dropped");
//! # Ok(())
//! # }
//! ```
//!
//! Logs and metrics are stored per thread, so tests that run in parallel do not see those of others.

mod decode;
pub(crate) mod host;
mod records;
mod run;

pub use host::{Log, logs, metrics};
pub use records::{Event, Records};
pub use run::{Applied, Output, SinkTest, TransformTest};
