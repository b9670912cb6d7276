//! The headers with which Debezium connects the delete and the create of an update of a key.
//!
//! The delete of the old key has the new key in `__debezium.newkey`. The create of the new key has the old key in
//! `__debezium.oldkey`. Both have the same columns as the record key, so the types of the values are known from the record
//! key. Headers are read only if needed.

mod convert;

use std::collections::HashMap;

use serde_json::Value as Json;
use tidegate_plugin::{Batch, Operation, Record, Struct, Value};

use self::convert::{KeyValue, Raw, convert};

/// In a delete: the new key of the row.
const NEW_KEY: &str = "__debezium.newkey";
/// In a create: the old key of the row.
const OLD_KEY: &str = "__debezium.oldkey";

/// Maximum number of attempts to split a text.
const MAX_ATTEMPTS: usize = 1_000;

/// The keys in the headers of a batch, by record, or why they cannot be parsed.
#[derive(Debug, Default)]
pub struct MovedKeys(HashMap<u32, Result<MovedKey, String>>);

/// A key from a header.
#[derive(Debug)]
pub(crate) struct MovedKey(Vec<(String, KeyValue)>);

impl MovedKeys {
    /// Parses the headers of deletes and of creates that omit values.
    pub(crate) fn of(batch: &Batch<'_>) -> Self {
        let mut keys = HashMap::new();
        for record in batch.iter().filter(|record| !record.headers().is_empty()) {
            let Some(name) = wanted(record) else { continue };
            if let Some(header) = record.headers().get(name) {
                let key = read(header.value, record).map_err(|reason| format!("header {name}: {reason}"));
                keys.insert(record.index(), key);
            }
        }
        Self(keys)
    }

    /// The key in the header of a record, if it was parsed.
    pub(super) fn get(&self, record: Record<'_>) -> Option<Result<&MovedKey, &str>> {
        // Most batches contain none.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&record.index()).map(|key| key.as_ref().map_err(String::as_str))
    }
}

impl MovedKey {
    /// The values of these columns, if the key has all of them. `record` is the one with the header.
    pub(super) fn values<'p>(&'p self, names: &[String], record: Record<'p>) -> Option<Vec<Value<'p>>> {
        let own = record.key().as_struct().unwrap_or(Struct::EMPTY);
        let value = |name: &String| {
            let (_, value) = self.0.iter().find(|(column, _)| column == name)?;
            Some(value.value(own.get(name).unwrap_or_default()))
        };
        names.iter().map(value).collect()
    }
}

/// The name of the relevant header of a record.
fn wanted(record: Record<'_>) -> Option<&'static str> {
    let change = record.change()?;
    match change.operation() {
        Operation::Delete => Some(NEW_KEY),
        operation if operation.is_insert() => {
            change.row().iter().any(|(_, value)| value.is_unavailable()).then_some(OLD_KEY)
        }
        _ => None,
    }
}

fn read(header: Option<&[u8]>, record: Record<'_>) -> Result<MovedKey, String> {
    let bytes = header.ok_or("it is null")?;
    let text = std::str::from_utf8(bytes).map_err(|_| {
        "it is not text: set header.converter of the connector to \
         org.apache.kafka.connect.json.JsonConverter"
    })?;
    let own =
        record.key().as_struct().filter(|key| !key.is_empty()).ok_or("the record key has no columns")?;
    let own_json = record.key_bytes().and_then(|bytes| serde_json::from_slice::<Json>(bytes).ok());
    let own_json = own_json.as_ref().map(payload);
    let converted = |name: &str, raw: Raw<'_>| {
        let semantic =
            record.key_schema().and_then(|schema| schema.get(name)).map_or("", |field| field.semantic());
        convert(own.get(name)?, own_json.and_then(|json| json.get(name)), raw, semantic)
    };
    if let Some(fields) = text.strip_prefix("Struct{").and_then(|text| text.strip_suffix('}')) {
        let names: Vec<&str> = own.iter().map(|(name, _)| name).collect();
        return read_struct(fields, &names, &converted);
    }
    let json: Json = serde_json::from_str(text).map_err(|_| "it is neither JSON nor Struct{..}")?;
    let fields = payload(&json);
    let column = |(name, _)| {
        let raw = fields.get(name).ok_or_else(|| format!("it has no column {name:?}"))?;
        let value = converted(name, Raw::Json(raw)).ok_or_else(|| unreadable(name))?;
        Ok((name.to_owned(), value))
    };
    own.iter().map(column).collect::<Result<_, String>>().map(MovedKey)
}

