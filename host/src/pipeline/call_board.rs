//! Records the running plugin calls in shared memory, so that the host can read them after a child process has crashed.

use std::{
    fs::File,
    io::{Cursor, Write},
    os::unix::fs::FileExt,
    sync::OnceLock,
};

use super::error::Stage;

/// Bytes per call. A longer stage name is truncated.
const SLOT_SIZE: usize = 128;
/// Calls of one task that can run at the same time: of its transform worker and its sink worker.
const ROLES: u64 = 2;

static BOARD: OnceLock<File> = OnceLock::new();

/// Records every call of every task of this process in `file` from now on, with a system call before and after it. Only
/// the first call counts.
pub fn note_calls_in(file: File) {
    if BOARD.set(file).is_err() {
        tracing::debug!("calls are already recorded");
    }
}

/// The running calls that a process has recorded in `file`: task and stage, in order.
#[must_use]
pub fn read_calls(file: &File) -> Vec<(u32, String)> {
    let mut calls = Vec::new();
    let mut text = [0; SLOT_SIZE];
    for place in 0_u32.. {
        if file.read_exact_at(&mut text, u64::from(place) * SLOT_SIZE as u64).is_err() {
            break;
        }
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(SLOT_SIZE);
        if end > 0 {
            calls.push((place / ROLES as u32, String::from_utf8_lossy(&text[..end]).into_owned()));
        }
    }
    calls
}

/// The slot for the calls of one worker of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallSlot(u64);

impl CallSlot {
    pub(super) fn transform(task: u32) -> Self {
        Self(u64::from(task) * ROLES)
    }

    pub(super) fn sink(task: u32) -> Self {
        Self(u64::from(task) * ROLES + 1)
    }

    /// Records the call that begins, or `None` when it ends. Does nothing unless [`note_calls_in`] was called.
    pub(super) fn note(self, stage: Option<&Stage>) {
        if let Some(board) = BOARD.get() {
            self.note_in(board, stage);
        }
    }

    fn note_in(self, board: &File, stage: Option<&Stage>) {
        let mut text = [0; SLOT_SIZE];
        let mut end = 1;
        if let Some(stage) = stage {
            let mut cursor = Cursor::new(&mut text[..]);
            // A name that does not fit is truncated.
            let _whole = write!(cursor, "{stage}").is_ok();
            end = SLOT_SIZE;
        }
        // A write error is ignored: the record is only used in an error message.
        let _noted = board.write_all_at(&text[..end], self.0 * SLOT_SIZE as u64).is_ok();
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
        assert_eq!(calls[0].1, sink.to_string()[..SLOT_SIZE]);
        assert_eq!(calls[1].1, "transform \"x\"");
    }
}
