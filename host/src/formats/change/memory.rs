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
        self.last = self.find(name, is).unwrap_or_else(|| self.add(name, make()));
        &mut self.entries[self.last].2
    }

    /// The entry under `name` whose qualifier `is` the one.
    fn get(&self, name: &str, is: impl Fn(&Q) -> bool) -> Option<&T> {
        self.find(name, is).map(|index| &self.entries[index].2)
    }

    fn find(&self, name: &str, is: impl Fn(&Q) -> bool) -> Option<usize> {
        let hit = |entry: &(Box<str>, Q, T)| &*entry.0 == name && is(&entry.1);
        if self.entries.get(self.last).is_some_and(hit) {
            return Some(self.last);
        }
        let is_at = |index: &usize| self.entries.get(*index).is_some_and(|entry| is(&entry.1));
        self.by_name.get(name)?.iter().copied().find(is_at)
    }

    fn add(&mut self, name: &str, (qualifier, item): (Q, T)) -> usize {
        let index = self.entries.len();
        self.entries.push((name.into(), qualifier, item));
        self.by_name.entry(name.into()).or_default().push(index);
        index
    }
}

/// The last source position of each partition, for rows that come without one (Debezium's incremental snapshots).
///
/// Each is kept with the offset of its record and counts for records behind it only, so it never makes a row look newer
/// than it is. That holds under any assignment: a partition that comes back further back forgets what lies ahead, and
/// one that comes back further on, its changes delivered by another task, keeps a lower bound. At worst the row
/// then loses against an earlier change of the same row, which has the same state save for columns that the source left
/// out. A gap in the offsets cannot tell such a return: compaction and transactions leave gaps as well.
#[derive(Default)]
pub(crate) struct Positions(Memory<i32, Option<Last>>);

#[derive(Clone, Copy)]
struct Last {
    offset: i64,
    words: [u64; 4],
}

impl Positions {
    /// Remembers the position of the record at `offset`.
    pub(crate) fn remember(&mut self, topic: &str, partition: i32, offset: i64, words: [u64; 4]) {
        let last = self.0.entry(topic, |known| *known == partition, || (partition, None));
        *last = Some(Last { offset, words });
    }

    /// The position of the last record up to `offset` that had one. For records as they are read: what lies ahead is
    /// forgotten, since the log may be another one under the same name.
    pub(crate) fn inherit(&mut self, topic: &str, partition: i32, offset: i64) -> Option<[u64; 4]> {
        let last = self.0.entry(topic, |known| *known == partition, || (partition, None));
        *last = last.filter(|last| last.offset <= offset);
        last.map(|last| last.words)
    }

    /// Like [`Positions::inherit`], for a record whose successors may have been read already.
    pub(crate) fn recall(&self, topic: &str, partition: i32, offset: i64) -> Option<[u64; 4]> {
        let last = (*self.0.get(topic, |known| *known == partition)?)?;
        (last.offset <= offset).then_some(last.words)
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
    fn a_partition_that_comes_back_further_back_inherits_nothing_from_ahead() {
        let mut positions = Positions::default();
        positions.remember("a", 0, 5, [1, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 2), None);
        assert_eq!(positions.inherit("a", 0, 6), None, "what lies ahead is forgotten, not hidden");
        positions.remember("a", 0, 3, [7, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 4), Some([7, 0, 0, 0]));
    }

    #[test]
    fn a_partition_that_comes_back_further_on_keeps_its_lower_bound_until_the_next_change() {
        let mut positions = Positions::default();
        positions.remember("a", 0, 5, [1, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 5_000), Some([1, 0, 0, 0]));
        positions.remember("a", 0, 5_001, [9, 0, 0, 0]);
        assert_eq!(positions.inherit("a", 0, 5_002), Some([9, 0, 0, 0]));
    }

    #[test]
    fn looking_back_for_a_transforms_output_forgets_nothing() {
        let mut positions = Positions::default();
        positions.remember("a", 0, 90, [1, 0, 0, 0]);
        assert_eq!(positions.recall("a", 0, 50), None);
        assert_eq!(positions.recall("a", 0, 90), Some([1, 0, 0, 0]));
        assert_eq!(positions.recall("b", 0, 90), None);
        assert_eq!(positions.inherit("a", 0, 91), Some([1, 0, 0, 0]));
    }
}
