//! The cases: which changes there are, and how Debezium's sink is tuned for them.

/// Changes that all programs write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// What is done, for people.
    pub(crate) title: &'static str,
    /// Part of the names of connectors.
    pub(crate) name: &'static str,
    /// How many tables the changes are spread over.
    pub(crate) tables: usize,
    /// Whether rows are also updated and deleted, instead of only inserted.
    pub(crate) is_mixed: bool,
    /// Options of Debezium's sink that make it fastest for these changes.
    pub(crate) debezium: &'static [(&'static str, &'static str)],
}

/// One statement per batch, with an array per column, in which no key may occur twice.
const UNNEST: (&str, &str) = ("dialect.postgres.unnest.insert.enabled", "true");
/// Only the last change of each key in a batch is written.
const REDUCTION: (&str, &str) = ("use.reduction.buffer", "true");

/// All cases, in the order of the report.
pub(crate) const CASES: [Case; 3] = [
    Case {
        title: "inserts into one table",
        name: "inserts",
        tables: 1,
        is_mixed: false,
        debezium: &[UNNEST],
    },
    Case {
        title: "inserts, updates and deletes in one table",
        name: "mixed",
        tables: 1,
        is_mixed: true,
        debezium: &[UNNEST, REDUCTION],
    },
    Case {
        title: "inserts, updates and deletes in six tables",
        name: "tables",
        tables: 6,
        is_mixed: true,
        debezium: &[UNNEST, REDUCTION],
    },
];

impl Case {
    /// The names of the tables.
    pub(crate) fn table_names(&self) -> Vec<String> {
        (1..=self.tables).map(|number| format!("{}_{number}", self.name)).collect()
    }
}
