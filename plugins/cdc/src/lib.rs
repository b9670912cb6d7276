//! Change events into tables: what all sinks share that keep tables of a database equal to those of a source.

pub mod dialect;
mod flush;
pub mod names;
pub mod options;
mod plan;
pub mod position;
pub mod rows;
pub mod session;
pub mod statement;
mod table;
pub mod types;

#[cfg(test)]
mod testing;

pub use dialect::Dialect;
pub use flush::Flusher;
pub use table::TableColumn;
