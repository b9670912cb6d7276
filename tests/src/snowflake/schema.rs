//! A schema for one test, and what it writes into connector files.

use std::{
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Rows, Snowflake, quoted};

/// A schema; dropped with the test.
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

    /// The sink's part of a connector file that writes into this schema. `more` is the rest of the sink's configuration.
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
        // The schema of the session may not be there yet.
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
    /// When the service does not tell.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let database = identifier(self.service.database());
        let rows = self.query(&format!(
            "SELECT TABLE_NAME FROM {database}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{}' ORDER BY 1",
            self.name
        ));
        rows.rows.into_iter().flatten().flatten().collect()
    }

    /// A table's name as statements write it.
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