fn unreadable(name: &str) -> String {
    format!("its column {name:?} has a different format than in the record key")
}

/// The payload of Kafka Connect's `{"schema","payload"}`; other documents are returned unchanged.
fn payload(json: &Json) -> &Json {
    match json.as_object() {
        Some(object) if object.len() == 2 && object.contains_key("schema") => {
            object.get("payload").unwrap_or(json)
        }
        _ => json,
    }
}

/// Parses `a=1,b=x`. Text is not escaped, so it can look like the next column. If the types of the columns allow several
/// interpretations, parsing fails.
fn read_struct(
    fields: &str,
    names: &[&str],
    converted: &dyn Fn(&str, Raw<'_>) -> Option<KeyValue>,
) -> Result<MovedKey, String> {
    let mut search = Search { converted, found: Vec::new(), tries: 0 };
    search.divide(fields, names, &mut Vec::new());
    let is_ambiguous = search.found.len() > 1 || search.tries > MAX_ATTEMPTS;
    match search.found.pop() {
        Some(_) if is_ambiguous => {
            Err("its text can be read in several ways: set header.converter of the connector to \
                                        org.apache.kafka.connect.json.JsonConverter"
                .to_owned())
        }
        Some(values) => {
            let named = values.into_iter().map(|(name, text)| {
                let value = converted(name, Raw::Text(text)).ok_or_else(|| unreadable(name))?;
                Ok((name.to_owned(), value))
            });
            named.collect::<Result<_, String>>().map(MovedKey)
        }
        None => {
            Err(format!("it does not have the columns {} in the format of the record key", names.join(", ")))
        }
    }
}

/// Searches for ways to split a text into the values of the columns.
struct Search<'s, 't> {
    converted: &'s dyn Fn(&str, Raw<'_>) -> Option<KeyValue>,
    found: Vec<Vec<(&'t str, &'t str)>>,
    tries: usize,
}

impl<'t> Search<'_, 't> {
    /// Splits `rest` into values of the columns `names`, in any order.
    fn divide(&mut self, rest: &'t str, names: &[&'t str], before: &mut Vec<(&'t str, &'t str)>) {
        for (index, name) in names.iter().enumerate() {
            let Some(value) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) else {
                continue;
            };
            let others: Vec<&str> = names
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, name)| *name)
                .collect();
            if others.is_empty() {
                self.end(name, value, before);
            }
            for next in &others {
                let separator = format!(",{next}=");
                for (at, _) in value.match_indices(&separator) {
                    if self.found.len() > 1 || self.tries > MAX_ATTEMPTS {
                        return;
                    }
                    let (value, behind) = value.split_at(at);
                    if self.takes(name, value) {
                        before.push((name, value));
                        self.divide(behind.strip_prefix(',').unwrap_or_default(), &others, before);
                        before.pop();
                    }
                }
            }
        }
    }

    fn end(&mut self, name: &'t str, value: &'t str, before: &[(&'t str, &'t str)]) {
        if self.takes(name, value) {
            let mut values = before.to_vec();
            values.push((name, value));
            self.found.push(values);
        }
    }

    fn takes(&mut self, name: &str, text: &str) -> bool {
        self.tries += 1;
        (self.converted)(name, Raw::Text(text)).is_some()
    }
}

#[cfg(test)]
mod tests;
