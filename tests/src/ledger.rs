//! The database of the fixture sinks `ledger-append`, `ledger-exact` and `ledger-flushed`, and the faults that tests inject.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row, params};
use serde::Serialize;

/// The database of a ledger, which may not exist yet.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

/// A row: a record that was written. Rows are in commit order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the row, from 1.
    pub number: i64,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// The process that wrote it.
    pub pid: u32,
    /// Time in milliseconds since 1970.
    pub time_ms: i64,
}

/// What `ledger-exact` and `ledger-flushed` store for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOffset {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Next offset; `None` before the first write.
    pub next_offset: Option<i64>,
    /// How often the partition was claimed.
    pub epoch: i64,
}

/// The faults of a ledger sink: the content of its `fail_file`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SinkFaults {
    /// Probability that a call fails with a retriable error before it does anything.
    pub retriable: f64,
    /// Probability that a write succeeds but returns a retriable error.
    pub lost_answers: f64,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Writes with records of this partition fail with a retriable error.
    pub partition: Option<i32>,
    /// Rejects records whose offset is divisible by this.
    pub reject_every: Option<i64>,
    /// Rejects records without naming them.
    pub unnamed: bool,
    /// Duration of calls in milliseconds.
    pub delay_ms: u64,
    /// Calls do not return until this is false again, even if the host requests a stop. The first of them creates a
    /// file with the same name and the extension `.hanging`, which contains the seed.
    pub hang: bool,
}

impl SinkFaults {
    /// Writes these faults to the `fail_file` of a sink, which reads it before its next call.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_to(&self, file: &Path) {
        let text = serde_json::to_string(self).expect("faults that can be written");
        // Renaming is atomic, so that the sink never reads half a file.
        let draft = file.with_extension("draft");
        fs::write(&draft, text).unwrap_or_else(|error| panic!("{}: {error}", draft.display()));
        fs::rename(&draft, file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

impl Ledger {
    /// The ledger in a database.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// All rows so far.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries_after(0)
    }

    /// The rows after the one with this number.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn entries_after(&self, number: i64) -> Vec<Entry> {
        let sql = "SELECT number, topic, partition, \"offset\", key, value, pid, time_ms FROM records \
                   WHERE number > ?1 ORDER BY number";
        self.query(sql, number, |row| {
            Ok(Entry {
                number: row.get(0)?,
                topic: row.get(1)?,
                partition: row.get(2)?,
                offset: row.get(3)?,
                key: row.get(4)?,
                value: row.get(5)?,
                pid: row.get(6)?,
                time_ms: row.get(7)?,
            })
        })
    }

    /// The number of the last row; 0 if there is none.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn last(&self) -> i64 {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM records WHERE number > ?1";
        self.query(sql, 0, |row| row.get(0)).first().copied().unwrap_or_default()
    }

    /// The offsets of all rows so far, in order, for topics with one partition.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn offsets(&self) -> Vec<i64> {
        self.entries().into_iter().map(|entry| entry.offset).collect()
    }

    /// The stored offset and epoch of each partition.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn stored_offsets(&self) -> Vec<StoredOffset> {
        let sql =
            "SELECT topic, partition, next_offset, epoch FROM offsets WHERE ?1 = 0 ORDER BY topic, partition";
        self.query(sql, 0, |row| {
            let (topic, partition) = (row.get(0)?, row.get(1)?);
            Ok(StoredOffset { topic, partition, next_offset: row.get(2)?, epoch: row.get(3)? })
        })
    }

    /// Claims a partition as another owner would, which fences the current owner.
    ///
    /// # Panics
    /// When nobody has claimed it before.
    pub fn claim(&self, topic: &str, partition: i32) {
        let connection = self.connect().expect("a ledger that is there");
        let sql = "UPDATE offsets SET epoch = epoch + 1 WHERE topic = ?1 AND partition = ?2";
        let claimed = connection.execute(sql, params![topic, partition]).expect("a ledger");
        assert_eq!(claimed, 1, "{topic}[{partition}]");
    }

    fn query<T>(&self, sql: &str, number: i64, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let Some(connection) = self.connect() else { return Vec::new() };
        let rows = connection.prepare(sql).and_then(|mut query| query.query_map([number], read)?.collect());
        match rows {
            Ok(rows) => rows,
            // The sink has opened the database but not created the tables yet.
            Err(error) if error.to_string().contains("no such table") => Vec::new(),
            Err(error) => panic!("{}: {error}", self.path.display()),
        }
    }

    fn connect(&self) -> Option<Connection> {
        // In WAL mode, reading needs write access.
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        connection.busy_timeout(Duration::from_secs(60)).expect("a connection");
        Some(connection)
    }
}
