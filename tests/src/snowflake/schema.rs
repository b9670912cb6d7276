//! A schema for one test.

use std::{
    collections::BTreeMap,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Rows, Snowflake, quoted};

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
        let mut partitions: BTreeMap<Vec<Option<String>>, Vec<Stated>> = BTreeMap::new();
        for table in self.tables().iter().filter(|table| is_offsets(table)) {
            let columns = r#""topic", "partition"::VARCHAR, "warehouse", "next_offset"::VARCHAR, "state""#;
            let rows = self.query(&format!("SELECT {columns} FROM {}", self.qualified_table(table)));
            for mut row in rows.rows {
                let stated = row.split_off(3);
                partitions.entry(row).or_default().push(Stated::of(&stated));
            }
        }
        partitions.values().map(|lanes| covered(lanes)).sum()
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

/// What the row of a lane states: up to which offset it has written which hash buckets of tables, and all tables.
struct Stated {
    next: usize,
    buckets: u64,
    level: usize,
}

impl Stated {
    /// From the next offset, and the state: `state`, or `buckets:level:state:state`.
    fn of(row: &[Option<String>]) -> Self {
        let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let next = text(0).parse().unwrap_or_default();
        let mut parts = text(1).split(':');
        match (parts.next(), parts.next()) {
            (Some(buckets), Some(level)) => {
                let buckets = u64::from_str_radix(buckets, 16).expect("buckets");
                Self { next, buckets, level: level.parse().unwrap_or_default() }
            }
            _ => Self { next, buckets: u64::MAX, level: next },
        }
    }
}

/// The offset up to which the lanes of a partition have written all tables together.
fn covered(lanes: &[Stated]) -> usize {
    let level = lanes.iter().map(|lane| lane.level).max().unwrap_or_default();
    let is_covered = |next: &usize| {
        let written = lanes.iter().filter(|lane| lane.next >= *next);
        written.fold(0, |buckets, lane| buckets | lane.buckets) == u64::MAX
    };
    lanes.iter().map(|lane| lane.next).filter(is_covered).max().unwrap_or_default().max(level)
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
