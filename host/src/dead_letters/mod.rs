//! Dead-letter records: rejected records in a separate topic.
//!
//! A dead letter is the consumed record with key, value, headers and timestamp. Further headers after its own name its
//! source and the reason of the rejection: [`headers`] lists them, [`ErrorHeaders`] writes them, [`DeadLetter`] reads
//! them. [`read`] and [`Replay`] serve `tidegate dead-letters`.

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
