//! Which plugin calls are running, written down where another process can read it: should this one crash, it cannot tell.

use std::{
    fs::File,
    io::{Cursor, Write},
    os::unix::fs::FileExt,
    sync::OnceLock,
};

use super::error::Stage;

/// Bytes per call. A longer name of a stage is cut off.
const PLACE: usize = 128;
/// Calls of one task at the same time: of its work role and of its sink.
const ROLES: u64 = 2;

static BOARD: OnceLock<File> = OnceLock::new();

/// From now on every call of every task of this process is noted in `file`, with a system call before and after it. Only
/// the first call counts.
pub fn note_calls_in(file: File) {
    if BOARD.set(file).is_err() {
        tracing::debug!("calls are noted already");
    }
}

/// The calls that were running when the process that notes them in `file` was last seen: task and stage, in order.
#[must_use]
pub fn read_calls(file: &File) -> Vec<(u32, String)> {
    let mut calls = Vec::new();
    let mut text = [0; PLACE];
    for place in 0_u32.. {
        if file.read_exact_at(&mut text, u64::from(place) * PLACE as u64).is_err() {
            break;
        }
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(PLACE);
        if end > 0 {
            calls.push((place / ROLES as u32, String::from_utf8_lossy(&text[..end]).into_owned()));
        }
    }
    calls
}

/// Where the calls of one role of a task are noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallSlot(u64);

impl CallSlot {
    pub(super) fn transform(task: u32) -> Self {
        Self(u64::from(task) * ROLES)
    }

    pub(super) fn sink(task: u32) -> Self {
        Self(u64::from(task) * ROLES + 1)
    }

    /// Notes the call that begins, or that none is running. Does nothing in a process that nobody asks.
    pub(super) fn note(self, stage: Option<&Stage>) {
        if let Some(board) = BOARD.get() {
            self.note_in(board, stage);
        }
    }

    fn note_in(self, board: &File, stage: Option<&Stage>) {
        let mut text = [0; PLACE];
        let mut end = 1;
        if let Some(stage) = stage {
            let mut cursor = Cursor::new(&mut text[..]);
            // A name that does not fit is cut off.
            let _whole = write!(cursor, "{stage}").is_ok();
            end = PLACE;
        }
        // It is for a message that may never be needed.
        let _noted = board.write_all_at(&text[..end], self.0 * PLACE as u64).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_calls_are_read_back() {
        let board = tempfile::tempfile().unwrap();
        let sink = Stage::Sink("s".repeat(200));
        CallSlot::sink(0).note_in(&board, Some(&sink));
        CallSlot::transform(2).note_in(&board, Some(&Stage::Transform("one".to_owned())));
        CallSlot::transform(2).note_in(&board, None);
        CallSlot::transform(2).note_in(&board, Some(&Stage::Transform("x".to_owned())));
        CallSlot::transform(3).note_in(&board, Some(&Stage::Source));
        CallSlot::transform(3).note_in(&board, None);
        let calls = read_calls(&board);
        assert_eq!(calls.iter().map(|(task, _)| *task).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(calls[0].1, sink.to_string()[..PLACE]);
        assert_eq!(calls[1].1, "transform \"x\"");
    }
}
