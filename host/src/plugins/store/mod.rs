//! The store: private copies of libraries, named by their content.
//!
//! `dlopen` caches by path and by inode, and truncating a mapped file kills the process. So a library is mapped only
//! from a copy that no other process writes to, and the same content is always the same copy. Libraries are large, so they
//! are read in pieces, and not at all if neither they nor their copies have changed (`index.rs`).

mod index;

pub(crate) use self::index::Identity;

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use index::Index;

use super::{error::PluginError, library::looks_like_library, manifest::LibraryManifest};

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// The folder of private copies.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    writable: bool,
    index: Index,
}

/// A copy in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Where the library came from.
    pub(super) origin: PathBuf,
    /// The private copy.
    pub(super) copy: PathBuf,
}

impl Store {
    /// A store under the host's state folder. The folder is created with access for its owner only.
    pub(super) fn open(state_dir: &Path) -> Result<Self, PluginError> {
        let folder = absolute(&state_dir.join("plugins"))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(PluginError::io("making", &folder))?;
        Ok(Self { index: Index::read(&folder), folder, writable: true })
    }

    /// A store that is only read: a library that it does not have is used where it is. This is for processes that only
    /// describe and check plugins, in a child process.
    pub(super) fn read_only(state_dir: &Path) -> Result<Self, PluginError> {
        let folder = absolute(&state_dir.join("plugins"))?;
        Ok(Self { index: Index::read(&folder), folder, writable: false })
    }

    /// Copies `origin` into the store, unless its content is there already.
    pub(super) fn add(&mut self, origin: &Path) -> Result<Stored, PluginError> {
        let reading = || PluginError::io("reading", origin);
        if let Some(copy) = self.index.copy(origin).filter(|copy| copy.starts_with(&self.folder)) {
            return Ok(Stored { origin: origin.to_owned(), copy: copy.to_owned() });
        }
        let identity = Identity::of(origin).map_err(reading())?;
        let mut library = File::open(origin).map_err(reading())?;
        let mut begin = [0; 4];
        if library.read_exact(&mut begin).is_err() || !looks_like_library(&begin) {
            return Err(PluginError::NotALibrary { path: origin.to_owned() });
        }
        if self.writable && !self.may_have(origin) {
            let copy = self.copy(origin)?;
            self.index.remember(origin, identity, &copy, SystemTime::now());
            return Ok(Stored { origin: origin.to_owned(), copy });
        }
        let mut digest = Sha256::new_with_prefix(begin);
        read_pieces(&mut library, |piece| {
            digest.update(piece);
            Ok(())
        })
        .map_err(reading())?;
        let copy = self.copy_path(origin, digest);
        // The copy is compared rather than trusted: another user of the state folder may have changed it.
        let copy = if is_same_content(origin, &copy) {
            copy
        } else if self.writable {
            self.copy(origin)?
        } else {
            return Ok(Stored { origin: origin.to_owned(), copy: absolute(origin)? });
        };
        self.index.remember(origin, identity, &copy, SystemTime::now());
        Ok(Stored { origin: origin.to_owned(), copy })
    }

    /// Writes the index for the next start, if it has changed. Without it, libraries are only read once more.
    pub(super) fn save_index(&mut self) {
        self.index.retain_existing();
        if !self.writable || !self.index.has_changed() {
            return;
        }
        let path = self.folder.join(index::FILE);
        let text = serde_json::to_vec(&self.index).unwrap_or_default();
        if let Err(error) = self.replace(&path, 0o600, |file| file.write_all(&text)) {
            tracing::warn!("{error}; the next start reads every plugin library again");
        }
    }

    fn copy_path(&self, origin: &Path, digest: Sha256) -> PathBuf {
        let hash: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{}{hash}.{}", prefix(origin), std::env::consts::DLL_EXTENSION))
    }

