//! Warnings about written or skipped data: logged the first time, then counted and logged once a minute.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tidegate_plugin::prelude::warn;

use super::metrics::Metrics;
use crate::{
    plan::{Plan, Skipped, UnreadableHeader},
    table::{Columns, Finding, Table},
    types::ColumnType,
};

/// How often counts are logged.
const INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of columns with warnings in the log; further ones are only counted in metrics.
const MAX_NOTICES: usize = 1_000;

/// A warning about a column, a table or a topic.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    /// Name of the counter, without its prefix.
    pub(crate) metric: &'static str,
    /// Labels of the counter.
    pub(crate) labels: Vec<(&'static str, Rc<str>)>,
    /// Short description, for later counts.
    pub(crate) what: &'static str,
    /// The first message, with the fix.
    pub(crate) message: String,
    pub(crate) count: u64,
}

impl Notice {
    /// The warning for a finding of an encoder.
    pub(crate) fn of<T: ColumnType>(
        (finding, column, count): (Finding, &str, u64),
        table: &Table<T>,
        source: &Rc<str>,
        columns: &Columns,
    ) -> Self {
        let (name, database) = (&table.name, columns.naming.rules().database);
        let (metric, what, message) = match finding {
            Finding::Fallback => {
                let kind = table.find(column).and_then(|index| table.column(index));
                let kind = kind.map(|column| column.kind.to_string()).unwrap_or_default();
                let fallback = columns.fallback::<T>(column).map(|(name, _)| name).unwrap_or_default();
                (
                    "values_beside_total",
                    "values did not fit their column and were written to the fallback column",
                    format!(
                        "column {column:?} of {name} is {kind} and cannot hold a value: the column is NULL, and the value is in \
                         {fallback:?}; configure the source to send schemas, add a hint in [source.columns], or declare a type that \
                         holds all values in [sink.config.tables.{:?}] columns and have the table made again",
                        &**source
                    ),
                )
            }
            Finding::Unavailable => unavailable(column, &name.to_string()),
            Finding::Nested => (
                "nested_placeholders_total",
                "documents contain Debezium's placeholder",
                format!(
                    "a document in column {column:?} of {name} contains Debezium's placeholder for an unchanged value: \
                     it is written as it is, because a part of a document cannot be kept"
                ),
            ),
            Finding::Unmanaged => (
                "unmanaged_values_total",
                "values were dropped because unmanaged_columns contains their column",
                format!(
                    "events have values for column {column:?} of {name}, which is listed in unmanaged_columns: they are dropped; \
                     remove it from the list if the source should fill the column"
                ),
            ),
            Finding::Absent => (
                "absent_columns_total",
                "updates did not have the column and set it to NULL",
                format!(
                    "updates do not have column {column:?} of {name}: it becomes NULL, which is correct if the source has dropped \
                     it; add it to unmanaged_columns if another program fills it"
                ),
            ),
            Finding::Fraction => (
                "fractions_cut_total",
                "times lost fractional digits that their column does not have",
                format!(
                    "column {column:?} of {name} has fewer fractional digits of a second than a value: {database} truncates the rest; \
                     give the column a type with more digits"
                ),
            ),
            Finding::Offset => (
                "offsets_changed_total",
                "timestamps were converted to UTC because the database has no such offsets",
                format!(
                    "a timestamp in column {column:?} of {name} has a UTC offset with seconds, which {database} does not support: \
                     the same point in time is written in UTC"
                ),
            ),
        };
        let labels = vec![("table", Rc::clone(source)), ("column", column.into())];
        Self { metric, labels, what, message, count }
    }

    /// Values that became NULL because they could not be found.
    pub(crate) fn lost(source: &Rc<str>, table: &str, column: &str, count: u64) -> Self {
        let (metric, what, message) = unavailable(column, table);
        let labels = vec![("table", Rc::clone(source)), ("column", column.into())];
        Self { metric, labels, what, message, count }
    }

