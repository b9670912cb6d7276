//! `isolation = "process"`: all tasks of a connector run in one child process of the same binary.
//!
//! ```text
//! host: slots ── commands ──> ChildSupervisor ── JSON lines over a socket pair ──> child: tasks, the same code
//!         ^                   │  ^ └ watchdog: heartbeats, memory, CPU               │
//!         └───── events ──────┘  └── stderr, logged as warnings <────────────────────┘
//! ```
//!
//! A [`Process`] is the host's handle to the child, and an [`IsolatedTask`] is one task in it, with the same commands and
//! events as a [`Task`](crate::pipeline::Task) in a thread. A crash, an exit, a memory leak or an endless loop in a plugin
//! affects only the child: its [`ChildSupervisor`](child_supervisor::ChildSupervisor) reports a [`Crash`] to the
//! supervisor, and the restart policy applies. The child is killed when the host exits. Its arguments, environment and
//! files contain no secrets.

mod child;
mod child_process;
mod child_state;
mod child_supervisor;
mod exit_status;
mod process;
mod protocol;
mod receive;
mod throttle;
mod usage;
mod watchdog;

pub use child::child_main;
pub(super) use process::{IsolatedTask, IsolationError, Process, ProcessSpec};

/// The hidden subcommand that the child runs.
pub const ISOLATED_COMMAND: &str = "run-isolated";

/// The child process of a connector ended unexpectedly, and its tasks with it.
#[derive(Clone, Debug)]
pub(super) struct Crash {
    pub(super) connector: String,
    /// Number of the process.
    pub(super) process: u64,
    /// The reason as text, without secrets.
    pub(super) reason: String,
}
