//! A connection to the file. Calls block: a task has a thread of its own, and SQLite works within it.

mod error;
#[cfg(test)]
mod tests;

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig, params_from_iter, types::ValueRef};
use tidegate_cdc::session::{Answer, Class, SqlError, Statement};

use error::Errors;

/// What is set for every connection.
///
/// With `synchronous = FULL`, a commit is on the disk when it returns. With NORMAL, a power failure can undo the last transactions. The
/// rows and their offsets would be undone together, but Kafka may have deleted the records in the meantime.
///
/// Tables are written one after the other, in any order, so foreign keys of the user's own can only be checked by the source.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;";

/// A connection, with one transaction at a time.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    errors: Errors,
    /// Device and inode of the file; `None` for a database in memory.
    file: Option<(u64, u64)>,
    /// Whether the state of the connection is unknown.
    is_broken: bool,
}

impl Session {
    /// Opens the file, and creates it and its folder if they do not exist.
    ///
    /// # Errors
    /// If it cannot be opened or written.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, SqlError> {
        let errors = Errors { path: path.to_owned(), busy_timeout };
        let failed = |error: rusqlite::Error| errors.of("open", &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if let Some(folder) = path.parent() {
            // If there is no folder now, opening the file fails with a hint.
            let _created = fs::create_dir_all(folder).is_ok();
        }
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(busy_timeout).map_err(failed)?;
        if connection.is_readonly("main").map_err(failed)? {
            return Err(errors.read_only());
        }
        set_up(&connection).map_err(failed)?;
        let file = identity(path);
        Ok(Self { connection, errors, file, is_broken: false })
    }

    fn execute_batch(&mut self, kind: &'static str, text: &str) -> Result<(), SqlError> {
        self.connection.execute_batch(text).map_err(|error| self.failed(kind, &error))
    }

    fn answer(&self, statement: &Statement<'_>) -> rusqlite::Result<Answer> {
        let mut prepared = self.connection.prepare(statement.text)?;
        let mut answer = Answer::default();
        if prepared.column_count() > 0 {
            answer.columns = prepared.column_names().map(str::to_owned).collect();
            let mut rows = prepared.query(params_from_iter(statement.binds))?;
            while let Some(row) = rows.next()? {
                let values = (0..answer.columns.len()).map(|index| row.get_ref(index).map(shown));
                answer.rows.push(values.collect::<rusqlite::Result<_>>()?);
            }
            return Ok(answer);
        }
        let changed = prepared.execute(params_from_iter(statement.binds))? as u64;
        match statement.kind {
            "INSERT" => answer.inserted = changed,
            "UPDATE" => answer.updated = changed,
            "DELETE" => answer.deleted = changed,
            _ => {}
        }
        Ok(answer)
    }

    fn failed(&mut self, kind: &'static str, error: &rusqlite::Error) -> SqlError {
        let error = self.errors.of(kind, error);
        // The page cache may be wrong after an error of the disk.
        self.is_broken |= error.class == Class::Session;
        error
    }
}

impl tidegate_cdc::session::Session for Session {
    async fn run(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        self.answer(statement).map_err(|error| self.failed(statement.kind, &error).about(statement))
    }

    /// Takes the lock for writing at once: a transaction that began with reading could not write after another one has written.
    async fn begin(&mut self, _tag: &str) -> Result<(), SqlError> {
        self.execute_batch("BEGIN", "BEGIN IMMEDIATE")
    }

    async fn commit(&mut self, _tag: &str) -> Result<(), SqlError> {
        let committed = self.execute_batch("COMMIT", "COMMIT");
        self.is_broken |= committed.is_err();
        committed
    }

    async fn rollback(&mut self, _tag: &str) -> Result<(), SqlError> {
        // Some errors, such as that of a full disk, have already rolled it back.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        let rolled_back = self.execute_batch("ROLLBACK", "ROLLBACK");
        self.is_broken |= rolled_back.is_err();
        rolled_back
    }

    fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// A file that was deleted or replaced can still be written, but nobody would see what was written.
    fn is_stale(&self) -> bool {
        self.is_broken || (self.file.is_some() && identity(&self.errors.path) != self.file)
    }

    async fn close(self) {
        // The connection is dropped in any case, which ends the transaction.
        let _closed = self.connection.close().is_ok();
    }
}

/// Settings of a connection, and the journal mode of the file.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // A quoted name that is no column would otherwise be a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.execute_batch(SETTINGS)?;
    let mode = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode")? != "wal" {
        // With a write-ahead log, readers and the sink do not wait for each other. Some network file systems have no shared memory:
        // there, the mode stays what it was.
        mode("PRAGMA journal_mode = WAL")?;
    }
    Ok(())
}

/// Device and inode of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A value as text.
fn shown(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}
