//! A schema for one test.

use std::{
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Rows, Snowflake, quoted};
use crate::written_records;

/// A schema, which is dropped in a real account when this is dropped.
#[derive(Debug)]
pub struct Schema<'s> {
    service: &'s Snowflake,
    name: String,
}

impl<'s> Schema<'s> {
    pub(crate) fn create(service: &'s Snowflake, name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("TEST_{}_{}_{number}", name.to_uppercase(), process::id());
        let schema = Self { service, name };
        let _status = schema.query(&format!("CREATE SCHEMA IF NOT EXISTS {}", schema.qualified()));
        schema
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `[sink]` table of a connector that writes into this schema. `more` is added to `[sink.config]`.
    #[must_use]
    pub fn sink(&self, more: &str) -> String {
        let options = self.service.options();
        format!(
            "[sink]\nplugin = \"snowflake\"\n[sink.config]\n{options}schema = {}\n{more}\n",
            quoted(&self.name)
        )
    }

    /// Runs a statement.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn query(&self, sql: &str) -> Rows {
        // The schema may not exist yet.
        self.service.query("PUBLIC", sql)
    }

    /// All rows of a table.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn table(&self, name: &str) -> Rows {
        self.query(&format!("SELECT * FROM {}", self.qualified_table(name)))
    }

    /// The names of its tables.
    ///
    /// # Panics
    /// If the query fails.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let database = identifier(self.service.database());
        let rows = self.query(&format!(
            "SELECT TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{}' ORDER BY 1",
            self.name
        ));
        rows.rows.into_iter().flatten().flatten().collect()
    }

    /// The number of records that a connector has written: the sum of the offsets that its lanes have covered together.
    ///
    /// # Panics
    /// If a query fails.
    #[must_use]
    pub fn stored_offsets(&self, connector: &str) -> usize {
        let ending = format!("offsets_{connector}");
        let is_offsets = |table: &String| table.starts_with("_cdc_") && table.ends_with(&ending);
        let mut rows = Vec::new();
        for table in self.tables().iter().filter(|table| is_offsets(table)) {
            let columns = r#""topic", "partition"::VARCHAR, "warehouse", "next_offset"::VARCHAR, "state""#;
            rows.extend(self.query(&format!("SELECT {columns} FROM {}", self.qualified_table(table))).rows);
        }
        written_records(rows)
    }

    /// The quoted name of a table.
    #[must_use]
    pub fn qualified_table(&self, name: &str) -> String {
        format!("{}.{}", self.qualified(), identifier(name))
    }

    fn qualified(&self) -> String {
        format!("{}.{}", identifier(self.service.database()), identifier(&self.name))
    }
}

impl Drop for Schema<'_> {
    fn drop(&mut self) {
        if let Snowflake::Account(_) = self.service {
            let _status = self.query(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.qualified()));
        }
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
