//! What a decoder remembers by name and qualifier: the order in each partition, the columns of each table.

use std::collections::HashMap;

/// The longest name that is remembered, in bytes: longer than those of any database.
pub(crate) const MAX_NAME: usize = 512;

/// Entries under a name and a qualifier. What was asked for last is found without hashing.
pub(crate) struct Memory<Q, T> {
    entries: Vec<(Box<str>, Q, T)>,
    by_name: HashMap<Box<str>, Vec<usize>>,
    last: usize,
    limit: usize,
    /// The entry under a name that is too long to be remembered.
    other: Option<T>,
}

impl<Q, T> Default for Memory<Q, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by_name: HashMap::new(), last: 0, limit: usize::MAX, other: None }
    }
}

impl<Q, T> Memory<Q, T> {
    /// Remembers up to `limit` entries, for names that records bring. When there would be more, all are forgotten.
    pub(crate) fn bounded(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.by_name.clear();
    }

    /// Number of entries.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where the entry under `name` is whose qualifier `is` the one, made by `make` if there is none.
    pub(crate) fn entry(
        &mut self,
        name: &str,
        is: impl Fn(&Q) -> bool,
        make: impl FnOnce() -> (Q, T),
    ) -> &mut T {
        if name.len() > MAX_NAME {
            return self.unremembered(make().1);
        }
        self.last = self.find(name, is).unwrap_or_else(|| self.add(name, make()));
        &mut self.entries[self.last].2
    }

    /// The entry under `name` whose qualifier `is` the one, if it is remembered.
    pub(crate) fn get(&mut self, name: &str, is: impl Fn(&Q) -> bool) -> Option<&mut T> {
        self.last = self.find(name, is)?;
        self.entries.get_mut(self.last).map(|entry| &mut entry.2)
    }

    /// An entry that is not remembered beyond the next of its kind.
    pub(crate) fn unremembered(&mut self, item: T) -> &mut T {
        self.other.insert(item)
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
        if self.entries.len() >= self.limit {
            self.clear();
        }
        let index = self.entries.len();
        self.entries.push((name.into(), qualifier, item));
        self.by_name.entry(name.into()).or_default().push(index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(memory: &mut Memory<u8, u32>, name: &str, qualifier: u8) -> u32 {
        let count = memory.entry(name, |known| *known == qualifier, || (qualifier, 0));
        *count += 1;
        *count
    }

    #[test]
    fn entries_are_found_by_name_and_qualifier() {
        let mut memory = Memory::default();
        let counts = [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("a", 2)]
            .map(|(name, qualifier)| count(&mut memory, name, qualifier));
        assert_eq!(counts, [1, 1, 2, 1, 2]);
    }

    #[test]
    fn too_many_names_are_forgotten_and_long_ones_not_remembered() {
        let mut memory = Memory::bounded(3);
        for name in ["a", "b", "c"] {
            assert_eq!(count(&mut memory, name, 1), 1);
        }
        assert_eq!(count(&mut memory, &"x".repeat(MAX_NAME + 1), 1), 1);
        assert_eq!(count(&mut memory, &"x".repeat(MAX_NAME + 1), 1), 1);
        assert_eq!((count(&mut memory, "a", 1), memory.len()), (2, 3));
        assert_eq!((count(&mut memory, "d", 1), memory.len()), (1, 1));
        assert_eq!(count(&mut memory, "a", 1), 1);
    }
}
