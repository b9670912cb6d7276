//! Logs updates and deletes that matched no row, with some keys, at most once a minute per table.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tidegate_plugin::prelude::warn;

use crate::options::UpdateMissing;

/// Interval of warnings for a table.
const INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of keys in a warning.
const MAX_SHOWN_KEYS: usize = 5;

/// Last warnings, by table.
#[derive(Debug, Default)]
pub(crate) struct UnmatchedLog(HashMap<String, Reported>);

#[derive(Debug)]
struct Reported {
    at: Instant,
    /// Keys since the last warning.
    unreported: u64,
}

impl UnmatchedLog {
    /// Logs keys without a row, or counts them until the next warning is due.
    pub(crate) fn add(&mut self, table: &Rc<str>, keys: &[String], missing: UpdateMissing) {
        let now = Instant::now();
        let count = keys.len() as u64;
        let mut unreported = 0;
        if let Some(reported) = self.0.get_mut(&**table) {
            if now.duration_since(reported.at) < INTERVAL {
                reported.unreported += count;
                return;
            }
            unreported = reported.unreported;
        }
        self.0.insert((**table).to_owned(), Reported { at: now, unreported: 0 });
        let shown = keys.iter().take(MAX_SHOWN_KEYS).map(String::as_str).collect::<Vec<_>>().join(", ");
        let outcome = match missing {
            UpdateMissing::Insert => "updates were inserted",
            UpdateMissing::Skip => "updates were skipped",
        };
        warn!(table = &**table, keys = %shown, "{} updates or deletes matched no row; {outcome}", count + unreported);
    }

    /// Logs the remaining counts.
    pub(crate) fn close(&mut self) {
        for (table, reported) in self.0.drain().filter(|(_, reported)| reported.unreported > 0) {
            warn!(table, "{} more updates or deletes matched no row", reported.unreported);
        }
    }
}
