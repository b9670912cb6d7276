//! Which records of a partition were replayed: all before an offset and, after replays with a filter, some after it.
//!
//! The offset is the committed offset of the replay group; the others are stored in the commit metadata.

use std::collections::BTreeMap;

/// Brokers accept 4096 bytes by default (`offset.metadata.max.bytes`).
const MAX_METADATA_BYTES: usize = 4000;
const PREFIX: &str = "replayed ";

/// The replay progress of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every dead letter before this offset is replayed.
    next: i64,
    /// Ranges of replayed offsets at or after `next`: first and last.
    replayed_after_next: BTreeMap<i64, i64>,
    /// Whether a dead letter at or after `next` was skipped.
    gap: bool,
}

/// The progress does not fit into the commit metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the filter skips too many records between replayed ones, so the progress cannot be stored; replay the others first, or \
     use a filter that matches more"
)]
pub struct MetadataTooLong;

impl Progress {
    /// Parses the committed progress.
    #[must_use]
    pub fn of(next: i64, metadata: &str) -> Self {
        let ranges = metadata.strip_prefix(PREFIX).unwrap_or_default().split(',').filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Self {
            next,
            replayed_after_next: ranges.filter(|(first, last)| *first >= next && first <= last).collect(),
            gap: false,
        }
    }

    /// The offset to commit.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// The metadata to commit with it.
    ///
    /// # Errors
    /// When it exceeds the limit of the brokers.
    pub fn metadata(&self) -> Result<String, MetadataTooLong> {
        if self.replayed_after_next.is_empty() {
            return Ok(String::new());
        }
        let range = |(first, last): (&i64, &i64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        let note =
            format!("{PREFIX}{}", self.replayed_after_next.iter().map(range).collect::<Vec<_>>().join(","));
        if note.len() > MAX_METADATA_BYTES { Err(MetadataTooLong) } else { Ok(note) }
    }

    /// Whether the dead letter at `offset` was replayed.
    #[must_use]
    pub fn has(&self, offset: i64) -> bool {
        offset < self.next
            || self.replayed_after_next.range(..=offset).next_back().is_some_and(|(_, last)| offset <= *last)
    }

    /// Marks the dead letter at `offset` as replayed. Call it in order of offsets; offsets without a record do not
    /// matter.
    pub fn done(&mut self, offset: i64) {
        if offset < self.next {
            return;
        }
        if !self.gap {
            self.next = offset + 1;
            self.replayed_after_next.retain(|_, last| *last > offset);
            return;
        }
        if self.has(offset) {
            return;
        }
        match self.replayed_after_next.range_mut(..offset).next_back() {
            // The ranges are contiguous, because offsets come in order.
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => {
                self.replayed_after_next.insert(offset, offset);
            }
        }
    }

    /// Records that a dead letter was skipped.
    pub fn skip(&mut self) {
        self.gap = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_out_holds_the_offset_and_what_is_behind_it_is_noted() {
        let mut progress = Progress::of(5, "");
        progress.done(5);
        progress.done(9);
        progress.skip();
        for offset in [11, 12, 14] {
            progress.done(offset);
        }
        assert_eq!((progress.next(), progress.metadata().unwrap().as_str()), (10, "replayed 11-12,14"));
        let again = Progress::of(10, "replayed 11-12,14");
        let known = (8..16).filter(|offset| again.has(*offset)).collect::<Vec<_>>();
        assert_eq!(known, [8, 9, 11, 12, 14]);
    }

    #[test]
    fn a_note_of_somebody_else_is_no_progress() {
        for note in ["", "consumer-1", "replayed x-y", "replayed 9-3", "replayed 1-2"] {
            assert_eq!(Progress::of(5, note), Progress::of(5, ""), "{note}");
        }
    }

    #[test]
    fn a_note_that_would_be_too_long_is_refused() {
        let mut progress = Progress::default();
        progress.skip();
        (0..2000).for_each(|offset| progress.done(1_000_000 + offset * 2));
        assert_eq!(progress.metadata(), Err(MetadataTooLong));
    }

    proptest! {
        /// Whatever runs take, each dead letter is taken once, and what was committed says which.
        #[test]
        fn every_letter_is_replayed_once(runs in prop::collection::vec(prop::collection::btree_set(0i64..40, 0..40), 1..6)) {
            let dead_letters: Vec<i64> = (0..40).filter(|offset| offset % 7 != 3).collect();
            let (mut next, mut note) = (0, String::new());
            let mut taken = BTreeSet::new();
            for run in runs {
                let mut progress = Progress::of(next, &note);
                for dead_letter in dead_letters.iter().filter(|dead_letter| **dead_letter >= next) {
                    prop_assert_eq!(progress.has(*dead_letter), taken.contains(dead_letter));
                    if taken.contains(dead_letter) || run.contains(dead_letter) {
                        taken.insert(*dead_letter);
                        progress.done(*dead_letter);
                    } else {
                        progress.skip();
                    }
                }
                (next, note) = (progress.next(), progress.metadata().unwrap());
                let left = dead_letters.iter().find(|dead_letter| !taken.contains(dead_letter));
                prop_assert!(left.is_none_or(|left| next <= *left));
            }
        }
    }
}
