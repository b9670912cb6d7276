//! What a decoder remembers by name: the last position of each partition, the state of each table.

use std::collections::HashMap;

/// Entries under a name and a qualifier. What was asked for last is found without hashing.
pub(super) struct Memory<Q, T> {
    entries: Vec<(Box<str>, Q, T)>,
    by_name: HashMap<Box<str>, Vec<usize>>,
    last: usize,
}

impl<Q, T> Default for Memory<Q, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by_name: HashMap::new(), last: 0 }
    }
}

impl<Q, T> Memory<Q, T> {
    /// Where the entry under `name` is whose qualifier `is` the one, made by `make` if there is none.
    pub(super) fn entry(
        &mut self,
        name: &str,
        is: impl Fn(&Q) -> bool,
        make: impl FnOnce() -> (Q, T),
    ) -> &mut T {
        let hit = |entry: &(Box<str>, Q, T)| &*entry.0 == name && is(&entry.1);
        if !self.entries.get(self.last).is_some_and(hit) {
            let known = self.by_name.get(name).and_then(|found| {
                found.iter().copied().find(|index| self.entries.get(*index).is_some_and(|entry| is(&entry.1)))
            });
            self.last = known.unwrap_or_else(|| self.add(name, make()));
        }
        &mut self.entries[self.last].2
    }

    fn add(&mut self, name: &str, (qualifier, item): (Q, T)) -> usize {
        let index = self.entries.len();
        self.entries.push((name.into(), qualifier, item));
        self.by_name.entry(name.into()).or_default().push(index);
        index
    }
}

/// The last source position of each partition, for rows that come without one (Debezium's incremental snapshots).
#[derive(Default)]
pub(crate) struct Positions(Memory<i32, Last>);

#[derive(Clone, Copy)]
struct Last {
    offset: i64,
    words: Option<[u64; 4]>,
}

impl Positions {
    fn last(&mut self, topic: &str, partition: i32, offset: i64) -> &mut Last {
        let last =
            self.0.entry(topic, |known| *known == partition, || (partition, Last { offset, words: None }));
        // The partition is read again from further back: what was seen lies ahead of it.
        if offset < last.offset {
            *last = Last { offset, words: None };
        }
        last
    }

    /// Remembers the position of the record at `offset`.
    pub(crate) fn remember(&mut self, topic: &str, partition: i32, offset: i64, words: [u64; 4]) {
        *self.last(topic, partition, offset) = Last { offset, words: Some(words) };
    }

    /// The position of the last record before `offset` that had one.
    pub(crate) fn inherit(&mut self, topic: &str, partition: i32, offset: i64) -> Option<[u64; 4]> {
        self.last(topic, partition, offset).words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_inherited_within_a_partition_only() {
        let mut positions = Positions::default();
        positions.remember("a", 0, 5, [1, 0, 0, 0]);
        positions.remember("a", 1, 3, [2, 0, 0, 0]);
        positions.remember("b", 0, 9, [3, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 6), Some([1, 0, 0, 0]));
        assert_eq!(positions.inherit("a", 1, 4), Some([2, 0, 0, 0]));
        assert_eq!(positions.inherit("b", 1, 1), None);
    }

    #[test]
    fn a_partition_that_is_read_again_inherits_nothing_from_ahead() {
        let mut positions = Positions::default();
        positions.remember("a", 0, 5, [1, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 2), None);
        assert_eq!(positions.inherit("a", 0, 3), None);
    }
}
