//! Appends a batch to several files atomically.
//!
//! Several files cannot be changed atomically, but a single file can be replaced atomically: the journal,
//! `.tidegate/journal.json` in the root folder. It holds the length of every file and the next offset of every partition
//! as of the last commit. A write takes five steps:
//!
//! 1. Lock the folder, because other tasks, connectors and processes may write to it.
//! 2. Read the journal. If the epoch of a partition is newer than that of the batch, the write is fenced.
//! 3. Truncate every file of the batch to its length in the journal: longer data was never committed. Write the lengths of
//!    files that are not in the journal yet to the journal.
//! 4. Append the lines, and flush them to disk.
//! 5. Replace the journal. This is the commit.
//!
//! After a crash before step 5, the next start truncates the files, and the host sends the batch again. After a crash
//! after step 5, the batch is committed, and `claim` returns the offset after it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{self, Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_plugin::{Claim, NextOffset, Partition, Result, prelude::warn};

use crate::{
    buffers::Buffers,
    error::StoreError,
    journal::{Journal, sync_folder},
    placement::{self, OWN_FOLDER},
};

/// How long to wait for the lock of a folder before the call fails.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The files in a folder and its subfolders.
pub(crate) struct Store {
    root: PathBuf,
    journal: PathBuf,
    lock: File,
    fsync: bool,
}

impl Store {
    /// Creates the folder if necessary, and truncates files to their committed length.
    pub(crate) fn open(root: &Path, fsync: bool) -> Result<Self> {
        // Another plugin may change the working directory of the process.
        let root =
            path::absolute(root).map_err(StoreError::io("finding", root)).map_err(StoreError::classify)?;
        let mut above = Vec::new();
        for folder in placement::roots_above(&root) {
            above.push(Self::open_folder(&folder, fsync).map_err(StoreError::classify)?);
        }
        // While these are locked, no other connector begins to write a file below this root.
        for store in &mut above {
            store.begin()?.check_no_file_below(&root).map_err(StoreError::classify)?;
        }
        let mut store = Self::open_folder(&root, fsync).map_err(StoreError::classify)?;
        store.begin()?.recover().map_err(StoreError::classify)?;
        Ok(store)
    }

    fn open_folder(root: &Path, fsync: bool) -> Result<Self, StoreError> {
        let folder = root.join(OWN_FOLDER);
        create_folders(root, fsync)?;
        create_private_folder(&folder)?;
        let path = folder.join("lock");
        // Nobody else can lock the sink out.
        let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(StoreError::io("opening", &path))?;
        Ok(Self { root: root.to_owned(), journal: folder.join("journal.json"), lock, fsync })
    }

    fn lock(&self) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match self.lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::io("locking", &self.journal)(error));
                }
                Err(TryLockError::WouldBlock) if began.elapsed() > LOCK_TIMEOUT => {
                    return Err(StoreError::Locked { path: self.root.join(OWN_FOLDER).join("lock") });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
            }
            pause = (pause * 2).min(LONGEST_LOCK_PAUSE);
        }
    }

    /// Locks the folder, and begins a transaction.
    pub(crate) fn begin(&mut self) -> Result<JournalTransaction<'_>> {
        self.lock().map_err(StoreError::classify)?;
        // From here on, dropping the transaction releases the lock, even if the journal cannot be read.
        let mut transaction = JournalTransaction { store: self, journal: Journal::default() };
        transaction.journal = Journal::load(&transaction.store.journal).map_err(StoreError::classify)?;
        Ok(transaction)
    }
}

/// A transaction that holds the lock and the current journal.
pub(crate) struct JournalTransaction<'s> {
    store: &'s Store,
    journal: Journal,
}

impl Drop for JournalTransaction<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.store.lock.unlock() {
            warn!("unlocking {} failed: {error}", self.store.root.display());
        }
    }
}

