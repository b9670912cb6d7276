//! The topics and the tables of a case: loading, emptying, waiting until a program has written everything, and comparing.

use std::{
    thread,
    time::{Duration, Instant},
};

use tidegate_tests::{
    Database,
    kafka::{Kafka, flush, send},
};

use super::{
    Scale,
    case::Case,
    changes::{Changes, LAST, MARKERS},
    event::{Change, Events, topic},
    row::{COLUMNS, SELECTED},
};
use crate::{
    load::PARTITIONS,
    process::{Usage, usage},
    summary::Run,
};

/// How often the tables are looked at.
const STEP: Duration = Duration::from_millis(20);
/// How often the program is asked whether it has failed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a program may take to begin, in addition to the time for its work.
const PATIENCE: Duration = Duration::from_secs(60);
/// Changes per second of a program that is too slow.
const TOO_SLOW: usize = 300;

/// One run of one program.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// The program and its settings, for people.
    pub(crate) program: String,
    pub(crate) run: Run,
    /// CPU time of PostgreSQL.
    pub(crate) server_cpu: Duration,
}

/// A program that is being measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) pid: u32,
    /// When the process was started, or the connector was created in it.
    pub(crate) started: Instant,
    /// What the process had used by then.
    pub(crate) before: Usage,
}

/// The topics of a case, which are full, and its tables. Both are removed when it is dropped.
pub(crate) struct Scene<'s> {
    pub(crate) kafka: &'s Kafka,
    pub(crate) database: &'s Database,
    pub(crate) case: &'s Case,
    /// Changes in all topics, without tombstones.
    pub(crate) changes: usize,
    /// The mean size of a change event.
    pub(crate) mean_bytes: usize,
    source: Changes,
}

impl<'s> Scene<'s> {
    /// Creates the topics, fills them, and creates the tables.
    pub(crate) fn load(kafka: &'s Kafka, database: &'s Database, case: &'s Case, scale: Scale) -> Self {
        let mut source = Changes::of(case, scale);
        let events: Vec<Events> = case.table_names().iter().map(|table| Events::of(table)).collect();
        let topics: Vec<String> = case.table_names().iter().map(|table| topic(table)).collect();
        for (table, topic) in case.table_names().iter().zip(&topics) {
            kafka.create_topic(topic, PARTITIONS, 1);
            database.execute(&format!("CREATE TABLE {table} ({COLUMNS})"));
        }
        let producer =
            kafka.producer(&[("linger.ms", "50"), ("batch.size", "500000"), ("compression.type", "lz4")]);
        let (mut changes, mut bytes) = (0, 0);
        let mut load = |table: usize, partition: Option<i32>, change: Change| {
            let row = change.after.or(change.before).expect("a change of a row");
            let (key, value) = (events[table].key(row.key), events[table].value(change));
            let partition = partition.or(Some(row.key as i32 % PARTITIONS));
            send(&producer, &topics[table], partition, Some(&key), Some(&value));
            if change.after.is_none() {
                send(&producer, &topics[table], partition, Some(&key), None);
            }
            changes += 1;
            bytes += value.len();
        };
        let partitions =
            || (0..case.tables).flat_map(|table| (0..PARTITIONS).map(move |partition| (table, partition)));
        partitions().for_each(|(table, partition)| load(table, Some(partition), source.first(partition)));
        while let Some((table, change)) = source.next() {
            load(table, None, change);
        }
        for (table, partition) in partitions() {
            source.last(partition).into_iter().for_each(|change| load(table, Some(partition), change));
        }
        flush(&producer);
        eprintln!("    loaded {changes} changes of {} bytes", bytes / changes);
        Self { kafka, database, case, changes, mean_bytes: bytes / changes, source }
    }

