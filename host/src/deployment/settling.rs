//! Waits until a changed file stays as it is: editors truncate a file before they write it, or delete it and write another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

/// A file must have been unchanged for this long.
const QUIET: Duration = Duration::from_millis(200);
/// A file must have been missing for this long.
const MISSING: Duration = Duration::from_millis(500);

/// The files as they are known, and those that have changed since. `I` tells a file from itself before a change.
#[derive(Debug)]
pub(super) struct Settling<I> {
    known: BTreeMap<PathBuf, I>,
    /// Files that differ from what is known: what they are now, and since when.
    changing: BTreeMap<PathBuf, (Option<I>, Instant)>,
}

/// What has changed for good.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Files that were added, changed or deleted.
    pub(super) changed: BTreeSet<PathBuf>,
    /// When to look again, because other files are changing.
    pub(super) look_again: Option<Instant>,
}

impl<I: Clone + Eq> Settling<I> {
    /// Starts with files that are known.
    pub(super) fn new(known: BTreeMap<PathBuf, I>) -> Self {
        Self { known, changing: BTreeMap::new() }
    }

    /// The files are like this now.
    pub(super) fn observe(&mut self, files: &BTreeMap<PathBuf, I>, now: Instant) -> Settled {
        let mut settled = Settled::default();
        let paths: BTreeSet<&PathBuf> = self.known.keys().chain(files.keys()).collect();
        let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
        self.changing.retain(|path, _| paths.contains(path));
        for path in paths {
            let current = files.get(&path);
            if self.known.get(&path) == current {
                self.changing.remove(&path);
                continue;
            }
            let seen = self.changing.entry(path.clone()).or_insert_with(|| (current.cloned(), now));
            if seen.0.as_ref() != current {
                *seen = (current.cloned(), now);
            }
            let due = seen.1 + if current.is_some() { QUIET } else { MISSING };
            if now < due {
                settled.look_again = Some(settled.look_again.map_or(due, |earlier| earlier.min(due)));
                continue;
            }
            self.changing.remove(&path);
            self.accept(path.clone(), current.cloned());
            settled.changed.insert(path);
        }
        settled
    }

    /// The file is known as it is now, because the host has read or written it.
    pub(super) fn accept(&mut self, path: PathBuf, current: Option<I>) {
        match current {
            Some(current) => drop(self.known.insert(path, current)),
            None => drop(self.known.remove(&path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, u32)]) -> BTreeMap<PathBuf, u32> {
        files.iter().map(|(path, identity)| (PathBuf::from(path), *identity)).collect()
    }

    fn changed(settled: &Settled) -> Vec<&str> {
        settled.changed.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_written_in_steps_is_reported_once_when_it_is_complete() {
        let start = Instant::now();
        let mut settling = Settling::new(files(&[("a", 1)]));
        for step in 2..20 {
            let settled = settling.observe(&files(&[("a", step)]), start + step * Duration::from_millis(100));
            assert_eq!(changed(&settled), [""; 0]);
            assert!(settled.look_again.is_some());
        }
        let quiet = start + Duration::from_secs(10);
        assert_eq!(changed(&settling.observe(&files(&[("a", 19)]), quiet)), ["a"]);
        assert_eq!(settling.observe(&files(&[("a", 19)]), quiet), Settled::default());
    }

    #[test]
    fn a_file_that_is_replaced_is_not_deleted_in_between() {
        let start = Instant::now();
        let mut settling = Settling::new(files(&[("a", 1)]));
        assert_eq!(changed(&settling.observe(&files(&[]), start)), [""; 0]);
        assert_eq!(changed(&settling.observe(&files(&[]), start + MISSING / 2)), [""; 0]);
        assert_eq!(changed(&settling.observe(&files(&[("a", 2)]), start + MISSING)), [""; 0]);
        assert_eq!(changed(&settling.observe(&files(&[("a", 2)]), start + MISSING + QUIET)), ["a"]);
    }

    #[test]
    fn a_file_that_changes_back_has_not_changed() {
        let start = Instant::now();
        let mut settling = Settling::new(files(&[("a", 1)]));
        settling.observe(&files(&[]), start);
        assert_eq!(settling.observe(&files(&[("a", 1)]), start + 2 * MISSING), Settled::default());
        assert_eq!(changed(&settling.observe(&files(&[]), start + 3 * MISSING)), [""; 0]);
        assert_eq!(changed(&settling.observe(&files(&[]), start + 4 * MISSING)), ["a"]);
    }

    #[test]
    fn what_the_host_has_written_itself_is_no_change() {
        let start = Instant::now();
        let mut settling = Settling::new(files(&[]));
        settling.accept("b".into(), Some(7));
        assert_eq!(settling.observe(&files(&[("b", 7)]), start + MISSING), Settled::default());
    }
}