impl JournalTransaction<'_> {
    /// Why no lines may be written to the file of this name.
    pub(crate) fn refusal(&self, name: &str) -> Option<String> {
        // A file in the journal was checked when it was written first.
        if self.journal.files.contains_key(name) { None } else { placement::refusal(&self.store.root, name) }
    }

    /// Fails if a file below `root`, the root folder of another sink, belongs to this one.
    fn check_no_file_below(&self, root: &Path) -> Result<(), StoreError> {
        let below = |name: &&String| self.store.root.join(name).starts_with(root);
        match self.journal.files.keys().find(below) {
            Some(name) => Err(StoreError::SharedRoot {
                root: root.to_owned(),
                other: self.store.root.clone(),
                file: name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Claims a partition. Takes effect with the commit.
    pub(crate) fn claim(&mut self, connector: &str, Partition { topic, partition }: Partition<'_>) -> Claim {
        let stored = self.journal.stored_mut(connector, topic, partition);
        stored.epoch += 1;
        // A state that was modified manually is ignored: the host then starts without one.
        let state = STANDARD.decode(&stored.state).unwrap_or_default();
        Claim { next_offset: stored.next_offset, epoch: stored.epoch, state }
    }

    /// Deletes the stored offset of a partition. Takes effect with the commit.
    pub(crate) fn reset_offset(&mut self, connector: &str, Partition { topic, partition }: Partition<'_>) {
        self.journal.stored_mut(connector, topic, partition).next_offset = None;
    }

    /// The stored next offset of a partition. Fails if another task owns the partition.
    pub(crate) fn written_offset(&self, connector: &str, position: NextOffset<'_>) -> Result<i64> {
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

    /// Advances the stored offset of a partition, never backwards. Takes effect with the commit.
    pub(crate) fn advance(&mut self, connector: &str, position: NextOffset<'_>) {
        let stored = self.journal.stored_mut(connector, position.topic, position.partition);
        if stored.next_offset <= Some(position.next_offset) {
            stored.next_offset = Some(position.next_offset);
            stored.state = STANDARD.encode(position.state);
        }
        stored.epoch = position.epoch;
    }

    /// Appends lines to files. Takes effect with the commit. If a file cannot be written, all files are truncated again.
    pub(crate) fn append(&mut self, files: &Buffers) -> Result<()> {
        self.prepare(files).map_err(StoreError::classify)?;
        let appended = files.iter().try_for_each(|(name, lines)| self.append_to(name, lines.text.bytes()));
        if let Err(error) = appended {
            self.undo(files);
            return Err(error.classify());
        }
        for (name, lines) in files.iter() {
            *self.journal.files.entry(name.clone()).or_default() += lines.text.bytes().len() as u64;
        }
        Ok(())
    }

    /// Commits all appended lines, claims and offsets.
    ///
    /// After an error, the new journal may be in place or not, so the files are not changed. The next transaction reads
    /// the journal again.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.store_journal().map_err(StoreError::classify)
    }

    fn store_journal(&mut self) -> Result<(), StoreError> {
        self.journal.store(&self.store.journal, self.store.fsync)
    }

    /// Truncates every file to its committed length.
    fn recover(&mut self) -> Result<(), StoreError> {
        for (name, committed) in &self.journal.files {
            let path = self.store.root.join(name);
            if length(&path)? > *committed {
                truncate(&path, *committed)?;
                warn!(file = %path.display(), "truncated uncommitted lines of the previous run");
            }
        }
        Ok(())
    }

    /// Makes the files match the lengths in the journal, before anything is appended.
    fn prepare(&mut self, files: &Buffers) -> Result<(), StoreError> {
        let mut changed = false;
        for (name, _) in files.iter() {
            let path = self.store.root.join(name);
            let length = length(&path)?;
            match self.journal.files.get(name) {
                Some(committed) if length == *committed => continue,
                Some(committed) if length > *committed => {
                    truncate(&path, *committed)?;
                    continue;
                }
                Some(_) => {
                    warn!(file = %path.display(), "the file was truncated or moved by another program: appending to its end")
                }
                None if length > 0 => {
                    let lines = count_lines(&path)?;
                    warn!(
                        file = %path.display(), lines,
                        "the file exists and is not in the journal: appending to its end. If the journal was deleted, lines are \
                         written again that the file has already"
                    );
                }
                None => {}
            }
            self.journal.files.insert(name.clone(), length);
            changed = true;
        }
        if changed { self.store_journal() } else { Ok(()) }
    }

    fn append_to(&self, name: &str, lines: &[u8]) -> Result<(), StoreError> {
        let path = self.store.root.join(name);
        let is_new = !path.exists();
        let folder = path.parent().unwrap_or(&self.store.root);
        if is_new {
            create_folders(folder, self.store.fsync)?;
        }
        let file = File::options().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(lines)?;
            if self.store.fsync { file.sync_data() } else { Ok(()) }
        });
        written.map_err(StoreError::io("writing", &path))?;
        if is_new && self.store.fsync { sync_folder(folder) } else { Ok(()) }
    }

    /// Truncates the files after a failed write. If that fails, the next write does it.
    fn undo(&self, files: &Buffers) {
        for (name, _) in files.iter() {
            let path = self.store.root.join(name);
            let committed = self.journal.files.get(name).copied().unwrap_or_default();
            let truncated = length(&path)
                .and_then(|length| if length > committed { truncate(&path, committed) } else { Ok(()) });
            if let Err(error) = truncated {
                warn!("undoing a failed write: {error}");
            }
        }
    }
}

fn count_lines(path: &Path) -> Result<u64, StoreError> {
    let count = || -> io::Result<u64> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut lines = 0;
        loop {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(lines);
            }
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let length = bytes.len();
            reader.consume(length);
        }
    };
    count().map_err(StoreError::io("reading", path))
}

/// Length of a file in bytes; 0 if it does not exist.
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

fn truncate(path: &Path, length: u64) -> Result<(), StoreError> {
    let result = File::options().write(true).open(path).and_then(|file| {
        file.set_len(length)?;
        file.sync_all()
    });
    result.map_err(StoreError::io("truncating", path))
}

/// Creates the sink's own folder, which only its user may enter.
fn create_private_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Another task, or an earlier run, has created it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map_err(StoreError::io("creating", folder)),
    }
}

/// Creates a folder and its parents, durably if `fsync` is set.
fn create_folders(folder: &Path, fsync: bool) -> Result<(), StoreError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folders(parent, fsync)?;
    match fs::create_dir(folder) {
        // Another task has created it.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::io("creating", folder)(error));
        }
        _ => {}
    }
    if fsync { sync_folder(parent) } else { Ok(()) }
}
