//! What people have to know of what was written, or was not: a warning the first time, then counts, once a minute.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tidegate_plugin::{Context, prelude::warn};

use crate::{
    plan::{Plan, Skipped, Unreadable},
    table::{Columns, Finding, Table},
};

/// How often counts are logged.
const INTERVAL: Duration = Duration::from_secs(60);
/// Columns that are reported one by one; more of them are counted in metrics alone.
const MOST: usize = 1_000;

/// What was found in one column, or about one table or topic.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The counter, without its prefix.
    pub(crate) metric: &'static str,
    /// Labels of the counter.
    pub(crate) labels: Vec<(&'static str, Rc<str>)>,
    /// What happened, in a few words.
    pub(crate) what: &'static str,
    /// What happened to what, and what to do about it.
    pub(crate) message: String,
    /// How often.
    pub(crate) count: u64,
}

impl Found {
    /// What an encoder found.
    pub(crate) fn of(
        (finding, column, count): (Finding, &str, u64),
        table: &Table,
        source: &Rc<str>,
        columns: &Columns,
    ) -> Self {
        let name = &table.name;
        let (metric, what, message) = match finding {
            Finding::Beside => {
                let kind = table.find(column).and_then(|index| table.column(index));
                let kind = kind.map(|column| column.kind.to_string()).unwrap_or_default();
                let beside = columns.beside(column).map(|(name, _)| name).unwrap_or_default();
                (
                    "snowflake_values_beside_total",
                    "values did not fit their column and are in the one beside",
                    format!(
                        "column {column:?} of {name} is {kind} and cannot hold a value: it is NULL there, and the value is in \
                         {beside:?}; have the source send schemas, give a hint in [source.columns], or declare a type that \
                         holds all values in [sink.config.tables.{:?}] columns and have the table made again",
                        &**source
                    ),
                )
            }
            Finding::Unavailable => unavailable(column, &name.to_string()),
            Finding::Nested => (
                "snowflake_nested_placeholders_total",
                "documents hold Debezium's placeholder",
                format!(
                    "a document in column {column:?} of {name} holds Debezium's placeholder for a value that did not change: \
                     it is written as it is, since a part of a document cannot be left alone"
                ),
            ),
            Finding::Unmanaged => (
                "snowflake_unmanaged_values_total",
                "values were dropped, since unmanaged_columns names their column",
                format!(
                    "events have values for column {column:?} of {name}, which unmanaged_columns names: they are dropped; \
                     take it off the list if the source is to fill the column"
                ),
            ),
            Finding::Absent => (
                "snowflake_absent_columns_total",
                "updates did not have the column, and set it to NULL",
                format!(
                    "updates do not have column {column:?} of {name}: it becomes NULL, as is right where the source has dropped \
                     it; name it in unmanaged_columns if somebody else fills it"
                ),
            ),
            Finding::Fraction => (
                "snowflake_fractions_cut_total",
                "times lost digits of a second that their column does not keep",
                format!(
                    "column {column:?} of {name} keeps fewer digits of a second than a value has: Snowflake cuts the rest; give \
                     the column a type with more digits"
                ),
            ),
            Finding::Offset => (
                "snowflake_offsets_changed_total",
                "timestamps are in UTC, since Snowflake has no offsets with seconds",
                format!(
                    "a timestamp in column {column:?} of {name} has an offset with seconds, which Snowflake does not have: the \
                     same point in time is written in UTC"
                ),
            ),
        };
        let labels = vec![("table", Rc::clone(source)), ("column", column.into())];
        Self { metric, labels, what, message, count }
    }

    /// Values that became NULL, since nothing has them.
    pub(crate) fn lost(source: &Rc<str>, table: &str, column: &str, count: u64) -> Self {
        let (metric, what, message) = unavailable(column, table);
        let labels = vec![("table", Rc::clone(source)), ("column", column.into())];
        Self { metric, labels, what, message, count }
    }

    /// A row that took values from an old row which may still change.
    pub(crate) fn early(source: &Rc<str>, table: &str) -> Self {
        Self {
            metric: "snowflake_early_values_total",
            labels: vec![("table", Rc::clone(source))],
            what: "rows took values of their old key before its delete had come",
            message: format!(
                "a row of {table} came under a new key before the delete of its old key, which lies in another partition: the \
                 values that it leaves out are those that the old row has now, and changes of them that the other partition \
                 still has are not in the new row; use one partition for tables whose keys change"
            ),
            count: 1,
        }
    }

    /// Records that were passed over.
    fn skipped(topic: &str, reason: Skipped, count: u64) -> Self {
        let (label, what) = match reason {
            Skipped::NoChange => ("no_change_event", "records were skipped that are no change events"),
            Skipped::Message => ("message", "messages without a row were passed over"),
        };
        let message = match reason {
            Skipped::NoChange => format!(
                "a record of topic {topic:?} is no change event and is skipped, since other_records = \"skip\"; leave the \
                 topic out if it has no rows"
            ),
            // Nobody loses a row.
            Skipped::Message => String::new(),
        };
        let labels = vec![("topic", topic.into()), ("reason", label.into())];
        Self { metric: "snowflake_skipped_records_total", labels, what, message, count }
    }

    /// A header that could not be read.
    fn unreadable_header(table: &str, reason: &str) -> Self {
        Self {
            metric: "snowflake_unreadable_headers_total",
            labels: vec![("table", table.into())],
            what: "headers could not be read that say how a row's key changed",
            message: format!(
                "a header of table {table:?} cannot be read that says how a row's key changed: {reason}; an insert that \
                 leaves out values of that row is refused where they are not found otherwise"
            ),
            count: 1,
        }
    }
}

fn unavailable(column: &str, table: &str) -> (&'static str, &'static str, String) {
    (
        "snowflake_unavailable_values_total",
        "values became NULL, since events left them out and nothing else has them",
        format!(
            "column {column:?} of {table} became NULL: the event holds Debezium's placeholder for a value that did not \
             change, and nothing else has the value"
        ),
    )
}

/// What was reported, and what is to be summed up.
#[derive(Debug, Default)]
pub(crate) struct Notices(HashMap<(&'static str, String), Reported>);

#[derive(Debug)]
struct Reported {
    at: Instant,
    what: &'static str,
    unreported: u64,
}

impl Notices {
    /// Counts what a plan passed over, and what it could not read.
    pub(crate) fn add_plan(&mut self, context: &Context, plan: &Plan<'_>) {
        for ((topic, reason), count) in &plan.skipped {
            self.add(context, &Found::skipped(topic, *reason, *count));
        }
        for Unreadable { table, reason, .. } in &plan.unreadable {
            self.add(context, &Found::unreadable_header(table, reason));
        }
    }

    /// Counts what was found, and logs what is new.
    pub(crate) fn add(&mut self, context: &Context, found: &Found) {
        let Found { metric, labels, what, message, count } = found;
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, &**value)).collect();
        context.count(metric, &pairs, *count);
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
        if known >= MOST {
            return;
        }
        warn!("{message}");
        self.0.insert(key, Reported { at: Instant::now(), what, unreported: count - 1 });
    }

    /// Logs the counts that are left.
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
