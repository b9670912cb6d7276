//! What is said once per table, and not per record.

use std::collections::HashSet;

/// The tables that something was said about.
#[derive(Default)]
pub(crate) struct OncePerTable(HashSet<String>);

impl OncePerTable {
    /// Whether this is the first time for `table`.
    pub(crate) fn is_first(&mut self, table: &str) -> bool {
        // `insert` alone would allocate the name for every record.
        !self.0.contains(table) && self.0.insert(table.to_owned())
    }
}
