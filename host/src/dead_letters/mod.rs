//! Dead-letter records: rejected records in a separate topic.
//!
//! A letter is the record as it was consumed, key, value, headers and timestamp, with headers behind its own that say
//! where it came from and why it was refused. [`headers`] has their names, [`ErrorHeaders`] makes them, [`DeadLetter`] reads
//! them back; [`read`] and [`Replay`] are what people do with letters.

mod filter;
pub mod headers;
mod progress;
mod read;
mod record;
mod replay;

pub use filter::{Filter, FilterError};
pub use headers::{DeadLetterStage, ErrorHeaders};
pub use progress::{MetadataTooLong, Progress};
pub use read::{read, replay_group};
pub use record::DeadLetter;
pub use replay::{Replay, ReplayError, Replayed};
