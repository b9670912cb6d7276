//! Dead letters: records that were refused, in a topic of their own.
//!
//! A letter is the record as it was consumed, key, value, headers and timestamp, with headers behind its own that say
//! where it came from and why it was refused. [`headers`] has their names, [`ErrorHeaders`] makes them, [`Letter`] reads
//! them back; [`read`] and [`Replay`] are what people do with letters.

mod filter;
pub mod headers;
mod letter;
mod progress;
mod read;
mod replay;

pub use filter::{Filter, FilterError};
pub use headers::{ErrorHeaders, Place};
pub use letter::Letter;
pub use progress::{Progress, TooScattered};
pub use read::{read, replay_group};
pub use replay::{Replay, ReplayError, Replayed};