    /// A row with values from an old row that may still change.
    pub(crate) fn early(source: &Rc<str>, table: &str) -> Self {
        Self {
            metric: "early_values_total",
            labels: vec![("table", Rc::clone(source))],
            what: "rows took values from their old key before its delete arrived",
            message: format!(
                "a row of {table} arrived with a new key before the delete of its old key, which is in another partition: the \
                 values that it omits are taken from the current old row, and changes of them that the other partition \
                 still contains are missing in the new row; use one partition for tables whose keys change"
            ),
            count: 1,
        }
    }

    /// Skipped records.
    fn skipped(topic: &str, reason: Skipped, count: u64) -> Self {
        let (label, what) = match reason {
            Skipped::NotAChangeEvent => {
                ("no_change_event", "records were skipped because they are not change events")
            }
            Skipped::Message => ("message", "messages without a row were skipped"),
        };
        let message = match reason {
            Skipped::NotAChangeEvent => format!(
                "a record of topic {topic:?} is not a change event and is skipped because other_records = \"skip\"; exclude the \
                 topic if it has no rows"
            ),
            // No row is lost, so nothing is logged.
            Skipped::Message => String::new(),
        };
        let labels = vec![("topic", topic.into()), ("reason", label.into())];
        Self { metric: "skipped_records_total", labels, what, message, count }
    }

    /// A header that could not be parsed.
    fn unreadable_header(table: &str, reason: &str) -> Self {
        Self {
            metric: "unreadable_headers_total",
            labels: vec![("table", table.into())],
            what: "headers with the old or new key of a row could not be parsed",
            message: format!(
                "a header of table {table:?} with the old or new key of a row cannot be parsed: {reason}; an insert that \
                 omits values of that row is rejected if they cannot be found otherwise"
            ),
            count: 1,
        }
    }
}

fn unavailable(column: &str, table: &str) -> (&'static str, &'static str, String) {
    (
        "unavailable_values_total",
        "values became NULL because events omitted them and they could not be found",
        format!(
            "column {column:?} of {table} became NULL: the event contains Debezium's placeholder for an unchanged \
             change, and nothing else has the value"
        ),
    )
}

/// Logged warnings, and counts since then.
#[derive(Debug, Default)]
pub(crate) struct Notices(HashMap<(&'static str, String), Reported>);

#[derive(Debug)]
struct Reported {
    at: Instant,
    what: &'static str,
    unreported: u64,
}

impl Notices {
    /// Adds skipped records and unreadable headers of a plan.
    pub(crate) fn add_plan(&mut self, metrics: &Metrics, plan: &Plan<'_>) {
        for ((topic, reason), count) in &plan.skipped {
            self.add(metrics, &Notice::skipped(topic, *reason, *count));
        }
        for UnreadableHeader { table, reason, .. } in &plan.unreadable {
            self.add(metrics, &Notice::unreadable_header(table, reason));
        }
    }

    /// Counts a warning, and logs it if it is new.
    pub(crate) fn add(&mut self, metrics: &Metrics, found: &Notice) {
        let Notice { metric, labels, what, message, count } = found;
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, &**value)).collect();
        metrics.count(metric, &pairs, *count);
        if message.is_empty() {
            return;
        }
        let about: Vec<&str> = labels.iter().map(|(_, value)| &**value).collect();
        let key = (*metric, about.join(" "));
        let known = self.0.len();
        if let Some(reported) = self.0.get_mut(&key) {
            reported.unreported += count;
            if reported.at.elapsed() >= INTERVAL {
                reported.log(&key.1);
            }
            return;
        }
        if known >= MAX_NOTICES {
            return;
        }
        warn!("{message}");
        self.0.insert(key, Reported { at: Instant::now(), what, unreported: count - 1 });
    }

    /// Logs the remaining counts.
    pub(crate) fn close(&mut self) {
        for ((_, about), mut reported) in self.0.drain().filter(|(_, reported)| reported.unreported > 0) {
            reported.log(&about);
        }
    }
}

impl Reported {
    fn log(&mut self, about: &str) {
        warn!(about, "{} more {}", self.unreported, self.what);
        self.unreported = 0;
        self.at = Instant::now();
    }
}
