//! What is sent to Snowflake, and what comes back.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Snowflake's limit for a query tag, in characters.
const LONGEST_TAG: usize = 2_000;

/// One statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'s> {
    /// What it is, for errors: `MERGE`, `CREATE TABLE`, `BEGIN`.
    pub(crate) kind: &'static str,
    /// The table it is for, quoted, for errors.
    pub(crate) table: Option<&'s str>,
    /// The text, with a `?` for every bind.
    pub(crate) text: &'s str,
    /// What is bound, each as TEXT.
    pub(crate) binds: &'s [&'s str],
    /// Shown in Snowflake's query history; cut to what Snowflake takes.
    pub(crate) tag: &'s str,
}

impl<'s> Statement<'s> {
    /// A statement that has neither table nor binds.
    pub(crate) fn plain(kind: &'static str, text: &'s str, tag: &'s str) -> Self {
        Self { kind, table: None, text, binds: &[], tag }
    }

    /// The part of the request beside the text: binds and parameters.
    pub(super) fn extras(&self, limits: &Limits) -> Map<String, Value> {
        let mut parameters = limits.parameters();
        let tag: String = self.tag.chars().take(LONGEST_TAG).collect();
        parameters.insert("QUERY_TAG".to_owned(), tag.into());
        let mut extras = Map::new();
        extras.insert("parameters".to_owned(), parameters.into());
        if self.binds.is_empty() {
            return extras;
        }
        let numbered = self.binds.iter().zip(1_usize..);
        let binds: Map<String, Value> = numbered
            .map(|(bind, number)| (number.to_string(), json!({ "type": "TEXT", "value": bind })))
            .collect();
        extras.insert("bindings".to_owned(), binds.into());
        extras
    }
}

/// How long statements may take; sent with each, and with the login.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest run of a statement.
    pub(crate) statement: Duration,
    /// Longest wait for a lock.
    pub(crate) lock: Duration,
}

impl Limits {
    /// The limits as Snowflake's session parameters.
    pub(super) fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        // Zero would mean "no limit" for the one and "do not wait" for the other.
        let statement = self.statement.as_secs().max(1);
        parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS".to_owned(), statement.into());
        parameters.insert("LOCK_TIMEOUT".to_owned(), self.lock.as_secs().max(1).into());
        // Otherwise what a client began that is gone keeps its locks for hours.
        parameters.insert("ABORT_DETACHED_QUERY".to_owned(), true.into());
        // An account may expect other forms: ISO 8601 is what is sent.
        for form in ["DATE_INPUT_FORMAT", "TIME_INPUT_FORMAT", "TIMESTAMP_INPUT_FORMAT"] {
            parameters.insert(form.to_owned(), "AUTO".into());
        }
        parameters
    }
}

/// What a statement was answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Names of the columns of `rows`.
    pub(crate) columns: Vec<String>,
    /// Rows of SELECT and SHOW; none where Snowflake only counted.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Id of the statement in Snowflake's history.
    pub(crate) query_id: String,
    /// Rows that were inserted.
    pub(crate) inserted: u64,
    /// Rows that were updated.
    pub(crate) updated: u64,
    /// Rows that were deleted.
    pub(crate) deleted: u64,
}

impl Answer {
    /// The answer with these columns and rows; a row of counts becomes the counts.
    pub(super) fn new(query_id: String, columns: Vec<String>, rows: Vec<Vec<Option<String>>>) -> Self {
        let counts = columns.first().is_some_and(|column| column.starts_with("number of "));
        if !counts {
            return Self { columns, rows, query_id, ..Self::default() };
        }
        let count = |name: &str| {
            let place = columns.iter().position(|column| column == name);
            place.and_then(|place| rows.first()?.get(place)?.as_deref()?.parse().ok()).unwrap_or_default()
        };
        Self {
            inserted: count("number of rows inserted"),
            updated: count("number of rows updated"),
            deleted: count("number of rows deleted"),
            query_id,
            ..Self::default()
        }
    }
}
