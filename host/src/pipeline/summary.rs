//! The line per batch and table that operators know, and its counts.

use std::{fmt, ops::Range, time::Duration};

use tidegate_abi::{Operation, Record, host::Batch};

use crate::plugins::TableRows;

/// Events of one table in a batch, by operation. For records that are no change events, the table is their topic.
#[derive(Debug, Default, PartialEq, Eq)]
struct TableEvents {
    table: String,
    inserts: u64,
    updates: u64,
    deletes: u64,
    truncates: u64,
    others: u64,
}

impl TableEvents {
    fn add(&mut self, operation: Option<Operation>) {
        let count = match operation {
            Some(Operation::Create | Operation::Read) => &mut self.inserts,
            Some(Operation::Update) => &mut self.updates,
            Some(Operation::Delete) => &mut self.deletes,
            Some(Operation::Truncate) => &mut self.truncates,
            _ => &mut self.others,
        };
        *count += 1;
    }
}

impl fmt::Display for TableEvents {
    /// `50 inserts, 10 updates, 2 deletes`; what is rare is only named when it is there.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inserts, updates, deletes, truncates, others, .. } = self;
        if inserts + updates + deletes + truncates == 0 {
            return write!(formatter, "{others} records");
        }
        write!(formatter, "{inserts} inserts, {updates} updates, {deletes} deletes")?;
        if *truncates > 0 {
            write!(formatter, ", {truncates} truncates")?;
        }
        if *others > 0 {
            write!(formatter, ", {others} records")?;
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

/// The rows of one table. A sink may write it in several transactions and tell of each.
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
        // A tombstone repeats the delete before it, for Kafka's compaction alone.
        if change.is_none() && record.is_tombstone() {
            continue;
        }
        let table = change.map_or(record.topic(), |change| change.table());
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
    use super::*;

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
