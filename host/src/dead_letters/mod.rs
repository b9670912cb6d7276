//! Dead letters: records that were refused, in a topic of their own.
//!
//! A letter is the record as it was consumed, key, value, headers and timestamp, with headers behind its own that say
//! where it came from and why it was refused. [`headers`] has their names, [`ErrorHeaders`] makes them, [`Letter`] reads
//! them back; [`read`] and [`replay`] are what people do with letters.

pub mod headers;
mod letter;

pub use headers::{ErrorHeaders, Place};
pub use letter::Letter;
