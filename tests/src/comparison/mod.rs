//! Compares tables with the source's final tables: every value of every row, in both directions, exactly.
//!
//! A stored value has one canonical text per column type, and the source's final CSV is converted to the canonical text
//! of the same type. Where the two differ, the set's `deviations/<format>.toml` must contain a rule or an exact value,
//! with the reason. An entry that is not used is a difference too.

mod canonical;
mod copy_csv;
mod deviations;
mod events;
mod json;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fs};

use crate::{Rows, captured_file};
use deviations::Deviations;
use events::LastEvents;
use table::FinalTable;

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The number of compared values.
    pub values: usize,
    /// All differences, as text.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Checks that there is no difference, and that something was compared.
    ///
    /// # Panics
    /// With the differences.
    #[track_caller]
    pub fn expect_none(&self) {
        let shown: Vec<&str> = self.differences.iter().map(String::as_str).take(40).collect();
        assert!(shown.is_empty(), "{} differences:\n{}", self.differences.len(), shown.join("\n"));
        assert!(self.values > 0, "nothing was compared");
    }
}

/// Compares the tables that were written from a captured set in the format `json`, `json-hints` (with the set's
/// `columns.toml`) or `json-schema`. `read` reads a table by name.
///
/// # Panics
/// When files of the set cannot be read.
#[must_use]
pub fn compare(set: &str, format: &str, mut read: impl FnMut(&str) -> Rows) -> Comparison {
    let deviations = captured_file(&format!("{set}/deviations/{format}.toml"));
    let text = fs::read_to_string(&deviations).unwrap_or_else(|error| panic!("{deviations:?}: {error}"));
    let deviations = Deviations::parse(&text).unwrap_or_else(|error| panic!("{deviations:?}: {error}"));
    let events = LastEvents::of_set(set);
    let mut comparison = Comparison::default();
    for expected in final_tables(set) {
        let name = deviations.table_name(&expected.name);
        let stored = read(&name);
        table::compare(&expected, &name, &stored, &events, &deviations, &mut comparison);
    }
    comparison.differences.extend(deviations.unused());
    comparison
}

/// The names of a set's tables.
///
/// # Panics
/// When the set cannot be read.
#[must_use]
pub fn final_table_names(set: &str) -> Vec<String> {
    final_tables(set).into_iter().map(|table| table.name).collect()
}

fn final_tables(set: &str) -> Vec<FinalTable> {
    let folder = captured_file(&format!("{set}/final"));
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let tables = files.map(|file| {
        let path = file.expect("a file of the set").path();
        let text = fs::read_to_string(&path).expect("a file of text");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name.clone(), FinalTable::parse(name, &text))
    });
    tables.collect::<BTreeMap<_, _>>().into_values().collect()
}
