//! Owns a batch's memory: payloads, arena, record table. For the host, not for plugins.
//!
//! A [`Batch`] is `Send` and self-contained. Plugins get views whose lifetime ends with the call; a call
//! that never returns keeps its batch, which is leaked together with the thread.

mod batch;
mod chunks;
mod decode;
mod kept;
mod outputs;
mod with_memory;

pub use batch::{Batch, HostState, NewRecord, Original, Partition, PartitionPosition, RejectedRecord};
pub use chunks::Chunks;
pub use decode::{Decode, Decoded, Part, Recognise, Rejection};
pub use kept::{Keep, Kept};
pub use outputs::OutputError;
pub use with_memory::{Borrows, WithMemory};