    /// Whether a library of this name was copied before. If not, it is read once, to copy it, rather than twice, to look for
    /// its content first.
    fn may_have(&self, origin: &Path) -> bool {
        let prefix = prefix(origin);
        let mut files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with(&prefix))
    }

    /// Copies a library. It may change meanwhile, so the name of the copy is that of what was copied.
    fn copy(&self, origin: &Path) -> Result<PathBuf, PluginError> {
        let mut library = File::open(origin).map_err(PluginError::io("reading", origin))?;
        let mut digest = Sha256::new();
        let temporary = self.temporary(origin);
        let mut write = || {
            let mut file = create(&temporary, 0o500)?;
            read_pieces(&mut library, |piece| {
                digest.update(piece);
                file.write_all(piece)
            })
        };
        write().map_err(PluginError::io("copying", origin))?;
        let copy = self.copy_path(origin, digest);
        fs::rename(&temporary, &copy).map_err(PluginError::io("writing", &copy))?;
        // The manifest of a replaced copy does not describe the new one.
        let _absent = fs::remove_file(manifest_path(&copy)).is_err();
        Ok(copy)
    }

    /// The manifest of a library from when it was probed.
    ///
    /// A manifest that an older host wrote may lack fields; then the library is probed again.
    pub(super) fn manifest(&self, stored: &Stored) -> Option<LibraryManifest> {
        if !stored.copy.starts_with(&self.folder) {
            return None;
        }
        let text = fs::read(manifest_path(&stored.copy)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Stores the manifest of a library.
    pub(super) fn remember(&self, stored: &Stored, manifest: &LibraryManifest) -> Result<(), PluginError> {
        if !self.writable {
            return Ok(());
        }
        let path = manifest_path(&stored.copy);
        let text =
            serde_json::to_vec(manifest).map_err(|error| PluginError::io("writing", &path)(error.into()))?;
        self.replace(&path, 0o600, |file| file.write_all(&text))
    }

    /// Writes a temporary file and renames it, so that no reader sees a partial file.
    fn replace(
        &self,
        path: &Path,
        mode: u32,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), PluginError> {
        let temporary = self.temporary(path);
        let write = || {
            content(&mut create(&temporary, mode)?)?;
            fs::rename(&temporary, path)
        };
        write().map_err(PluginError::io("writing", path))
    }

    /// Random, since hosts in containers that share a state folder may all have the same process id.
    fn temporary(&self, path: &Path) -> PathBuf {
        self.folder.join(format!(".{:016x}.tmp", RandomState::new().hash_one(path)))
    }
}

/// What the names of all copies of a library begin with.
fn prefix(origin: &Path) -> String {
    format!("{}-", origin.file_stem().unwrap_or_default().to_string_lossy())
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Passes a file on in pieces, from where it stands to its end.
fn read_pieces(file: &mut File, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&piece[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_same_content(one: &Path, other: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (mut one, mut other) = (File::open(one)?, File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let mut theirs = vec![0; PIECE];
        let mut is_same = true;
        read_pieces(&mut one, |piece| {
            let theirs = &mut theirs[..piece.len()];
            other.read_exact(theirs)?;
            is_same &= piece == theirs;
            Ok(())
        })?;
        Ok(is_same)
    };
    compare().unwrap_or(false)
}

fn absolute(path: &Path) -> Result<PathBuf, PluginError> {
    std::path::absolute(path).map_err(PluginError::io("finding", path))
}

fn manifest_path(copy: &Path) -> PathBuf {
    copy.with_extension("json")
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    #[test]
    fn the_same_content_is_the_same_copy_and_other_content_another() {
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, b"\x7fELF one").unwrap();
        let first = store.add(&origin).unwrap();
        assert_eq!(store.add(&origin).unwrap(), first);
        fs::write(&origin, b"\x7fELF two").unwrap();
        let second = store.add(&origin).unwrap();
        assert_ne!(second.copy, first.copy);
        assert_eq!(fs::read(&first.copy).unwrap(), b"\x7fELF one");
    }

    #[test]
    fn a_changed_copy_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, b"\x7fELF one").unwrap();
        let copy = store.add(&origin).unwrap().copy;
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, b"something else").unwrap();
        assert_eq!(fs::read(store.add(&origin).unwrap().copy).unwrap(), b"\x7fELF one");
    }

    #[test]
    fn a_read_only_store_uses_what_is_there_and_writes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, b"\x7fELF one").unwrap();
        let mut read_only = Store::read_only(&state.path().join("state")).unwrap();
        let stored = read_only.add(&origin).unwrap();
        assert_eq!((&stored.copy, read_only.manifest(&stored)), (&origin, None));
        assert!(!state.path().join("state").exists());
        let copy = Store::open(&state.path().join("state")).unwrap().add(&origin).unwrap().copy;
        assert_eq!(read_only.add(&origin).unwrap().copy, copy);
    }

    #[test]
    fn a_library_that_has_not_changed_is_not_read_again() {
        let state = tempfile::tempdir().unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, b"\x7fELF one").unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let copy = store.add(&origin).unwrap().copy;
        // What has just changed may change again within the same instant.
        assert_eq!(store.index.copy(&origin), None);
        let later = SystemTime::now() + Duration::from_secs(60);
        store.index.remember(&origin, Identity::of(&origin).unwrap(), &copy, later);
        store.save_index();
        let reopened = || Store::open(state.path()).unwrap();
        assert_eq!(reopened().index.copy(&origin), Some(&*copy));
        // Neither a change of the copy nor one of the library is missed, although size and time are the same.
        let replace = |path: &Path, content: &[u8]| {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(path, content).unwrap();
            File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        };
        replace(&copy, b"\x7fELF bad");
        assert_eq!(reopened().index.copy(&origin), None);
        assert_eq!(fs::read(reopened().add(&origin).unwrap().copy).unwrap(), b"\x7fELF one");
        store.index.remember(&origin, Identity::of(&origin).unwrap(), &copy, later);
        assert_eq!(store.index.copy(&origin), Some(&*copy));
        replace(&origin, b"\x7fELF two");
        assert_eq!(store.index.copy(&origin), None);
        assert_eq!(fs::read(store.add(&origin).unwrap().copy).unwrap(), b"\x7fELF two");
    }

    #[test]
    fn an_index_that_others_may_write_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, b"\x7fELF one").unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let copy = store.add(&origin).unwrap().copy;
        let later = SystemTime::now() + Duration::from_secs(60);
        store.index.remember(&origin, Identity::of(&origin).unwrap(), &copy, later);
        store.save_index();
        let path = state.path().join("plugins").join(index::FILE);
        assert!(index::is_private(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(!index::is_private(&path));
    }

    #[test]
    fn a_text_file_with_the_name_of_a_library_is_rejected() {
        let state = tempfile::tempdir().unwrap();
        let origin = state.path().join("libx.so");
        fs::write(&origin, "hello").unwrap();
        let error = Store::open(state.path()).unwrap().add(&origin).unwrap_err();
        assert!(error.to_string().contains("is not a dynamic library"), "{error}");
    }
}
