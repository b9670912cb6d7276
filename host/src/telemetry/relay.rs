//! Writes the log lines of child processes to this process's log. A separate thread writes them, so that a log that is
//! not read blocks the children, and never the tasks that pass their lines on.

use std::{sync::OnceLock, thread, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::log::write_line;

/// Maximum number of waiting lines; a sender blocks when it is reached.
const CAPACITY: usize = 256;

static RELAY: OnceLock<LogRelay> = OnceLock::new();

/// Passes log lines of child processes on.
#[derive(Clone, Debug)]
pub struct LogRelay(mpsc::Sender<RelayMessage>);

#[derive(Debug)]
enum RelayMessage {
    /// A finished line with its line end.
    Line(String),
    /// Text that a child printed to standard error.
    Printed { connector: String, text: String },
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// The relay of this process; its thread starts with the first call.
pub fn log_relay() -> &'static LogRelay {
    RELAY.get_or_init(|| {
        let (relay, relayed) = mpsc::channel(CAPACITY);
        let thread = thread::Builder::new().name("log-relay".to_owned());
        if let Err(error) = thread.spawn(move || write_all(relayed)) {
            tracing::error!(%error, "cannot start the thread that writes the log lines of child processes; they are lost");
        }
        LogRelay(relay)
    })
}

impl LogRelay {
    /// Writes a line unchanged; it has connector, task and line end, and no secret. Waits while the channel is full.
    pub async fn line(&self, line: String) {
        self.send(RelayMessage::Line(line)).await;
    }

    /// Logs text that a child of `connector` printed, as a warning. Waits while the channel is full.
    pub async fn printed(&self, connector: &str, text: String) {
        self.send(RelayMessage::Printed { connector: connector.to_owned(), text }).await;
    }

    /// Waits until everything so far is written, for `timeout` at most.
    pub async fn flush(&self, timeout: Duration) {
        let (written, is_written) = oneshot::channel();
        let flushed = async {
            self.send(RelayMessage::Flush(written)).await;
            is_written.await.is_ok()
        };
        if tokio::time::timeout(timeout, flushed).await != Ok(true) {
            tracing::debug!("some lines of child processes are not written yet");
        }
    }

    /// Fails only if the thread could not be started, which is already logged.
    async fn send(&self, relayed: RelayMessage) {
        let _lost = self.0.send(relayed).await.is_err();
    }
}

fn write_all(mut relayed: mpsc::Receiver<RelayMessage>) {
    while let Some(relayed) = relayed.blocking_recv() {
        match relayed {
            RelayMessage::Line(line) => write_line(&line),
            RelayMessage::Printed { connector, text } => tracing::warn!(connector, "{text}"),
            // The caller may have given up waiting.
            RelayMessage::Flush(written) => drop(written.send(())),
        }
    }
}
