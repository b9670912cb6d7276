//! The last events of a log, to recognise them when the source sends them again.

use std::collections::VecDeque;

/// Events that are remembered of all logs of a partition together.
pub(super) const MAX_SEEN: usize = 128;

/// An event that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// Its position.
    pub(super) words: [u64; 4],
    /// Its check: see [`super::event::Event::check`].
    pub(super) check: u32,
    /// The generation of its log.
    pub(super) generation: u64,
}

/// The last events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenEvents(pub(super) VecDeque<Seen>);

impl SeenEvents {
    /// The latest event of this position and check.
    pub(super) fn find(&self, words: &[u64; 4], check: u32) -> Option<&Seen> {
        self.0.iter().rev().find(|seen| seen.check == check && seen.words == *words)
    }

    pub(super) fn push(&mut self, seen: Seen) {
        self.0.push_back(seen);
    }

    /// Forgets the oldest.
    pub(super) fn pop(&mut self) -> Option<Seen> {
        self.0.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
