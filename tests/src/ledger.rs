//! What the fixture sinks `ledger-append` and `ledger-exact` have in their database, and what is made to go wrong there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row, params};
use serde::Serialize;

/// The database of a ledger, which need not be there yet.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

/// One row: a record that a write made durable. Rows are in the order in which the writes became so.
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
    /// Process that wrote it.
    pub pid: u32,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// What `ledger-exact` keeps of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Next offset; none before the first write.
    pub next_offset: Option<i64>,
    /// How often the partition was claimed.
    pub epoch: i64,
}

/// What goes wrong in calls of a ledger's sink: the content of its `fail_file`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SinkFaults {
    /// How likely a call fails with a retriable error before it has done anything, from 0 to 1.
    pub retriable: f64,
    /// How likely a write is kept and yet answered with a retriable error, from 0 to 1.
    pub lost_answers: f64,
    /// What the likelihoods are drawn from.
    pub seed: u64,
    /// Writes with records of this partition fail with a retriable error.
    pub partition: Option<i32>,
    /// Records are refused whose offset is divisible by this.
    pub reject_every: Option<i64>,
    /// Records are refused without saying which.
    pub unnamed: bool,
    /// How long calls take, in milliseconds.
    pub delay_ms: u64,
    /// Calls do not return, whatever the host asks, until the file says otherwise. The first of them makes a file of the
    /// same name that ends in `.hanging`, with the seed in it.
    pub hang: bool,
}

impl SinkFaults {
    /// Makes these the faults of the sinks whose `fail_file` this is, from their next call on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn put(&self, file: &Path) {
        let text = serde_json::to_string(self).expect("faults that can be written");
        // Another one is read as long as this is not whole.
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

    /// The rows after the one of this number.
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

    /// The number of the last row; 0 where there is none.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn last(&self) -> i64 {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM records WHERE number > ?1";
        self.query(sql, 0, |row| row.get(0)).first().copied().unwrap_or_default()
    }

    /// The offsets of all rows so far, in order; for topics of one partition.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn offsets(&self) -> Vec<i64> {
        self.entries().into_iter().map(|entry| entry.offset).collect()
    }

    /// What is kept of each partition.
    ///
    /// # Panics
    /// When the database holds something else.
    #[must_use]
    pub fn kept(&self) -> Vec<Keeping> {
        let sql =
            "SELECT topic, partition, next_offset, epoch FROM offsets WHERE ?1 = 0 ORDER BY topic, partition";
        self.query(sql, 0, |row| {
            let (topic, partition) = (row.get(0)?, row.get(1)?);
            Ok(Keeping { topic, partition, next_offset: row.get(2)?, epoch: row.get(3)? })
        })
    }

    /// Claims a partition as another owner would: whoever has it now is fenced.
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
            // Whoever opens it first has not made its tables yet.
            Err(error) if error.to_string().contains("no such table") => Vec::new(),
            Err(error) => panic!("{}: {error}", self.path.display()),
        }
    }

    fn connect(&self) -> Option<Connection> {
        // Reading takes part in the write-ahead log, and so needs to write.
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        connection.busy_timeout(Duration::from_secs(60)).expect("a connection");
        Some(connection)
    }
}
