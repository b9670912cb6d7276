//! The stable boundary between the Tidegate host and its plugins.
//!
//! Plugin authors use `tidegate-plugin`, which re-exports what they need; only the host and that SDK name this crate,
//! and this crate alone names abi_stable.
//!
//! # Layout
//!
//! - [`raw`]: the frozen C layouts that cross the boundary, one file per subject. Every type says how it may grow.
//! - [`value`]: safe access to value trees: [`Value`], [`Struct`], [`List`], [`Decimal`], ...
//! - [`Record`], [`Change`], [`Schema`]: safe access to one record of a batch.
//! - [`Arena`]: bump allocation in the batch's memory, inlined into the plugin.
//! - [`object`]: wraps a Rust value as a plugin instance behind a vtable.
//! - `host` (feature `host`): owns a batch's memory.
//!
//! # How the interface may change
//!
//! 1. A vtable or a module is an abi_stable *prefix type*: fields are only ever appended.
//! 2. The host passes the size of a record, a change, a schema and a field with the data: fields are only ever
//!    appended, and an older plugin skips fields that it does not know.
//! 3. Structs that are passed once per call are frozen and end in reserved words, which are zero, meaning "absent".
//! 4. Kinds, operations and error classes are open newtypes over `u8`. An unknown kind reads as "unsupported", an
//!    unknown error class as fatal. Neither is undefined behaviour.
//! 5. Any other change requires a new root type in addition to the old one.

mod arena;
mod batch;
mod change;
mod record;
mod schema;
mod simple;

#[cfg(feature = "host")]
pub mod host;
pub mod object;
pub mod printable;
pub mod raw;
pub mod value;

/// Re-exported for the SDK's export macro: plugins themselves never depend on abi_stable.
#[doc(hidden)]
pub use abi_stable;
pub use arena::Arena;
pub use batch::{Batch, NextOffset};
pub use change::{Change, ChangeEdit, ChangeParts, Operation, Position};
pub use record::{Header, Headers, Record};
pub use schema::{Field as SchemaField, FieldDef, Schema, SchemaDef};
pub use value::{Date, Decimal, Field, Interval, List, Struct, Time, Timestamp, Value, ValueRef};
