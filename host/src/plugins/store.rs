//! The store: private copies of libraries, named by their content.
//!
//! `dlopen` caches by path and by inode, and truncating a mapped file kills the process. So a library is mapped only
//! from a copy that no other process writes to, and the same content is always the same copy.

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{error::PluginError, library::looks_like_library, manifest::LibraryManifest};

/// The folder of private copies.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
    writable: bool,
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
        let store = Self { folder: absolute(&state_dir.join("plugins"))?, writable: true };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&store.folder)
            .map_err(PluginError::io("making", &store.folder))?;
        Ok(store)
    }

    /// A store that is only read: a library that it does not have is used where it is. This is for processes that only
    /// describe and check plugins, in a child process.
    pub(super) fn read_only(state_dir: &Path) -> Result<Self, PluginError> {
        Ok(Self { folder: absolute(&state_dir.join("plugins"))?, writable: false })
    }

    /// Copies `origin` into the store, unless its content is there already.
    pub(super) fn add(&self, origin: &Path) -> Result<Stored, PluginError> {
        let content = fs::read(origin).map_err(PluginError::io("reading", origin))?;
        if !looks_like_library(&content) {
            return Err(PluginError::NotALibrary { path: origin.to_owned() });
        }
        let stem = origin.file_stem().unwrap_or_default().to_string_lossy();
        let digest = Sha256::digest(&content);
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let copy = self.folder.join(format!("{stem}-{hash}.{}", std::env::consts::DLL_EXTENSION));
        // The copy is compared rather than trusted: another user of the state folder may have changed it.
        if fs::read(&copy).is_ok_and(|there| there == content) {
            return Ok(Stored { origin: origin.to_owned(), copy });
        }
        if !self.writable {
            return Ok(Stored { origin: origin.to_owned(), copy: absolute(origin)? });
        }
        self.replace(&copy, &content, 0o500)?;
        // The manifest of a replaced copy does not describe the new one.
        let _absent = fs::remove_file(manifest_path(&copy)).is_err();
        Ok(Stored { origin: origin.to_owned(), copy })
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
        self.replace(&path, &text, 0o600)
    }

    /// Writes a temporary file and renames it, so that no reader sees a partial file.
    fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), PluginError> {
        // Random, since hosts in containers that share a state folder may all have the same process id.
        let temporary = self.folder.join(format!(".{:016x}.tmp", RandomState::new().hash_one(path)));
        let write = || {
            let mut file: File =
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
            file.write_all(content)?;
            drop(file);
            fs::rename(&temporary, path)
        };
        write().map_err(PluginError::io("writing", path))
    }
}

fn absolute(path: &Path) -> Result<PathBuf, PluginError> {
    std::path::absolute(path).map_err(PluginError::io("finding", path))
}

fn manifest_path(copy: &Path) -> PathBuf {
    copy.with_extension("json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_the_same_copy_and_other_content_another() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
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
        let store = Store::open(state.path()).unwrap();
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
        let read_only = Store::read_only(&state.path().join("state")).unwrap();
        let stored = read_only.add(&origin).unwrap();
        assert_eq!((&stored.copy, read_only.manifest(&stored)), (&origin, None));
        assert!(!state.path().join("state").exists());
        let copy = Store::open(&state.path().join("state")).unwrap().add(&origin).unwrap().copy;
        assert_eq!(read_only.add(&origin).unwrap().copy, copy);
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
