//! Limits warnings to one per table.

use std::collections::HashSet;

/// The tables for which the warning was logged.
#[derive(Default)]
pub(crate) struct OncePerTable(HashSet<String>);

impl OncePerTable {
    /// Whether this is the first call for `table`.
    pub(crate) fn is_first(&mut self, table: &str) -> bool {
        // `insert` alone would allocate a string for every record.
        !self.0.contains(table) && self.0.insert(table.to_owned())
    }
}
