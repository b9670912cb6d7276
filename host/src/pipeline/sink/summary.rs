//! The log line per batch and table, and its counts.

use std::{fmt, ops::Range, time::Duration};

use tidegate_abi::{Operation, Record, host::Batch};

use crate::plugins::TableRows;

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

/// Logs what was written, a line per table.
pub(super) fn log_written(batch: &Batch, range: Range<usize>, rows: &[TableRows], took: Duration) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let duration_ms = took.as_millis() as u64;
    for events in count(batch.records().skip(range.start).take(range.len())) {
        let changed = changed(rows, &events.table);
        let table = &events.table;
        match changed {
            Some(TableRows { inserted, updated, deleted, skipped, .. }) => tracing::info!(
                rows_inserted = inserted,
                rows_updated = updated,
                rows_deleted = deleted,
                events_skipped = (skipped > 0).then_some(skipped),
                duration_ms,
                "Batch written to {table}: {events}"
            ),
            None => tracing::info!(duration_ms, "Batch written to {table}: {events}"),
        }
    }
}

/// The rows of one table. A sink may write it in several transactions and report each.
fn changed(rows: &[TableRows], table: &str) -> Option<TableRows> {
    let of_table = rows.iter().filter(|rows| rows.table == table).cloned();
    of_table.reduce(|sum, rows| TableRows {
        inserted: sum.inserted + rows.inserted,
        updated: sum.updated + rows.updated,
        deleted: sum.deleted + rows.deleted,
        skipped: sum.skipped + rows.skipped,
        ..sum
    })
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
    fn rows_that_a_sink_tells_in_parts_are_added_up() {
        let rows = |table: &str, inserted, updated, deleted| TableRows {
            table: table.to_owned(),
            inserted,
            updated,
            deleted,
            skipped: 1,
        };
        let told = [rows("a", 1, 2, 3), rows("b", 9, 9, 9), rows("a", 10, 20, 30)];
        assert_eq!(changed(&told, "a"), Some(TableRows { skipped: 2, ..rows("a", 11, 22, 33) }));
        assert_eq!(changed(&told, "c"), None);
    }
}
