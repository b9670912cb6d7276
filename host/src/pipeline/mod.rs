//! One task: batch, decode, transforms, sink, commit.
//!
//! A task has three roles, each on a thread of its own:
//!
//! ```text
//! poll loop --batch--> work (decode, transforms) --batch--> sink
//!     ^                                                      |
//!     '--- commits what is settled <--- settled positions ---'
//! ```
//!
//! - [`poll`](poll): polls Kafka, fills the open batch, answers rebalances, commits. No plugin code runs here, so no plugin
//!   can cost the task its membership.
//! - [`work`](work): bytes become values, then transforms run, one call per batch each.
//! - [`deliver`](deliver): one `write` per batch; retries, and settles what the sink refuses.
//!
//! What either refuses is settled by [`rejections`](rejections), which they share: it stops the task, is dropped, or goes to
//! a dead-letter topic by way of [`letters`](letters).
//!
//! The poll loop hands a batch on only when the work role is free, and the work role only when the sink is: three
//! batches are in memory, and the open one grows while the sink is slow.
//!
//! A task and its supervisor talk through [`TaskCommand`] and [`TaskEvent`] alone.

mod assignment;
mod call_board;
mod channels;
mod clock;
mod deliver;
mod error;
mod failure_policy;
mod intake;
mod isolate;
mod letters;
mod message;
mod notices;
mod poll;
mod predicate;
mod rejections;
mod settings;
mod split;
mod stop;
mod summary;
mod task;
mod work;

pub use call_board::{note_calls_in, read_calls};
pub use error::{Stage, TaskError};
pub(crate) use failure_policy::backoff;
pub use message::{Counts, TaskCommand, TaskEvent, TaskEvents, TaskState};
pub use settings::{TaskSettings, TransformSettings};
pub use task::Task;
