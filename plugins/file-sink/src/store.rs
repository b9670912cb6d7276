//! Files that a batch is appended to all or nothing, whatever happens in between.
//!
//! Several files cannot change at once, but one can be replaced at once: the journal, `.tidegate/journal.json` in the
//! root folder. It holds the length of every file and the next offset of every partition as of the last commit. A
//! write takes five steps:
//!
//! 1. Take the folder's lock: tasks of one connector, other connectors and other processes wait for each other.
//! 2. Read the journal. A partition whose epoch is newer than the batch's is fenced.
//! 3. Cut every file that the batch goes to back to its length in the journal: what is longer was never committed.
//!    Lengths of files that the journal does not know yet are written to it first.
//! 4. Append, and wait for the disk.
//! 5. Replace the journal: this is the commit.
//!
//! A crash before step 5 leaves tails that the next start cuts off, and the host sends the batch again; a crash after
//! it leaves a batch that counts, and `claim` tells the host to go on behind it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_plugin::{Claim, NextOffset, Partition, Result, prelude::warn};

use crate::{
    error::StoreError,
    journal::{Journal, sync_folder},
};

/// Lines for one file.
#[derive(Default)]
pub(crate) struct Lines {
    /// The lines, each with its line break.
    pub(crate) text: String,
    /// How many they are.
    pub(crate) count: u64,
}

/// The files below a folder.
pub(crate) struct Store {
    root: PathBuf,
    journal: PathBuf,
    lock: File,
    fsync: bool,
}

impl Store {
    /// Makes the folder if need be, and cuts off what was not committed.
    pub(crate) fn open(root: &Path, fsync: bool) -> Result<Self> {
        let folder = root.join(".tidegate");
        create_folders(&folder, fsync).map_err(StoreError::classify)?;
        let path = folder.join("lock");
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(StoreError::io("opening", &path)).map_err(StoreError::classify)?;
        let mut store = Self { root: root.to_owned(), journal: folder.join("journal.json"), lock, fsync };
        store.turn()?.recover().map_err(StoreError::classify)?;
        Ok(store)
    }

    /// Waits until nobody else writes below the folder.
    pub(crate) fn turn(&mut self) -> Result<Turn<'_>> {
        self.lock.lock().map_err(StoreError::io("locking", &self.journal)).map_err(StoreError::classify)?;
        // From here on the lock is released by dropping the turn, even if the journal cannot be read.
        let mut turn = Turn { store: self, journal: Journal::default() };
        turn.journal = Journal::load(&turn.store.journal).map_err(StoreError::classify)?;
        Ok(turn)
    }
}

/// The time during which the files are ours alone, with the journal as it stands.
pub(crate) struct Turn<'s> {
    store: &'s Store,
    journal: Journal,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.store.lock.unlock() {
            warn!("unlocking {}: {error}", self.store.root.display());
        }
    }
}

