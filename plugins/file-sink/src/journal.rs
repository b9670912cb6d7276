//! The journal: committed file lengths and offsets. Replacing it is the commit.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Version of the journal's format.
const VERSION: u32 = 1;

/// The committed state.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    version: u32,
    /// By connector, then by `topic/partition`. Topic names contain no slash.
    pub(crate) partitions: BTreeMap<String, BTreeMap<String, Stored>>,
    /// Committed length of each file, by its path relative to the root.
    pub(crate) files: BTreeMap<String, u64>,
}

/// The stored position of a partition.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Next offset to write; none before the first write.
    pub(crate) next_offset: Option<i64>,
    /// Epoch of the owner.
    pub(crate) epoch: u64,
    /// State of the host as of the offset, in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) state: String,
}

impl Journal {
    /// Reads the journal; returns an empty one if it does not exist.
    pub(crate) fn load(path: &Path) -> Result<Self, StoreError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(StoreError::io("reading", path)(error)),
        };
        let journal: Self = serde_json::from_slice(&text)
            .map_err(|source| StoreError::Damaged { path: path.to_owned(), source })?;
        if journal.version > VERSION {
            return Err(StoreError::TooNew { path: path.to_owned(), version: journal.version });
        }
        Ok(journal)
    }

    /// Replaces the journal atomically: after a crash, either the old or the new one is complete.
    pub(crate) fn store(&mut self, path: &Path, fsync: bool) -> Result<(), StoreError> {
        self.version = VERSION;
        let text = serde_json::to_vec(self)
            .map_err(|source| StoreError::Damaged { path: path.to_owned(), source })?;
        let new = path.with_extension("new");
        write_file(&new, &text, fsync).map_err(StoreError::io("writing", &new))?;
        fs::rename(&new, path).map_err(StoreError::io("replacing", path))?;
        match path.parent() {
            Some(folder) if fsync => sync_folder(folder),
            _ => Ok(()),
        }
    }

    /// The stored position of a partition of a connector.
    pub(crate) fn stored(&self, connector: &str, topic: &str, partition: i32) -> Option<&Stored> {
        self.partitions.get(connector)?.get(&key(topic, partition))
    }

    /// The entry for a partition of a connector.
    pub(crate) fn stored_mut(&mut self, connector: &str, topic: &str, partition: i32) -> &mut Stored {
        self.partitions.entry(connector.to_owned()).or_default().entry(key(topic, partition)).or_default()
    }
}

fn key(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

fn write_file(path: &Path, text: &[u8], fsync: bool) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    if fsync { file.sync_all() } else { Ok(()) }
}

/// Makes created and renamed entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("flushing", folder))
}
