//! What a host and the process of a connector send each other: lines of JSON.

use serde::{Deserialize, Serialize};

use crate::{
    config::Secrets,
    pipeline::{TaskCommand, TaskEvent, TaskSettings},
    telemetry::{LogOptions, Measurement},
};

/// The longest line of a child, in bytes: far above anything that one says in earnest. A longer one is not sent.
pub(super) const LONGEST_LINE: usize = 16 << 20;
/// The longest reason, in bytes, that a child gives for a task's failure.
pub(super) const LONGEST_REASON: usize = 64 << 10;

/// What a child is told. `Debug` is not derived: it holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToChild {
    /// Comes first.
    Welcome(Welcome),
    /// Start a task.
    Start {
        /// What it is made from.
        settings: Box<TaskSettings>,
        /// What must not be shown.
        secrets: Secrets,
    },
    /// Tell a task something.
    Tell {
        /// Its number.
        task: u32,
        /// What.
        command: TaskCommand,
    },
    /// All tasks have ended: end, too.
    Leave,
}

/// What a child is given before its tasks.
#[derive(Serialize, Deserialize)]
pub(super) struct Welcome {
    /// How the host logs; nothing is logged without it.
    pub(super) log: Option<LogOptions>,
    /// Bytes of writable memory that it may ask the system for, used or not.
    pub(super) data_limit: u64,
}

/// What a child tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromChild {
    /// The first one: where it notes its running calls.
    Calls {
        /// The number of the open file.
        descriptor: i32,
    },
    /// It lives.
    Alive,
    /// A task's event.
    Event {
        /// The task's number.
        task: u32,
        /// What it tells.
        event: TaskEvent,
    },
    /// A finished log line, its end included, without secrets.
    Log(String),
    /// What plugins have measured.
    Metrics(Vec<Measurement>),
}

/// A message as one line, its end included.
pub(super) fn to_line(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
