//! What is in the captured sets of events: see `tests/data/README.md`.

use std::fs;

use serde_json::Value as Json;

use crate::{captured, captured_file};

/// The hints for a set in a format, for `[source]`.
///
/// # Panics
/// When the set cannot be read.
#[must_use]
pub fn hints(set: &str, format: &str) -> String {
    if format != "json-hints" {
        return String::new();
    }
    fs::read_to_string(captured_file(&format!("{set}/columns.toml"))).expect("the set's hints")
}

/// A change event of a captured set.
#[derive(Clone, Debug)]
pub struct CapturedEvent {
    /// Topic.
    pub topic: String,
    /// The source's table.
    pub table: String,
    /// Key, as text.
    pub key: Option<String>,
    /// Debezium's code of the operation.
    pub op: String,
}

/// The change events of a set's tables, in order, without tombstones.
///
/// # Panics
/// When the set cannot be read.
#[must_use]
pub fn events(set: &str) -> Vec<CapturedEvent> {
    let records = captured(&file(set, "json")).into_iter();
    let event = |record: crate::Captured| {
        let value: Json = serde_json::from_str(&record.value?).expect("JSON");
        let (op, table) = (value["op"].as_str()?, value["source"]["table"].as_str()?);
        let (op, table) = (op.to_owned(), table.to_owned());
        Some(CapturedEvent { topic: record.topic, table, key: record.key, op })
    };
    records.filter_map(event).collect()
}

/// The number of records in the topics of a set's tables, including tombstones.
///
/// # Panics
/// When the set cannot be read.
#[must_use]
pub fn records(set: &str) -> usize {
    let records = captured(&file(set, "json")).into_iter();
    records.filter(|record| record.topic.starts_with("cdc.public.")).count()
}

/// The topics of a set's tables.
///
/// # Panics
/// When the set cannot be read.
#[must_use]
pub fn topics(set: &str) -> Vec<String> {
    let mut topics: Vec<String> = events(set).into_iter().map(|event| event.topic).collect();
    topics.sort();
    topics.dedup();
    topics
}

/// The file of a set in a format: `json`, `json-hints` or `json-schema`.
#[must_use]
pub fn file(set: &str, format: &str) -> String {
    let file = if format == "json-schema" { "json-schema" } else { "json" };
    format!("{set}/{file}.jsonl.gz")
}
