//! Requests for statements, and their results.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_cdc::session::{Answer, Statement};

/// Snowflake's limit for a query tag, in characters.
const MAX_TAG_LENGTH: usize = 2_000;

/// Binds and parameters of a statement's request.
pub(super) fn extras(statement: &Statement<'_>, limits: &Limits) -> Map<String, Value> {
    let mut parameters = limits.parameters();
    let tag: String = statement.tag.chars().take(MAX_TAG_LENGTH).collect();
    parameters.insert("QUERY_TAG".to_owned(), tag.into());
    let mut extras = Map::new();
    extras.insert("parameters".to_owned(), parameters.into());
    if statement.binds.is_empty() {
        return extras;
    }
    let numbered = statement.binds.iter().zip(1_usize..);
    let binds: Map<String, Value> = numbered
        .map(|(bind, number)| (number.to_string(), json!({ "type": "TEXT", "value": bind })))
        .collect();
    extras.insert("bindings".to_owned(), binds.into());
    extras
}

/// Timeouts of statements, sent with each statement and with the login.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Timeout of a statement.
    pub(crate) statement: Duration,
    /// Timeout for a lock.
    pub(crate) lock: Duration,
}

impl Limits {
    /// The limits as Snowflake's session parameters.
    pub(super) fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        // Zero means "no limit" for the first and "do not wait" for the second.
        let statement = self.statement.as_secs().max(1);
        parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS".to_owned(), statement.into());
        parameters.insert("LOCK_TIMEOUT".to_owned(), self.lock.as_secs().max(1).into());
        // Otherwise a transaction of a disconnected client holds its locks for hours.
        parameters.insert("ABORT_DETACHED_QUERY".to_owned(), true.into());
        // The account may have other defaults, but the sink sends ISO 8601.
        for form in ["DATE_INPUT_FORMAT", "TIME_INPUT_FORMAT", "TIMESTAMP_INPUT_FORMAT"] {
            parameters.insert(form.to_owned(), "AUTO".into());
        }
        parameters
    }
}

/// Creates a result. A row of counts is converted to the counts.
pub(super) fn answer(query_id: String, columns: Vec<String>, rows: Vec<Vec<Option<String>>>) -> Answer {
    let counts = columns.first().is_some_and(|column| column.starts_with("number of "));
    if !counts {
        return Answer { columns, rows, query_id, ..Answer::default() };
    }
    let count = |name: &str| {
        let place = columns.iter().position(|column| column == name);
        place.and_then(|place| rows.first()?.get(place)?.as_deref()?.parse().ok()).unwrap_or_default()
    };
    Answer {
        inserted: count("number of rows inserted"),
        updated: count("number of rows updated"),
        deleted: count("number of rows deleted"),
        query_id,
        ..Answer::default()
    }
}
