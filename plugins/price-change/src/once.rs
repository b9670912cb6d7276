//! Limits warnings to one per table.

use std::collections::HashSet;

/// Tables to warn of, and bytes of their names: records bring these, so they must not fill the memory.
const MAX_TABLES: usize = 1_000;
const MAX_NAME: usize = 512;

/// The tables for which the warning was logged.
#[derive(Default)]
pub(crate) struct OncePerTable(HashSet<String>);

impl OncePerTable {
    /// Whether this is the first call for `table`. Never for further tables once there are many, or if its name is very long.
    pub(crate) fn is_first(&mut self, table: &str) -> bool {
        // `insert` alone would allocate a string for every record.
        let has_room = self.0.len() < MAX_TABLES && table.len() <= MAX_NAME;
        has_room && !self.0.contains(table) && self.0.insert(table.to_owned())
    }
}
