//! Log lines about what was written, by table.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
    time::{Duration, Instant},
};

use tidegate_abi::{Operation, Record, host::Batch};

use crate::{plugins::TableRows, telemetry};

/// Events of one table in a batch, by operation. Records that are not change events, or events without a table, such as
/// heartbeats, count for their topic.
#[derive(Debug, Default, PartialEq, Eq)]
struct TableEvents {
    table: String,
    inserts: u64,
    updates: u64,
    deletes: u64,
    truncates: u64,
    messages: u64,
    others: u64,
}

impl TableEvents {
    fn add(&mut self, operation: Option<Operation>) {
        let count = match operation {
            Some(Operation::Create | Operation::Read) => &mut self.inserts,
            Some(Operation::Update) => &mut self.updates,
            Some(Operation::Delete) => &mut self.deletes,
            Some(Operation::Truncate) => &mut self.truncates,
            Some(Operation::Message) => &mut self.messages,
            _ => &mut self.others,
        };
        *count += 1;
    }

    /// Adds the counts of other events of the same table.
    fn merge(&mut self, other: Self) {
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.truncates += other.truncates;
        self.messages += other.messages;
        self.others += other.others;
        self.table = other.table;
    }
}

impl fmt::Display for TableEvents {
    /// `50 inserts, 10 updates, 2 deletes`; rare operations only appear if there are any.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inserts, updates, deletes, truncates, messages, others, .. } = self;
        let of_rows = inserts + updates + deletes + truncates > 0;
        let mut separator = "";
        if of_rows {
            write!(formatter, "{inserts} inserts, {updates} updates, {deletes} deletes")?;
            separator = ", ";
        }
        for (count, what) in [(truncates, "truncates"), (messages, "messages"), (others, "records")] {
            if *count > 0 {
                write!(formatter, "{separator}{count} {what}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// What was written to one table since the last line about it.
#[derive(Debug, Default)]
struct Interval {
    events: TableEvents,
    /// Changed rows, if the sink reports them.
    rows: Option<TableRows>,
    batches: u64,
    took: Duration,
}

impl Interval {
    fn log(&self) {
        let Self { events, rows, batches, took } = self;
        let (table, duration_ms) = (&events.table, took.as_millis() as u64);
        let batches = (*batches > 1).then_some(*batches);
        match rows {
            Some(TableRows { inserted, updated, deleted, skipped, .. }) => tracing::info!(
                { telemetry::EVERY_LINE } = true,
                batches,
                rows_inserted = inserted,
                rows_updated = updated,
                rows_deleted = deleted,
                events_skipped = (*skipped > 0).then_some(*skipped),
                duration_ms,
                "Batch written to {table}: {events}"
            ),
            None => tracing::info!(
                { telemetry::EVERY_LINE } = true,
                batches,
                duration_ms,
                "Batch written to {table}: {events}"
            ),
        }
    }
}

/// Logs what a task has written: at most one line per table in an interval, with the sums of the interval.
pub(in crate::pipeline) struct WrittenLog {
    interval: Duration,
    /// What is not logged yet, by table.
    pending: BTreeMap<String, Interval>,
    /// When each table was logged last; only tables of the last interval.
    logged: HashMap<String, Instant>,
}

impl WrittenLog {
    /// With an `interval` of zero, every batch is logged.
    pub(in crate::pipeline) fn new(interval: Duration) -> Self {
        Self { interval, pending: BTreeMap::new(), logged: HashMap::new() }
    }

    /// Adds a written part of a batch, and logs the tables that are due.
    pub(super) fn add(&mut self, batch: &Batch, range: Range<usize>, rows: &[TableRows], took: Duration) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        for events in count(batch.records().skip(range.start).take(range.len())) {
            let changed = changed(rows, &events.table);
            let interval = self.pending.entry(events.table.clone()).or_default();
            interval.rows = match (interval.rows.take(), changed) {
                (Some(before), Some(now)) => Some(sum(before, now)),
                (before, now) => before.or(now),
            };
            interval.events.merge(events);
            interval.batches += 1;
            interval.took += took;
        }
        self.log_due(Instant::now());
    }

    /// Adds the rows that a flush has changed to the lines of the batches before it.
    pub(super) fn add_rows(&mut self, rows: &[TableRows]) {
        for changed in rows {
            let interval = self.pending.entry(changed.table.clone()).or_insert_with(|| Interval {
                events: TableEvents { table: changed.table.clone(), ..TableEvents::default() },
                ..Interval::default()
            });
            interval.rows = Some(match interval.rows.take() {
                Some(before) => sum(before, changed.clone()),
                None => changed.clone(),
            });
        }
    }

    /// How long until the next line is due, if any is pending.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        let due = |table: &String| self.logged.get(table).map_or(now, |logged| *logged + self.interval);
        self.pending.keys().map(due).min().map(|due| due.saturating_duration_since(now))
    }

    /// Logs the tables whose interval is over. The first line of a table is due at once.
    pub(super) fn log_due(&mut self, now: Instant) {
        self.logged.retain(|_, logged| now.saturating_duration_since(*logged) < self.interval);
        let is_due = |table: &&String| !self.logged.contains_key(*table);
        let due: Vec<String> = self.pending.keys().filter(is_due).cloned().collect();
        for table in due {
            self.pending.remove(&table).iter().for_each(Interval::log);
            self.logged.insert(table, now);
        }
    }

    /// Logs everything that is pending.
    pub(super) fn flush(&mut self) {
        std::mem::take(&mut self.pending).values().for_each(Interval::log);
    }
}

impl Drop for WrittenLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The rows of one table. A sink may write it in several transactions and report each.
fn changed(rows: &[TableRows], table: &str) -> Option<TableRows> {
    let of_table = rows.iter().filter(|rows| rows.table == table).cloned();
    of_table.reduce(sum)
}

fn sum(left: TableRows, right: TableRows) -> TableRows {
    TableRows {
        inserted: left.inserted + right.inserted,
        updated: left.updated + right.updated,
        deleted: left.deleted + right.deleted,
        skipped: left.skipped + right.skipped,
        ..left
    }
}

fn count<'b>(records: impl Iterator<Item = Record<'b>>) -> Vec<TableEvents> {
    let mut tables: Vec<TableEvents> = Vec::new();
    for record in records {
        let change = record.change();
        // A tombstone repeats the delete before it, for Kafka's log compaction only.
        if change.is_none() && record.is_tombstone() {
            continue;
        }
        let table = change.map(|change| change.table()).filter(|table| !table.is_empty());
        let table = table.unwrap_or(record.topic());
        let index = tables.iter().position(|events| events.table == table).unwrap_or_else(|| {
            tables.push(TableEvents { table: table.to_owned(), ..TableEvents::default() });
            tables.len() - 1
        });
        tables[index].add(change.map(|change| change.operation()));
    }
    tables
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_abi::host::NewRecord;

    use super::*;
    use crate::formats::{DecoderOptions, RecordDecoder};

    #[test]
    fn the_line_reads_as_operators_know_it() {
        let mut events = TableEvents::default();
        let operations = [Operation::Create, Operation::Read, Operation::Update, Operation::Delete];
        operations.into_iter().for_each(|operation| events.add(Some(operation)));
        assert_eq!(events.to_string(), "2 inserts, 1 updates, 1 deletes");
        events.add(Some(Operation::Truncate));
        assert_eq!(events.to_string(), "2 inserts, 1 updates, 1 deletes, 1 truncates");
        let mut plain = TableEvents::default();
        plain.add(None);
        assert_eq!(plain.to_string(), "1 records");
        plain.add(Some(Operation::Message));
        assert_eq!(plain.to_string(), "1 messages, 1 records");
        events.add(Some(Operation::Message));
        assert_eq!(events.to_string(), "2 inserts, 1 updates, 1 deletes, 1 truncates, 1 messages");
    }

    #[test]
    fn what_has_no_table_counts_for_its_topic() {
        let mut batch = Batch::new();
        let records = [
            (
                "cdc.message",
                r#"{"op":"m","ts_ms":1,"source":{"db":"shop","table":""},"message":{"prefix":"p","content":"aGk="}}"#,
            ),
            (
                "cdc.public.orders",
                r#"{"op":"c","before":null,"after":{"id":1},"source":{"db":"shop","table":"orders"}}"#,
            ),
            ("plain", "1"),
        ];
        for (offset, (topic, value)) in records.iter().enumerate() {
            let slot = batch.slot(&Arc::from(*topic), 0, 1);
            let value = Some(value.as_bytes());
            let record = NewRecord { offset: offset as i64, timestamp_ms: None, key: None, value };
            batch.push(slot, record, std::iter::empty());
        }
        batch.decode(&mut RecordDecoder::new(DecoderOptions::default()));
        let lines: Vec<String> =
            count(batch.records()).iter().map(|events| format!("{}: {events}", events.table)).collect();
        assert_eq!(
            lines,
            ["cdc.message: 1 messages", "orders: 1 inserts, 0 updates, 0 deletes", "plain: 1 records"]
        );
    }

    #[test]
    fn rows_that_a_sink_reports_in_parts_are_added_up() {
        let rows = |table: &str, inserted, updated, deleted| TableRows {
            table: table.to_owned(),
            inserted,
            updated,
            deleted,
            skipped: 1,
        };
        let parts = [rows("a", 1, 2, 3), rows("b", 9, 9, 9), rows("a", 10, 20, 30)];
        assert_eq!(changed(&parts, "a"), Some(TableRows { skipped: 2, ..rows("a", 11, 22, 33) }));
        assert_eq!(changed(&parts, "c"), None);
    }

    fn written(log: &mut WrittenLog, topic: &str, now: Instant) {
        let mut batch = Batch::new();
        let slot = batch.slot(&Arc::from(topic), 0, 1);
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(b"1") };
        batch.push(slot, record, std::iter::empty());
        for events in count(batch.records()) {
            let interval = log.pending.entry(events.table.clone()).or_default();
            interval.events.merge(events);
            interval.batches += 1;
        }
        log.log_due(now);
    }

    fn pending(log: &WrittenLog) -> Vec<(&str, u64)> {
        log.pending.iter().map(|(table, interval)| (table.as_str(), interval.batches)).collect()
    }

    #[test]
    fn a_table_is_logged_at_once_and_then_once_per_interval() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut log = WrittenLog::new(10 * second);
        written(&mut log, "a", start);
        assert_eq!((pending(&log), log.time_left(start)), (vec![], None));
        written(&mut log, "a", start + second);
        written(&mut log, "a", start + 2 * second);
        written(&mut log, "b", start + 2 * second);
        written(&mut log, "b", start + 3 * second);
        assert_eq!(pending(&log), [("a", 2), ("b", 1)]);
        assert_eq!(log.time_left(start + 3 * second), Some(7 * second));
        log.log_due(start + 10 * second);
        assert_eq!(pending(&log), [("b", 1)]);
        log.flush();
        assert_eq!(pending(&log), []);
    }

    #[test]
    fn with_an_interval_of_zero_every_batch_is_logged() {
        let mut log = WrittenLog::new(Duration::ZERO);
        for _ in 0..3 {
            written(&mut log, "a", Instant::now());
            assert_eq!(pending(&log), []);
        }
    }
}
