//! The expected differences from the source's final tables, and their reasons: `deviations/<format>.toml` of a captured
//! set.
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
//! The values of a composite key are separated by `|`, ordered by column name.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::rules::RULES;

/// A rule that needs the events of a row: the column was added with a default, which events of older rows do not
/// contain.
pub(crate) const IN_LAST_EVENT: &str = "null-unless-in-last-event";

/// Content of the file.
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
    /// The entries that were used, for [`Deviations::unused`].
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

/// A column that is not in the final table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extra {
    table: String,
    name: String,
    /// Whether it holds the value of the row's last event.
    #[serde(default)]
    pub(crate) last_event: bool,
    /// Its values, by key.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    reason: String,
}

impl Deviations {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is invalid.
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

    /// The stored name of a table.
    pub(crate) fn table_name(&self, table: &str) -> String {
        let Some(name) = self.tables.get(table) else { return table.to_owned() };
        self.note(table_shown(table));
        name.clone()
    }

    /// The stored name of a column.
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

    /// Marks a rule as used.
    pub(crate) fn rule_was_needed(&self, table: &str, column: &str) {
        let entries = self.column.iter().filter(|entry| entry.is_for(table, column) && entry.rule.is_some());
        entries.for_each(|entry| self.note(entry.shown()));
    }

    /// The exact value of one row, NULL or a text; `None` if there is no entry.
    pub(crate) fn value(&self, table: &str, column: &str, key: &str) -> Option<Option<&str>> {
        let entry = self.value.iter().find(|entry| entry.is_for(table, column, key))?;
        Some(entry.is.as_deref())
    }

    /// Marks an exact value as used.
    pub(crate) fn value_was_needed(&self, table: &str, column: &str, key: &str) {
        let entries = self.value.iter().filter(|entry| entry.is_for(table, column, key));
        entries.for_each(|entry| self.note(entry.shown()));
    }

    /// The entry of a column that is not in the final table.
    pub(crate) fn extra(&self, table: &str, column: &str) -> Option<&Extra> {
        let entry = self.extra.iter().find(|entry| entry.table == table && entry.name == column)?;
        self.note(entry.shown());
        Some(entry)
    }

    /// Marks an exact value of such a column as used.
    pub(crate) fn extra_value_was_needed(&self, extra: &Extra, key: &str) {
        self.note(extra.shown_value(key));
    }

    /// The entries that were not used.
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