    /// The topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.case.table_names().iter().map(|table| topic(table)).collect()
    }

    /// Empties the tables, starts a program, waits until it has written everything, and compares the tables with their source. `check` is
    /// called while waiting, and panics if the program has failed.
    ///
    /// # Panics
    /// If the program ends or is too slow, or the tables differ from their source.
    pub(crate) fn measure(
        &self,
        program: &str,
        start: impl FnOnce() -> Subject,
        check: impl Fn(),
    ) -> Measured {
        let tables = self.case.table_names();
        self.database.execute(&format!("TRUNCATE {}; CHECKPOINT", tables.join(", ")));
        let server_before = self.database.cpu();
        let subject = start();
        let run = self.wait(subject, check);
        let server_cpu = self.database.cpu() - server_before;
        for (index, table) in tables.iter().enumerate() {
            self.compare(index, table);
        }
        let rate = self.changes as f64 / run.wall.as_secs_f64();
        eprintln!("    {program}: {:.2} s, {rate:.0} changes per second", run.wall.as_secs_f64());
        Measured { program: program.to_owned(), run, server_cpu }
    }

    /// Waits until there is the first row, and until everything is written.
    fn wait(&self, subject: Subject, check: impl Fn()) -> Run {
        let (any, last) = queries(&self.case.table_names());
        let expected = (self.case.tables * PARTITIONS as usize).to_string();
        let deadline = Instant::now() + PATIENCE + Duration::from_secs((self.changes / TOO_SLOW) as u64);
        let mut session = self.database.session();
        let mut checked = Instant::now();
        let mut ask = |query: &str, answer: &str| loop {
            let found = session.execute(query).expect("an answer of PostgreSQL");
            let now = Instant::now();
            if found.trim() == answer {
                return now;
            }
            if now - checked > CHECK_INTERVAL {
                check();
                checked = now;
            }
            assert!(now < deadline, "the program has written {} of {expected} partitions", found.trim());
            // Panics if the process has ended.
            usage(subject.pid);
            thread::sleep(STEP);
        };
        let first = ask(&any, "t");
        let written = ask(&last, &expected);
        let usage = usage(subject.pid);
        let run = Run {
            wall: written - subject.started,
            from_first: Some(written - first),
            cpu: usage.cpu,
            peak_bytes: usage.peak_bytes,
        };
        run.since(subject.before)
    }

    /// Compares a table with its source.
    fn compare(&self, index: usize, table: &str) {
        let mut count = 0;
        self.database.for_each_row(&format!("SELECT {SELECTED} FROM {table}"), |found| {
            let key = found[0].as_deref().and_then(|key| key.parse().ok()).expect("a key");
            let row = self.source.remaining(index, key);
            let expected = row.unwrap_or_else(|| panic!("{table} has the row {key}, which was deleted"));
            let expected = expected.selected();
            let equal =
                found.iter().map(|cell| cell.as_deref()).eq(expected.iter().map(|cell| Some(&**cell)));
            assert!(equal, "{table} has {found:?} instead of {expected:?}");
            count += 1;
        });
        // The key is enforced, so as many rows as in the source are all its rows.
        let expected = self.source.count(index) + PARTITIONS as usize;
        assert_eq!(count, expected, "{table} has another number of rows than its source");
    }
}

/// Whether there is any row, and how many partitions have the row that is inserted at the end, less those that have the row that is deleted
/// at the end. Both are found by the key, so the queries take little time from the program.
fn queries(tables: &[String]) -> (String, String) {
    let any: Vec<String> = tables.iter().map(|table| format!("EXISTS (SELECT FROM {table})")).collect();
    let count = |from: u32, to: u32| {
        let count = |table: &String| {
            format!("(SELECT count(*) FROM {table} WHERE product_id >= {from} AND product_id < {to})")
        };
        tables.iter().map(count).collect::<Vec<_>>().join(" + ")
    };
    let last = format!("SELECT {} - ({})", count(LAST, LAST + PARTITIONS as u32), count(MARKERS, LAST));
    (format!("SELECT {}", any.join(" OR ")), last)
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        // The next case needs the space.
        if !thread::panicking() {
            self.topics().iter().for_each(|topic| self.kafka.delete_topic(topic));
            self.database.execute(&format!("DROP TABLE {}", self.case.table_names().join(", ")));
        }
    }
}
