//! Updates and deletes that matched no row: told with some of their keys, and not more than once a minute per table.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tidegate_plugin::prelude::warn;

use crate::config::UpdateMissing;

/// How often a table is told about.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many keys are shown.
const SHOWN: usize = 5;

/// What was told, by table.
#[derive(Debug, Default)]
pub(crate) struct UnmatchedLog(HashMap<String, Told>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Keys since then that were not told.
    untold: u64,
}

impl UnmatchedLog {
    /// Tells about keys without a row, or counts them until it is time again.
    pub(crate) fn add(&mut self, table: &Rc<str>, keys: &[String], missing: UpdateMissing) {
        let now = Instant::now();
        let count = keys.len() as u64;
        let mut untold = 0;
        if let Some(told) = self.0.get_mut(&**table) {
            if now.duration_since(told.at) < INTERVAL {
                told.untold += count;
                return;
            }
            untold = told.untold;
        }
        self.0.insert((**table).to_owned(), Told { at: now, untold: 0 });
        let shown = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let outcome = match missing {
            UpdateMissing::Insert => "updates were inserted",
            UpdateMissing::Skip => "updates were skipped",
        };
        warn!(table = &**table, keys = %shown, "{} updates or deletes matched no row; {outcome}", count + untold);
    }

    /// Tells what is left, at the end.
    pub(crate) fn close(&mut self) {
        for (table, told) in self.0.drain().filter(|(_, told)| told.untold > 0) {
            warn!(table, "{} more updates or deletes matched no row", told.untold);
        }
    }
}
