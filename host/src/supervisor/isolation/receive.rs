//! Receives from a child: its messages, and what it prints to stderr.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader},
    net::unix::{OwnedReadHalf, pipe},
    sync::mpsc,
};

use super::{
    protocol::{FromChild, MAX_LINE_BYTES},
    watchdog::Heartbeats,
};
use crate::{
    pipeline::TaskEvent,
    telemetry::{log_relay, relay_traces, scrub},
};

/// Longer stderr lines are split, in bytes.
const MAX_STDERR_LINE: usize = 8 << 10;
/// Stderr lines that are kept to explain a crash, and how recent they must be.
const MAX_STDERR_LINES: usize = 4;
const STDERR_WINDOW: Duration = Duration::from_secs(5);

/// A message from a child. The channel closes when the child closes its end of the connection.
#[derive(Debug)]
pub(super) enum ChildMessage {
    /// The file descriptor, in the child, of the memory in which it records running plugin calls.
    Calls(i32),
    /// An event of a task.
    Event(u32, TaskEvent),
    /// A line that is not a valid message, with the error.
    Malformed(String),
}

/// Receives the messages of a child of `connector` until it closes the connection. Handles log lines and metrics itself.
pub(super) async fn receive(
    socket: OwnedReadHalf,
    connector: String,
    heartbeats: Arc<Heartbeats>,
    supervisor: mpsc::UnboundedSender<ChildMessage>,
) {
    let (mut reader, mut line) = (BufReader::new(socket), Vec::new());
    let malformed = loop {
        match next_line(&mut reader, &mut line, MAX_LINE_BYTES).await {
            Ok(true) => {}
            // A reset connection has ended as well.
            Ok(false) | Err(_) => return,
        }
        heartbeats.record();
        match serde_json::from_slice(&line) {
            Ok(FromChild::Heartbeat) => {}
            // Sending fails when the supervisor of this child is gone; the message is then irrelevant.
            Ok(FromChild::Calls { descriptor }) => drop(supervisor.send(ChildMessage::Calls(descriptor))),
            Ok(FromChild::Event { task, event }) => drop(supervisor.send(ChildMessage::Event(task, event))),
            Ok(FromChild::Traces(traces)) => relay_traces(traces),
            Ok(FromChild::Metrics(all)) => all.iter().for_each(|measurement| measurement.record(&connector)),
            Ok(FromChild::Log(text)) => {
                heartbeats.suspend(true);
                log_relay().line(text).await;
                heartbeats.suspend(false);
            }
            Err(error) => break error.to_string(),
        }
    };
    drop(supervisor.send(ChildMessage::Malformed(malformed)));
}

/// Reads a line into `line`, without the line end. Returns false at end of file. Lines longer than `longest` are split.
async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<bool> {
    line.clear();
    let read = reader.take(longest as u64).read_until(b'\n', line).await?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read > 0)
}

/// The most recent stderr lines of a child.
#[derive(Clone, Debug, Default)]
pub(super) struct StderrTail(Arc<Mutex<VecDeque<(Instant, String)>>>);

impl StderrTail {
    /// Logs the stderr output of a child of `connector` until end of file.
    pub(super) async fn read(self, stderr: pipe::Receiver, connector: String) {
        let (mut reader, mut line) = (BufReader::new(stderr), Vec::new());
        while next_line(&mut reader, &mut line, MAX_STDERR_LINE).await.is_ok_and(|more| more) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.is_empty() {
                continue;
            }
            self.keep(&text);
            log_relay().printed(&connector, text).await;
        }
    }

    /// Keeps a line unless it belongs to a backtrace: the lines before the backtrace state the reason.
    fn keep(&self, text: &str) {
        if is_of_backtrace(text.trim_start()) {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back((Instant::now(), scrub(text).into_owned()));
    }

    /// The lines of the last few seconds, if any. They may explain why the child exited.
    pub(super) fn last_lines(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = lines.iter().filter(|(at, _)| at.elapsed() < STDERR_WINDOW);
        let lines: Vec<&str> = recent.map(|(_, line)| line.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(" / "))
    }
}

fn is_of_backtrace(line: &str) -> bool {
    let is_frame = || line.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    ["at ", "note: ", "stack backtrace:"].iter().any(|start| line.starts_with(start)) || is_frame()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_those_before_the_backtrace() {
        let stderr = StderrTail::default();
        assert_eq!(stderr.last_lines(), None);
        for line in [
            "one",
            "thread x panicked at y:1:2:",
            "the reason",
            "stack backtrace:",
            "   0: a::b",
            "      at c",
            "note: d",
        ] {
            stderr.keep(line);
        }
        assert_eq!(stderr.last_lines().as_deref(), Some("one / thread x panicked at y:1:2: / the reason"));
    }

    #[tokio::test]
    async fn long_lines_are_split() {
        let mut reader = BufReader::new(&b"one\n\nlonger\nend"[..]);
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        while next_line(&mut reader, &mut line, 4).await.unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(lines, ["one", "", "long", "er", "end"]);
    }
}
