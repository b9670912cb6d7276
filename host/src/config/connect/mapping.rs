//! The configuration while it is mapped: which options have been read, the file so far, and what there is to say.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::schema::Schema;
use super::{Finding, Options, classes, common, consumer, converters, own_keys, transforms};
use crate::config::diagnostic::Severity;

/// A configuration while it is mapped.
pub(super) struct Mapping<'o> {
    options: &'o Options,
    read: BTreeSet<&'o str>,
    table: Table,
    findings: Vec<Finding>,
    pub(super) schema: Schema<'o>,
}

impl<'o> Mapping<'o> {
    /// Maps all options. Returns the file and the findings.
    pub(super) fn run(options: &'o Options, schema: &'o Json) -> (Table, Vec<Finding>) {
        let schema = Schema::new(schema);
        let mut mapping =
            Self { options, read: BTreeSet::new(), table: Table::new(), findings: vec![], schema };
        common::map(&mut mapping);
        converters::map(&mut mapping);
        consumer::map(&mut mapping);
        transforms::map(&mut mapping);
        classes::map(&mut mapping);
        own_keys::map(&mut mapping);
        mapping.report_unread();
        mapping.findings.sort_by(|a, b| a.option.cmp(&b.option));
        (mapping.table, mapping.findings)
    }

    /// The value of an option, without spaces around it, marked as read. An empty value counts as none, as in Kafka Connect.
    pub(super) fn take(&mut self, option: &str) -> Option<&'o str> {
        let (option, value) = self.options.get_key_value(option)?;
        self.read.insert(option);
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// As [`Mapping::take`], for `true` and `false`.
    pub(super) fn take_boolean(&mut self, option: &str) -> Option<bool> {
        match self.take(option)? {
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            text => {
                self.invalid(option, text, "Expected value to be either true or false");
                None
            }
        }
    }

    /// As [`Mapping::take`], for an integer.
    pub(super) fn take_integer(&mut self, option: &str) -> Option<i64> {
        let text = self.take(option)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.invalid(option, text, "Not a number of type INT");
        }
        value
    }

    /// The value of an option as it was given, without marking it as read.
    pub(super) fn peek(&self, option: &str) -> Option<&'o str> {
        self.options.get(option).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The options that start with `prefix` and are not read yet, without the prefix, and their values as they
    /// were given: spaces around a text may be meant.
    pub(super) fn unread(&self, prefix: &str) -> Vec<(&'o str, &'o str)> {
        let unread = self.options.iter().filter(|(option, _)| !self.read.contains(option.as_str()));
        unread.filter_map(|(option, value)| Some((option.strip_prefix(prefix)?, value.as_str()))).collect()
    }

    /// Sets a key of the file.
    pub(super) fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        set(&mut self.table, path, value.into());
    }

    /// A key of the file that is set.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        let (last, tables) = path.split_last()?;
        let table = tables.iter().try_fold(&self.table, |table, name| table.get(*name)?.as_table());
        table?.get(*last)
    }

    /// What is wrong with an option, in the words of Kafka Connect.
    pub(super) fn invalid(&mut self, option: &str, value: &str, why: &str) {
        let value = super::masks::shown(value, option);
        self.error(option, format!("Invalid value {value} for configuration {option}: {why}"));
    }

    /// The connector cannot be created, or would write something else.
    pub(super) fn error(&mut self, option: &str, message: impl Into<String>) {
        self.find(option, message.into(), Severity::Error);
    }

    /// The option has no effect.
    pub(super) fn warning(&mut self, option: &str, message: impl Into<String>) {
        self.find(option, message.into(), Severity::Warning);
    }

    fn find(&mut self, option: &str, message: String, severity: Severity) {
        self.findings.push(Finding { option: option.to_owned(), message, severity });
    }

    /// Marks options as read that mean nothing here; `why` is the same for all of them.
    pub(super) fn without_effect(&mut self, options: &[&str], why: &str) {
        for option in options {
            if self.take(option).is_some() {
                self.warning(option, format!("{option} has no effect: {why}"));
            }
        }
    }

    /// As [`Mapping::without_effect`] for all options with a prefix.
    pub(super) fn prefix_without_effect(&mut self, prefix: &str, why: &str) {
        for (rest, _) in self.unread(prefix) {
            self.without_effect(&[&format!("{prefix}{rest}")], why);
        }
    }

    /// Kafka Connect ignores options that it does not know, so they are no error.
    fn report_unread(&mut self) {
        for (option, _) in self.unread("") {
            let is_sinks = self.sink_has(option);
            match is_sinks {
                true => self.error(
                    option,
                    format!("{option} is an option of the sink: write it as sink.config.{option}"),
                ),
                false => self.warning(option, format!("{option} has no effect: there is no such option")),
            }
        }
    }

    fn sink_has(&self, option: &str) -> bool {
        let Some(Value::String(plugin)) = self.get(&["sink", "plugin"]) else { return false };
        self.schema.plugin_has(plugin, option)
    }
}

/// Sets a value in a tree of tables. What is not a table on the way is replaced by one.
pub(super) fn set(table: &mut Table, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let inner = table.entry(*first).or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        set(inner, rest, value);
    }
}
