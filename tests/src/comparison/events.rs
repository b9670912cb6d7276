//! The last event of each row, for columns that were added or dropped during the capture.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::canonical;
use crate::captured;

/// The last row of every key according to the events, by table and key.
#[derive(Debug, Default)]
pub(crate) struct LastEvents {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The names of the key's columns; empty for a table without a key.
    key: Vec<String>,
    rows: BTreeMap<Vec<String>, Map<String, Json>>,
}

impl LastEvents {
    pub(crate) fn of_set(set: &str) -> Self {
        let mut events = Self::default();
        for record in captured(&format!("{set}/json.jsonl.gz")) {
            let parse = |text: &Option<String>| -> Json {
                text.as_ref().map_or(Json::Null, |text| serde_json::from_str(text).expect("JSON"))
            };
            events.take(&parse(&record.key), parse(&record.value));
        }
        events
    }

    fn take(&mut self, key: &Json, mut value: Json) {
        let Some(table) = value["source"]["table"].as_str().map(str::to_owned) else { return };
        let table = self.tables.entry(table).or_default();
        if let Some(columns) = key.as_object() {
            table.key = columns.keys().cloned().collect();
            table.key.sort();
        }
        match value["op"].as_str() {
            Some("t") => table.rows.clear(),
            Some("d") => {
                table.rows.remove(&key_of(key));
            }
            Some("c" | "r" | "u") => {
                if let Json::Object(row) = value["after"].take() {
                    table.rows.insert(key_of(key), row);
                }
            }
            _ => {}
        }
    }

    /// The names of the columns of a table's key, in order.
    pub(crate) fn key(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], |table| &table.key)
    }

    /// The value of a column in the last event of a row; `None` if the column is missing or null.
    pub(crate) fn value(&self, table: &str, key: &[String], column: &str) -> Option<String> {
        let row = self.tables.get(table)?.rows.get(key)?;
        Some(row.get(column)?).filter(|value| !value.is_null()).map(text)
    }

    /// Whether the last event of a row has a column.
    pub(crate) fn has(&self, table: &str, key: &[String], column: &str) -> bool {
        let row = self.tables.get(table).and_then(|table| table.rows.get(key));
        row.is_some_and(|row| row.contains_key(column))
    }
}

/// The values of a key, ordered by column name.
fn key_of(key: &Json) -> Vec<String> {
    let columns: BTreeMap<&String, &Json> = key.as_object().into_iter().flatten().collect();
    columns.into_values().map(text).collect()
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => canonical::number(&number.to_string()).expect("a number"),
        other => other.to_string(),
    }
}