impl Turn<'_> {
    /// Takes a partition over. The claim counts from the commit on.
    pub(crate) fn claim(&mut self, connector: &str, Partition { topic, partition }: Partition<'_>) -> Claim {
        let stored = self.journal.stored_mut(connector, topic, partition);
        stored.epoch += 1;
        // A state that was changed by hand is as good as none: the host then knows nothing of the records before.
        let state = STANDARD.decode(&stored.state).unwrap_or_default();
        Claim { next_offset: stored.next_offset, epoch: stored.epoch, state }
    }

    /// Forgets how far a partition is. It counts from the commit on.
    pub(crate) fn forget(&mut self, connector: &str, Partition { topic, partition }: Partition<'_>) {
        self.journal.stored_mut(connector, topic, partition).next_offset = None;
    }

    /// The offset below which the records of a partition are in the files; fails if another task owns it.
    pub(crate) fn written_below(&self, connector: &str, position: NextOffset<'_>) -> Result<i64> {
        let Some(stored) = self.journal.stored(connector, position.topic, position.partition) else {
            return Ok(i64::MIN);
        };
        if stored.epoch > position.epoch {
            let topic = position.topic.to_owned();
            let (partition, claimed, held) = (position.partition, stored.epoch, position.epoch);
            return Err(StoreError::Fenced { topic, partition, claimed, held }.classify());
        }
        Ok(stored.next_offset.unwrap_or(i64::MIN))
    }

    /// Notes where a partition stands. It counts from the commit on, and never goes back.
    pub(crate) fn advance(&mut self, connector: &str, position: NextOffset<'_>) {
        let stored = self.journal.stored_mut(connector, position.topic, position.partition);
        if stored.next_offset <= Some(position.next_offset) {
            stored.next_offset = Some(position.next_offset);
            stored.state = STANDARD.encode(position.state);
        }
        stored.epoch = position.epoch;
    }

    /// Appends lines to files. They count from the commit on; if any cannot be written, none stays.
    pub(crate) fn append(&mut self, files: &BTreeMap<String, Lines>) -> Result<()> {
        self.settle(files).map_err(StoreError::classify)?;
        let appended = files.iter().try_for_each(|(name, lines)| self.append_to(name, &lines.text));
        if let Err(error) = appended {
            self.take_back(files);
            return Err(error.classify());
        }
        for (name, lines) in files {
            *self.journal.files.entry(name.clone()).or_default() += lines.text.len() as u64;
        }
        Ok(())
    }

    /// Makes all that was appended, claimed and advanced count.
    ///
    /// If it fails, the new journal may be in place all the same: the files are left alone, and the next turn sees.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.store_journal().map_err(StoreError::classify)
    }

    fn store_journal(&mut self) -> Result<(), StoreError> {
        self.journal.store(&self.store.journal, self.store.fsync)
    }

    /// Cuts every file back to its committed length.
    fn recover(&mut self) -> Result<(), StoreError> {
        for (name, committed) in &self.journal.files {
            let path = self.store.root.join(name);
            if length(&path)? > *committed {
                cut(&path, *committed)?;
                warn!(file = %path.display(), "cut off lines that were not committed when the last run ended");
            }
        }
        Ok(())
    }

    /// Brings the files and their lengths in the journal together, before anything is appended.
    fn settle(&mut self, files: &BTreeMap<String, Lines>) -> Result<(), StoreError> {
        let mut changed = false;
        for name in files.keys() {
            let path = self.store.root.join(name);
            let length = length(&path)?;
            match self.journal.files.get(name) {
                Some(committed) if length == *committed => continue,
                Some(committed) if length > *committed => {
                    cut(&path, *committed)?;
                    continue;
                }
                Some(_) => {
                    warn!(file = %path.display(), "somebody cut or moved the file: going on at its end")
                }
                None => {}
            }
            self.journal.files.insert(name.clone(), length);
            changed = true;
        }
        if changed { self.store_journal() } else { Ok(()) }
    }

    fn append_to(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.store.root.join(name);
        let is_new = !path.exists();
        let folder = path.parent().unwrap_or(&self.store.root);
        if is_new {
            create_folders(folder, self.store.fsync)?;
        }
        let file = File::options().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            if self.store.fsync { file.sync_data() } else { Ok(()) }
        });
        written.map_err(StoreError::io("writing", &path))?;
        if is_new && self.store.fsync { sync_folder(folder) } else { Ok(()) }
    }

    /// Cuts off what a failed write left. What cannot be cut now is cut before the next write.
    fn take_back(&self, files: &BTreeMap<String, Lines>) {
        for name in files.keys() {
            let path = self.store.root.join(name);
            let committed = self.journal.files.get(name).copied().unwrap_or_default();
            let taken_back = length(&path)
                .and_then(|length| if length > committed { cut(&path, committed) } else { Ok(()) });
            if let Err(error) = taken_back {
                warn!("{error}");
            }
        }
    }
}

/// Bytes of a file, 0 if there is none.
fn length(path: &Path) -> Result<u64, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            Err(StoreError::io("writing", path)(io::ErrorKind::IsADirectory.into()))
        }
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StoreError::io("looking at", path)(error)),
    }
}

fn cut(path: &Path, length: u64) -> Result<(), StoreError> {
    let cut = File::options().write(true).open(path).and_then(|file| {
        file.set_len(length)?;
        file.sync_all()
    });
    cut.map_err(StoreError::io("cutting", path))
}

/// Makes a folder and those above it, each surviving a power cut.
fn create_folders(folder: &Path, fsync: bool) -> Result<(), StoreError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folders(above, fsync)?;
    match fs::create_dir(folder) {
        // Another task was quicker.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::io("making", folder)(error));
        }
        _ => {}
    }
    if fsync { sync_folder(above) } else { Ok(()) }
}
