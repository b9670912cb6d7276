//! What differs from the source's final tables, and why: `deviations/<format>.toml` of a captured set.
//!
//! ```toml
//! [tables]                        # names that differ
//! "Quoted Table" = "Quoted_Table"
//!
//! [[column]]                      # a column whose values differ by a rule, or whose name does
//! table = "orders"
//! name = "placed_on"
//! rule = "epoch-days"             # see rules.rs, or "null-unless-in-last-event"
//! reason = "without a schema, a date is a number"
//!
//! [[value]]                       # one value
//! table = "all_types"
//! column = "c_date"
//! key = "5"
//! is = "infinity"                 # nothing for NULL
//! reason = "..."
//!
//! [[extra]]                       # a column that the final table does not have
//! table = "customers"
//! name = "tier"
//! last_event = true               # what the row's last event says; or exact ones by key, all others NULL:
//! values = { "5" = "infinity" }
//! reason = "..."
//! ```
//!
//! A key of several columns is written with `|` between their values, in the order of the columns' names.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::rules::RULES;

/// A rule that needs the row's events: a column that was added with a default, which no event carries for old rows.
pub(crate) const IN_LAST_EVENT: &str = "null-unless-in-last-event";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deviations {
    #[serde(default)]
    tables: BTreeMap<String, String>,
    #[serde(default)]
    column: Vec<Column>,
    #[serde(default)]
    value: Vec<Value>,
    #[serde(default)]
    extra: Vec<Extra>,
    /// What was needed, as [`Deviations::unused`] shows it.
    #[serde(skip)]
    used: RefCell<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    table: String,
    name: String,
    /// Its name in the stored table.
    stored_as: Option<String>,
    rule: Option<String>,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    table: String,
    column: String,
    key: String,
    is: Option<String>,
    reason: String,
}

/// A column that the final table does not have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extra {
    table: String,
    name: String,
    /// Whether it holds what the row's last event says.
    #[serde(default)]
    pub(crate) last_event: bool,
    /// What it holds, by key.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    reason: String,
}

impl Deviations {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let deviations: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let reasons = deviations.column.iter().map(|column| &column.reason);
        let reasons = reasons.chain(deviations.value.iter().map(|value| &value.reason));
        let reasons = reasons.chain(deviations.extra.iter().map(|extra| &extra.reason));
        if reasons.into_iter().any(|reason| reason.trim().is_empty()) {
            return Err("an entry without a reason".to_owned());
        }
        let mut rules = deviations.column.iter().filter_map(|column| column.rule.as_deref());
        if let Some(unknown) = rules.find(|rule| !RULES.contains(rule) && *rule != IN_LAST_EVENT) {
            return Err(format!(
                "there is no rule {unknown:?}; there are {IN_LAST_EVENT}, {}",
                RULES.join(", ")
            ));
        }
        Ok(deviations)
    }

    /// The name of a table where it is stored.
    pub(crate) fn table_name(&self, table: &str) -> String {
        let Some(name) = self.tables.get(table) else { return table.to_owned() };
        self.note(table_shown(table));
        name.clone()
    }

    /// The name of a column where it is stored.
    pub(crate) fn column_name<'c>(&'c self, table: &str, column: &'c str) -> &'c str {
        let named = self.column.iter().find(|entry| entry.is_for(table, column) && entry.stored_as.is_some());
        let Some(entry) = named else { return column };
        self.note(entry.shown());
        entry.stored_as.as_deref().unwrap_or(column)
    }

    /// The rule of a column.
    pub(crate) fn rule(&self, table: &str, column: &str) -> Option<&str> {
        let entry = self.column.iter().find(|entry| entry.is_for(table, column) && entry.rule.is_some())?;
        entry.rule.as_deref()
    }

    /// A rule has explained a difference.
    pub(crate) fn rule_was_needed(&self, table: &str, column: &str) {
        let entries = self.column.iter().filter(|entry| entry.is_for(table, column) && entry.rule.is_some());
        entries.for_each(|entry| self.note(entry.shown()));
    }

    /// The exact value of one row, NULL or a text; none if there is no entry.
    pub(crate) fn value(&self, table: &str, column: &str, key: &str) -> Option<Option<&str>> {
        let entry = self.value.iter().find(|entry| entry.is_for(table, column, key))?;
        Some(entry.is.as_deref())
    }

    /// An exact value has explained a difference.
    pub(crate) fn value_was_needed(&self, table: &str, column: &str, key: &str) {
        let entries = self.value.iter().filter(|entry| entry.is_for(table, column, key));
        entries.for_each(|entry| self.note(entry.shown()));
    }

    /// The entry of a column that the final table does not have.
    pub(crate) fn extra(&self, table: &str, column: &str) -> Option<&Extra> {
        let entry = self.extra.iter().find(|entry| entry.table == table && entry.name == column)?;
        self.note(entry.shown());
        Some(entry)
    }

    /// An exact value of such a column was there.
    pub(crate) fn extra_value_was_needed(&self, extra: &Extra, key: &str) {
        self.note(extra.shown_value(key));
    }

    /// The entries that nothing needed.
    pub(crate) fn unused(&self) -> Vec<String> {
        let tables = self.tables.keys().map(|table| table_shown(table));
        let columns = self.column.iter().map(Column::shown);
        let values = self.value.iter().map(Value::shown);
        let extras = self.extra.iter().map(Extra::shown);
        let extra_values =
            self.extra.iter().flat_map(|extra| extra.values.keys().map(|key| extra.shown_value(key)));
        let all = tables.chain(columns).chain(values).chain(extras).chain(extra_values);
        let used = self.used.borrow();
        all.filter(|entry| !used.contains(entry))
            .map(|entry| format!("deviation not needed: {entry}"))
            .collect()
    }

    fn note(&self, entry: String) {
        self.used.borrow_mut().insert(entry);
    }
}

fn table_shown(table: &str) -> String {
    format!("table {table}")
}

impl Column {
    fn is_for(&self, table: &str, column: &str) -> bool {
        self.table == table && self.name == column
    }

    fn shown(&self) -> String {
        let what = self.rule.as_deref().or(self.stored_as.as_deref());
        format!("column {}.{} {}", self.table, self.name, what.unwrap_or_default())
    }
}

impl Value {
    fn is_for(&self, table: &str, column: &str, key: &str) -> bool {
        self.table == table && self.column == column && self.key == key
    }

    fn shown(&self) -> String {
        format!("value {}.{} of row {}", self.table, self.column, self.key)
    }
}

impl Extra {
    fn shown(&self) -> String {
        format!("extra column {}.{}", self.table, self.name)
    }

    fn shown_value(&self, key: &str) -> String {
        format!("extra column {}.{} of row {key}", self.table, self.name)
    }
}
