//! One task: batch, decode, transforms, sink, commit.
//!
//! A task has three threads:
//!
//! ```text
//! poll loop --batch--> transform worker --batch--> sink worker
//!     ^                (decode, transforms)             |
//!     '---- commits <--- committable offsets <----------'
//! ```
//!
//! - [`task`]: starts the threads.
//! - [`flow`]: decides what happens next, as a state machine without I/O.
//! - [`poll`]: polls Kafka and executes the flow's actions. It calls no plugin, so a slow plugin cannot end the task's
//!   group membership.
//! - [`transform`]: decodes records and calls the transforms, each once per batch.
//! - [`sink`]: one `write` per batch; retries, and finds the records that the sink rejects.
//! - [`reject`]: what happens to rejected records: the task stops, they are dropped, or they go to a dead-letter topic.
//!
//! The poll loop sends a batch only when the transform worker is idle, and that only when the sink worker is: three batches are
//! in memory, and the open one grows while the sink is slow.
//!
//! If traces are exported, each batch has one ([`traces`]).
//!
//! The tasks of a process share the memory for their batches ([`memory`]).
//!
//! A task and its supervisor communicate through [`TaskCommand`] and [`TaskEvent`] alone.

mod call_board;
mod call_clock;
mod channels;
mod error;
mod flow;
mod memory;
mod message;
mod poll;
mod reject;
mod retry;
mod settings;
mod sink;
mod stop;
mod task;
#[cfg(test)]
mod test_settings;
mod traces;
mod transform;

pub use call_board::{note_calls_in, read_calls};
pub use error::{Stage, TaskError};
pub use memory::{MemoryPool, TaskMemory};
pub use message::{Counts, Recovery, Reopen, TaskCommand, TaskEvent, TaskEvents, TaskState};
pub(crate) use retry::backoff;
pub use settings::{PluginSettings, TaskSettings, TransformSettings};
pub use task::Task;
