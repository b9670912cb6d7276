//! The messages between the host and a connector's child process: JSON lines.

use serde::{Deserialize, Serialize};

use crate::{
    config::Secrets,
    pipeline::{TaskCommand, TaskEvent, TaskSettings},
    telemetry::{BatchSpans, LogOptions, Measurement, TraceOptions},
};

/// Maximum length of a message from a child, in bytes; far above any real message. Longer ones are not sent.
pub(super) const MAX_LINE_BYTES: usize = 16 << 20;
/// Maximum length, in bytes, of the reason for a task's failure.
pub(super) const MAX_REASON_BYTES: usize = 64 << 10;

/// A message to the child. `Debug` is not derived because messages contain secrets.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToChild {
    /// The first message.
    Init(Init),
    Start {
        settings: Box<TaskSettings>,
        /// Values to be redacted from the log.
        secrets: Secrets,
    },
    Command {
        task: u32,
        command: TaskCommand,
    },
    /// All tasks have ended; the child exits.
    Exit,
}

/// The configuration that a child receives before its tasks.
#[derive(Serialize, Deserialize)]
pub(super) struct Init {
    /// The host's log options. Without them, nothing is logged.
    pub(super) log: Option<LogOptions>,
    /// Which batches are traced; `None` for none.
    pub(super) traces: Option<TraceOptions>,
    /// Bytes of writable memory that the child may allocate, whether used or not (`RLIMIT_DATA`).
    pub(super) data_limit: u64,
}

/// A message from the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromChild {
    /// The first message: the file descriptor of the memory in which the child records running plugin calls.
    Calls {
        descriptor: i32,
    },
    Heartbeat,
    Event {
        task: u32,
        event: TaskEvent,
    },
    /// A formatted log line with its line end, already redacted.
    Log(String),
    /// What was measured since the last message.
    Metrics(Vec<Measurement>),
    /// Traces that are to be exported.
    Traces(Vec<BatchSpans>),
}

/// Serializes a message as one line, including the line end.
pub(super) fn to_line(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
