//! Listens to a child: what it sends, and what something in it prints to standard error.

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
    protocol::{FromChild, LONGEST_LINE},
    watch::Pulse,
};
use crate::{
    pipeline::TaskEvent,
    telemetry::{log_relay, scrub},
};

/// Longer lines of standard error are logged in parts, in bytes.
const LONGEST_PRINTED: usize = 8 << 10;
/// What was printed before an end, and how long before, may say why: so many lines are kept.
const LAST_WORDS: usize = 4;
const LATELY: Duration = Duration::from_secs(5);

/// What the keeper hears. The end of the channel is the end of the child's side.
#[derive(Debug)]
pub(super) enum Heard {
    /// The file, by its number in the child, in which it notes its running calls.
    Calls(i32),
    /// A task's event.
    Event(u32, TaskEvent),
    /// Something that is no message, and why.
    Nonsense(String),
}

/// Listens to what a child of `connector` sends, until its end. Log lines and measurements are passed on from here.
pub(super) async fn listen(
    socket: OwnedReadHalf,
    connector: String,
    pulse: Arc<Pulse>,
    keeper: mpsc::UnboundedSender<Heard>,
) {
    let (mut reader, mut line) = (BufReader::new(socket), Vec::new());
    let nonsense = loop {
        match next_line(&mut reader, &mut line, LONGEST_LINE).await {
            Ok(true) => {}
            // A connection that is reset is one that has ended.
            Ok(false) | Err(_) => return,
        }
        pulse.beat();
        match serde_json::from_slice(&line) {
            Ok(FromChild::Alive) => {}
            // The keeper may be gone: then nobody wants to know.
            Ok(FromChild::Calls { descriptor }) => drop(keeper.send(Heard::Calls(descriptor))),
            Ok(FromChild::Event { task, event }) => drop(keeper.send(Heard::Event(task, event))),
            Ok(FromChild::Metrics(all)) => all.iter().for_each(|measurement| measurement.record(&connector)),
            Ok(FromChild::Log(text)) => {
                pulse.hold_up(true);
                log_relay().line(text).await;
                pulse.hold_up(false);
            }
            Err(error) => break error.to_string(),
        }
    };
    drop(keeper.send(Heard::Nonsense(nonsense)));
}

/// Reads a line without its end into `line`. False at the end. What is longer than `longest` comes in parts.
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

/// What a child has printed lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Printed(Arc<Mutex<VecDeque<(Instant, String)>>>);

impl Printed {
    /// Logs what a child of `connector` prints to standard error, until its end.
    pub(super) async fn listen(self, stderr: pipe::Receiver, connector: String) {
        let (mut reader, mut line) = (BufReader::new(stderr), Vec::new());
        while next_line(&mut reader, &mut line, LONGEST_PRINTED).await.is_ok_and(|more| more) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.is_empty() {
                continue;
            }
            self.keep(&text);
            log_relay().printed(&connector, text).await;
        }
    }

    /// Keeps a line, unless it is part of a backtrace: what was said before that tells more.
    fn keep(&self, text: &str) {
        let line = text.trim_start();
        let is_frame = || line.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        if line.starts_with("at ") || line == "stack backtrace:" || is_frame() {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS {
            lines.pop_front();
        }
        lines.push_back((Instant::now(), scrub(text).into_owned()));
    }

    /// The last lines, if there were any just now: they may say why the child has ended.
    pub(super) fn last_words(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = lines.iter().filter(|(at, _)| at.elapsed() < LATELY);
        let lines: Vec<&str> = lately.map(|(_, line)| line.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_those_before_the_backtrace() {
        let printed = Printed::default();
        assert_eq!(printed.last_words(), None);
        for line in [
            "one",
            "thread x panicked at y:1:2:",
            "the reason",
            "stack backtrace:",
            "   0: a::b",
            "      at c",
        ] {
            printed.keep(line);
        }
        assert_eq!(printed.last_words().as_deref(), Some("one / thread x panicked at y:1:2: / the reason"));
    }

    #[tokio::test]
    async fn lines_are_read_whole_and_too_long_ones_in_parts() {
        let mut reader = BufReader::new(&b"one\n\nlonger\nend"[..]);
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        while next_line(&mut reader, &mut line, 4).await.unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(lines, ["one", "", "long", "er", "end"]);
    }
}
