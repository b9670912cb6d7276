//! What a decoder remembers by name and qualifier: the order in each partition, the columns of each table.

use std::collections::HashMap;

/// Entries under a name and a qualifier. What was asked for last is found without hashing.
pub(crate) struct Memory<Q, T> {
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
    pub(crate) fn entry(
        &mut self,
        name: &str,
        is: impl Fn(&Q) -> bool,
        make: impl FnOnce() -> (Q, T),
    ) -> &mut T {
        self.last = self.find(name, is).unwrap_or_else(|| self.add(name, make()));
        &mut self.entries[self.last].2
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
