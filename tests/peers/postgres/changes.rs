//! The changes of a case, in the same order every time, and the rows that remain after them.

use fastrand::Rng;

use super::{Scale, case::Case, event::Change, row::Row};

/// The first of the keys of rows that show whether a program has written everything, two per partition and table. The first of the two is
/// inserted before all other changes and deleted after them, the second is inserted at the end: a program may write the inserts and the
/// deletes of a batch separately.
pub(crate) const MARKERS: u32 = 1_000_000_000;
/// The first of the keys of those that remain.
pub(crate) const LAST: u32 = MARKERS + 1_000;

/// Makes the changes of a case.
#[derive(Debug)]
pub(crate) struct Changes {
    is_mixed: bool,
    left: usize,
    number: u64,
    random: Rng,
    /// By table and key: how often the row was written, and whether it exists.
    rows: Vec<Vec<(u32, bool)>>,
}

impl Changes {
    /// All changes of a case.
    pub(crate) fn of(case: &Case, scale: Scale) -> Self {
        let (left, keys) = if case.is_mixed {
            (scale.changes, scale.keys as usize / case.tables)
        } else {
            (scale.inserts, scale.inserts)
        };
        let rows = vec![vec![(0, false); keys]; case.tables];
        Self { is_mixed: case.is_mixed, left, number: 0, random: Rng::with_seed(18), rows }
    }

    /// The next change and the index of its table.
    pub(crate) fn next(&mut self) -> Option<(usize, Change)> {
        self.left = self.left.checked_sub(1)?;
        let (table, key) = if self.is_mixed {
            let table = self.random.usize(..self.rows.len());
            (table, self.random.usize(..self.rows[table].len()))
        } else {
            (0, self.rows[0].len() - 1 - self.left)
        };
        self.number += 1;
        let (version, exists) = &mut self.rows[table][key];
        let row = |version| Row { key: key as u32, version };
        let before = exists.then_some(row(*version));
        // One in five of the changes of a row that exists deletes it.
        *exists = !*exists || self.random.u8(..5) > 0;
        let after = exists.then(|| {
            *version += 1;
            row(*version)
        });
        Some((table, Change { before, after, number: self.number }))
    }

    /// The first change of a partition.
    pub(crate) fn first(&mut self, partition: i32) -> Change {
        self.marker(None, Some(MARKERS + partition as u32))
    }

    /// The last two changes of a partition.
    pub(crate) fn last(&mut self, partition: i32) -> [Change; 2] {
        let partition = partition as u32;
        [self.marker(Some(MARKERS + partition), None), self.marker(None, Some(LAST + partition))]
    }

    fn marker(&mut self, before: Option<u32>, after: Option<u32>) -> Change {
        self.number += 1;
        let row = |key| Row { key, version: 1 };
        Change { before: before.map(row), after: after.map(row), number: self.number }
    }

    /// The row of a table that remains for a key, if one does.
    pub(crate) fn remaining(&self, table: usize, key: u32) -> Option<Row> {
        if key >= LAST {
            return Some(Row { key, version: 1 });
        }
        let (version, exists) = *self.rows[table].get(key as usize)?;
        exists.then_some(Row { key, version })
    }

    /// How many rows of a table remain, without those that show that all is written.
    pub(crate) fn count(&self, table: usize) -> usize {
        self.rows[table].iter().filter(|(_, exists)| *exists).count()
    }
}
