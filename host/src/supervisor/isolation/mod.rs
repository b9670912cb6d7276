//! `isolation = "process"`: all tasks of a connector run in one child process of the same binary.
//!
//! ```text
//! host: slots ── orders ──> keeper ──── lines of JSON over a socket pair ───> child: tasks, the same code
//!         ^                 │  ^ └ watches: signs of life, memory, processor       │
//!         └──── events ─────┘  └── its standard error, as warnings <───────────────┘
//! ```
//!
//! A [`Process`] is the host's handle, an [`IsolatedTask`] one task in it, with the same commands and events as a
//! [`Task`](crate::pipeline::Task) in a thread. What a plugin can do to its process, be it a crash, an exit, a leak or a
//! loop, ends with the child: its keeper tells the supervisor of a [`Crash`], and the restart policy decides. The child
//! dies with its host, and nothing secret is in its arguments, its environment or a file.

mod child;
mod ending;
mod keeper;
mod listen;
mod process;
mod protocol;
mod spawn;
mod throttle;
mod usage;
mod watch;

pub use child::child_main;
pub(super) use process::{IsolatedTask, IsolationError, Process, Spec};

/// The hidden subcommand that the child runs.
pub const ISOLATED_COMMAND: &str = "run-isolated";

/// The process of a connector has ended, and its tasks with it, without having been told to.
#[derive(Clone, Debug)]
pub(super) struct Crash {
    /// The connector.
    pub(super) connector: String,
    /// Which of its processes.
    pub(super) process: u64,
    /// Why, for people; without secrets.
    pub(super) reason: String,
}
