//! The owner of a batch's memory: payloads, arena, record table. For the host, not for plugins.
//!
//! A [`Batch`] is `Send` and self-contained. It is lent to plugins as views whose lifetime ends with the call; a call
//! that never returns keeps its batch, which is then leaked with the thread.

mod batch;
mod chunks;
mod decode;
mod outputs;

pub use batch::{Batch, HostState, NewRecord, Original, Partition, PartitionPosition, Rejected};
pub use chunks::Chunks;
pub use decode::{Decode, Decoded, Part, Recognise, Refusal};
pub use outputs::OutputError;
