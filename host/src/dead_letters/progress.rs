//! Which letters of a partition were replayed: all before an offset, and, after replays with a filter, some behind it.
//!
//! The offset is what the replays' group commits; the others stand in the text that a group can note beside it.

use std::collections::BTreeMap;

/// Brokers take 4096 bytes by default (`offset.metadata.max.bytes`).
const LONGEST_NOTE: usize = 4000;
const PREFIX: &str = "replayed ";

/// What was replayed of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All before this are done with.
    next: i64,
    /// First and last of those behind it that are, too.
    behind: BTreeMap<i64, i64>,
    /// A letter between `next` and what was looked at last is not done with.
    gap: bool,
}

/// What is to be remembered does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many letters between replayed ones are left out: that cannot be remembered; replay the others first, or use a filter \
     that takes more"
)]
pub struct TooScattered;

impl Progress {
    /// As it was committed.
    #[must_use]
    pub fn of(next: i64, note: &str) -> Self {
        let ranges = note.strip_prefix(PREFIX).unwrap_or_default().split(',').filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Self {
            next,
            behind: ranges.filter(|(first, last)| *first >= next && first <= last).collect(),
            gap: false,
        }
    }

    /// The offset to commit.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// The note to commit with it.
    ///
    /// # Errors
    /// When that would be too long.
    pub fn note(&self) -> Result<String, TooScattered> {
        if self.behind.is_empty() {
            return Ok(String::new());
        }
        let range = |(first, last): (&i64, &i64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        let note = format!("{PREFIX}{}", self.behind.iter().map(range).collect::<Vec<_>>().join(","));
        if note.len() > LONGEST_NOTE { Err(TooScattered) } else { Ok(note) }
    }

    /// Whether the letter at `offset` was replayed.
    #[must_use]
    pub fn has(&self, offset: i64) -> bool {
        offset < self.next
            || self.behind.range(..=offset).next_back().is_some_and(|(_, last)| offset <= *last)
    }

    /// The letter at `offset` is done with. Letters come in order; offsets in between that have none do not count.
    pub fn done(&mut self, offset: i64) {
        if offset < self.next {
            return;
        }
        if !self.gap {
            self.next = offset + 1;
            self.behind.retain(|_, last| *last > offset);
            return;
        }
        if self.has(offset) {
            return;
        }
        match self.behind.range_mut(..offset).next_back() {
            // Nothing was left out in between: letters come in order.
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => {
                self.behind.insert(offset, offset);
            }
        }
    }

    /// The letter at the offset that was reached is left out.
    pub fn leave_out(&mut self) {
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
        progress.leave_out();
        for offset in [11, 12, 14] {
            progress.done(offset);
        }
        assert_eq!((progress.next(), progress.note().unwrap().as_str()), (10, "replayed 11-12,14"));
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
        progress.leave_out();
        (0..2000).for_each(|offset| progress.done(1_000_000 + offset * 2));
        assert_eq!(progress.note(), Err(TooScattered));
    }

    proptest! {
        /// Whatever runs take, each letter is taken once, and what was committed says which.
        #[test]
        fn every_letter_is_replayed_once(runs in prop::collection::vec(prop::collection::btree_set(0i64..40, 0..40), 1..6)) {
            let letters: Vec<i64> = (0..40).filter(|offset| offset % 7 != 3).collect();
            let (mut next, mut note) = (0, String::new());
            let mut taken = BTreeSet::new();
            for run in runs {
                let mut progress = Progress::of(next, &note);
                for letter in letters.iter().filter(|letter| **letter >= next) {
                    prop_assert_eq!(progress.has(*letter), taken.contains(letter));
                    if taken.contains(letter) || run.contains(letter) {
                        taken.insert(*letter);
                        progress.done(*letter);
                    } else {
                        progress.leave_out();
                    }
                }
                (next, note) = (progress.next(), progress.note().unwrap());
                let left = letters.iter().find(|letter| !taken.contains(letter));
                prop_assert!(left.is_none_or(|left| next <= *left));
            }
        }
    }
}
