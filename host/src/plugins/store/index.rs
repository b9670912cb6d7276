//! The store's index: which copy belongs to a library that has not changed, so that a start reads neither of them.
//!
//! A file is known by its device, inode, size and times. Programs can set the time of a modification, but not that of a change
//! (`ctime`), so a file with the same identity has the same content.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Name of the index in the store's folder.
pub(super) const FILE: &str = "index.json";

/// A file that changed this recently may change again without its times showing it, because their clock is coarse.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What tells a file from another one, or from itself before a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// That of the file at `path`, links followed.
    ///
    /// # Errors
    /// When there is no file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Whether every later change will show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let latest = now.saturating_sub(SETTLED_AFTER).as_secs();
        [self.modified, self.changed]
            .iter()
            .all(|(seconds, _)| u64::try_from(*seconds).is_ok_and(|at| at < latest))
    }
}

/// Whether only this user can have written the file or folder: an index of somebody else could name any library.
pub(super) fn is_private(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0)
}

/// A library and its copy when they were compared last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Entry {
    library: Identity,
    copy: PathBuf,
    copy_identity: Identity,
}

/// Entries by the path of the library.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Index {
    entries: BTreeMap<PathBuf, Entry>,
    /// Whether the file lacks what is here.
    #[serde(skip)]
    has_changed: bool,
}

impl Index {
    /// The index in a store's folder; empty if there is none, or if it cannot be read.
    pub(super) fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        if !is_private(folder) || !is_private(&path) {
            return Self::default();
        }
        serde_json::from_slice(&fs::read(path).unwrap_or_default()).unwrap_or_default()
    }

    /// The copy of the library at `origin`, if neither has changed.
    pub(super) fn copy(&self, origin: &Path) -> Option<&Path> {
        let entry = self.entries.get(origin)?;
        let is_same = |path: &Path, known: &Identity| Identity::of(path).is_ok_and(|found| found == *known);
        (is_same(origin, &entry.library) && is_same(&entry.copy, &entry.copy_identity))
            .then_some(&*entry.copy)
    }

    /// Remembers that `copy` has the content of `origin`, which had the identity `library` before it was read.
    pub(super) fn remember(&mut self, origin: &Path, library: Identity, copy: &Path, now: SystemTime) {
        let Ok(copy_identity) = Identity::of(copy) else { return };
        let is_settled = library.is_settled(now) && copy_identity.is_settled(now);
        // A library that was replaced while it was read has another identity now.
        if is_settled && Identity::of(origin).is_ok_and(|now| now == library) {
            let entry = Entry { library, copy: copy.to_owned(), copy_identity };
            self.entries.insert(origin.to_owned(), entry);
            self.has_changed = true;
        } else {
            self.has_changed |= self.entries.remove(origin).is_some();
        }
    }

    /// Forgets libraries that no longer exist.
    pub(super) fn retain_existing(&mut self) {
        let count = self.entries.len();
        self.entries.retain(|origin, _| origin.exists());
        self.has_changed |= self.entries.len() < count;
    }

    /// Whether the file lacks what is here.
    pub(super) const fn has_changed(&self) -> bool {
        self.has_changed
    }
}
