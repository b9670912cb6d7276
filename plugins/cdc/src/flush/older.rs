//! Counts events without effect because their rows are newer, and logs a warning if they are not known to be resent by the
//! source.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use tidegate_plugin::prelude::warn;

use super::transaction::{Outcome, RowCounts};
use crate::{
    options::UpdateMissing,
    plan::{Folded, Step, TablePlans},
};

/// Interval of warnings for a table.
const INTERVAL: Duration = Duration::from_secs(60);

/// Number of outdated events of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Older {
    /// Older than their rows in the table.
    pub(super) rows: u64,
    /// Older than another event of their row in the batch.
    pub(super) in_batch: u64,
    /// Rows of the batch whose last event was resent by the source, which are expected to have no effect.
    pub(super) resent: u64,
}

impl Older {
    /// Versions that the table has already, and unchanged rows that were read again: neither is unexpected.
    pub(super) fn of_versions(table: &str, changed: &RowCounts, work: &TablePlans<'_>) -> Self {
        let plans = work.values().filter(|plan| plan.route.table == table);
        let skipped = plans.flat_map(|plan| &plan.steps).map(|step| match step {
            Step::Versions(versions) => versions.skipped(),
            _ => 0,
        });
        Self { rows: changed.unchanged, in_batch: skipped.sum(), resent: changed.unchanged }
    }

    /// Distinguishes newer rows from missing rows. If missing rows are not detected, deletes without effect
    /// are counted as deletes of missing rows.
    pub(super) fn of(
        table: &str,
        changed: &RowCounts,
        outcome: &Outcome,
        work: &TablePlans<'_>,
        missing: UpdateMissing,
    ) -> Self {
        let plans = work.values().filter(|plan| plan.route.table == table);
        let folded = plans.flat_map(|plan| &plan.steps).filter_map(|step| match step {
            Step::Upsert(rows) => Some(rows.rows()),
            _ => None,
        });
        let folded: Vec<&Folded<'_>> = folded.flatten().collect();
        let unmatched = outcome.unmatched.iter().filter(|(of, _)| &**of == table).flat_map(|(_, keys)| keys);
        let unmatched: HashSet<&str> = unmatched.map(String::as_str).collect();
        let is_unmatched = |row: &&&Folded<'_>| unmatched.contains(&*row.key_text);
        let missing_rows = if unmatched.is_empty() {
            changed.unchanged_deletes
        } else {
            let counts = |row: &&&Folded<'_>| row.is_delete() || missing == UpdateMissing::Skip;
            folded.iter().filter(counts).filter(is_unmatched).count() as u64
        };
        Self {
            rows: changed.unchanged.saturating_sub(missing_rows),
            in_batch: folded.iter().map(|row| row.older).sum(),
            resent: folded.iter().filter(|row| row.last.change.is_resent()).count() as u64,
        }
    }
}

/// Last warnings, by table.
#[derive(Debug, Default)]
pub(super) struct OlderLog(HashMap<String, Warned>);

#[derive(Debug)]
struct Warned {
    at: Instant,
    /// Events since the last warning.
    since: u64,
}

impl OlderLog {
    /// Logs outdated events that were not resent, or counts them until the next warning is due.
    pub(super) fn add(&mut self, table: &str, older: &Older) {
        let unexpected = older.rows.saturating_sub(older.resent);
        if unexpected == 0 {
            return;
        }
        let now = Instant::now();
        let mut count = unexpected;
        if let Some(warned) = self.0.get_mut(table) {
            if now.duration_since(warned.at) < INTERVAL {
                warned.since += unexpected;
                return;
            }
            count += warned.since;
        }
        self.0.insert(table.to_owned(), Warned { at: now, since: 0 });
        warn!(
            table,
            "{count} rows were not changed: the table has newer events of them, and the source is not known to have \
             sent these before. This is normal after the consumer group was reset; if the source was restored or replaced, load \
             the table again, or set order_by = \"offset\""
        );
    }

    /// Logs the remaining counts.
    pub(super) fn close(&mut self) {
        for (table, warned) in self.0.drain().filter(|(_, warned)| warned.since > 0) {
            warn!(table, "{} more rows were not changed because the table has newer events", warned.since);
        }
    }
}
