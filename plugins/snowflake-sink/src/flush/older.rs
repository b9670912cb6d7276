//! Events that changed nothing since their rows are newer: counted, and warned of where the source is not known to have sent
//! them before.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use tidegate_plugin::prelude::warn;

use super::transaction::{Changed, Outcome};
use crate::{
    config::UpdateMissing,
    plan::{Folded, Step, Work},
};

/// How often a table is warned of.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many events of one table changed nothing since they are older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Older {
    /// Than their rows in the table.
    pub(super) rows: u64,
    /// Than others of their row in the batch.
    pub(super) in_batch: u64,
    /// Rows of the batch whose last event the source has sent before: they are expected to change nothing.
    pub(super) resent: u64,
}

impl Older {
    /// Tells rows that are newer from rows that are not there. Where nobody looks for missing rows, ineffective deletes
    /// count as deletes of missing rows.
    pub(super) fn of(
        table: &str,
        changed: &Changed,
        outcome: &Outcome,
        work: &Work<'_>,
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

/// What was warned of, by table.
#[derive(Debug, Default)]
pub(super) struct OlderLog(HashMap<String, Warned>);

#[derive(Debug)]
struct Warned {
    at: Instant,
    /// Events since then.
    since: u64,
}

impl OlderLog {
    /// Warns of events that are older than their rows and were not sent before, or counts them until it is time again.
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
            "{count} rows were left as they are: the table holds newer events of them, and the source is not known to have \
             sent these before. That is normal after offsets were set back; if the source was restored or replaced, load \
             the table again, or set order_by = \"offset\""
        );
    }

    /// Says what was counted and not warned of, at the end.
    pub(super) fn close(&mut self) {
        for (table, warned) in self.0.drain().filter(|(_, warned)| warned.since > 0) {
            warn!(
                table,
                "{} more rows were left as they are, since the table holds newer events", warned.since
            );
        }
    }
}
