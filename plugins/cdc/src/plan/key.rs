//! The primary key: its columns, and its values in an event.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use tidegate_plugin::{Operation, Struct, Value, prelude::info, write_json_string};

use super::{event::Event, route::Route};
use crate::names::likely_keys;

/// The primary key of a table, as known from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Columns of the source.
    Columns {
        names: Arc<[String]>,
        /// Whether they are the columns of the record key. Then the source itself splits an update of the key into a
        /// delete and an insert.
        is_message_key: bool,
    },
    /// No key: the table is append-only.
    None,
}

/// What is known about a table's key so far.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Key>>);

impl Route {
    /// The key of an event: the configured columns, otherwise those of the record key, otherwise a column with one of the
    /// usual names.
    ///
    /// # Errors
    /// If the table has a key but the event does not.
    pub(super) fn key_of(&self, event: &Event<'_>) -> Result<Key, String> {
        if let Some(names) = &self.key_columns {
            return Ok(Key::Columns { names: Arc::clone(names), is_message_key: false });
        }
        let message_key = event.change.key();
        let mut known = self.key.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !message_key.is_empty() {
            if let Some(Key::Columns { names, is_message_key: true }) = &*known
                && names.iter().map(String::as_str).eq(message_key.iter().map(|(name, _)| name))
            {
                return Ok(Key::Columns { names: Arc::clone(names), is_message_key: true });
            }
            let names = message_key.iter().map(|(name, _)| name.to_owned()).collect();
            let key = Key::Columns { names, is_message_key: true };
            self.log_key(&key);
            return Ok(known.insert(key).clone());
        }
        match &*known {
            Some(Key::Columns { is_message_key: true, .. }) => {
                Err("the record has no key, but earlier records of the same table have one".to_owned())
            }
            Some(key) => Ok(key.clone()),
            None => {
                let key = self.likely_key(event)?;
                self.log_key(&key);
                Ok(known.insert(key).clone())
            }
        }
    }

    fn likely_key(&self, event: &Event<'_>) -> Result<Key, String> {
        let row = event.row();
        let found = likely_keys(&self.table).find(|name| row.get(name).is_some_and(|value| !value.is_null()));
        match found {
            Some(name) => Ok(Key::Columns { names: Arc::new([name]), is_message_key: false }),
            None if row.is_empty() => Err("the event has neither a key nor a row".to_owned()),
            None => Ok(Key::None),
        }
    }

    fn log_key(&self, key: &Key) {
        let table = &*self.target;
        match key {
            Key::Columns { names, .. } => {
                info!(table, "primary key: {}", names.join(", "));
            }
            Key::None => info!(
                table,
                "no primary key is known, so the table is append-only; if it has one, set its key_columns in [sink.config.tables]"
            ),
        }
    }
}

/// The values of the key in an event.
///
/// # Errors
/// If one is missing or null.
pub(super) fn values<'b>(
    names: &[String],
    event: &Event<'b>,
    is_message_key: bool,
) -> Result<Vec<Value<'b>>, String> {
    let (key, row) = (event.change.key(), event.row());
    // Use the same source for all events of a row: others may write the same number differently.
    let places = if is_message_key { [key, row] } else { [row, key] };
    let value = |name: &String| {
        let found = places.iter().filter_map(|place: &Struct<'b>| place.get(name)).collect::<KeyColumn<'b>>();
        match found {
            KeyColumn::Value(value) => Ok(value),
            KeyColumn::Null => Err(format!("key column {name:?} is null")),
            KeyColumn::Nothing => Err(format!("the record has no key column {name:?}")),
        }
    };
    names.iter().map(value).collect()
}

/// The best of several structs that may contain a key column.
enum KeyColumn<'b> {
    Value(Value<'b>),
    Null,
    Nothing,
}

impl<'b> FromIterator<Value<'b>> for KeyColumn<'b> {
    fn from_iter<I: IntoIterator<Item = Value<'b>>>(values: I) -> Self {
        let mut found = Self::Nothing;
        for value in values {
            if !value.is_null() && !value.is_unavailable() {
                return Self::Value(value);
            }
            found = Self::Null;
        }
        found
    }
}

/// The values of the key before an update, if the event has all of them.
pub(super) fn old_values<'b>(names: &[String], event: &Event<'b>) -> Option<Vec<Value<'b>>> {
    if event.operation() != Operation::Update {
        return None;
    }
    let before = event.change.before();
    names
        .iter()
        .map(|name| before.get(name).filter(|value| !value.is_null() && !value.is_unavailable()))
        .collect()
}

/// Buffers for the text of keys.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    key: String,
    value: String,
}

impl Scratch {
    /// The key as text, a JSON array of strings. Equal keys have equal texts.
    pub(super) fn text(&mut self, values: &[Value<'_>]) -> &str {
        self.key.clear();
        for value in values {
            self.key.push(if self.key.is_empty() { '[' } else { ',' });
            self.value.clear();
            // Writing to a String cannot fail.
            let _written = write!(self.value, "{value}").is_ok();
            let _written = write_json_string(&mut self.key, &self.value).is_ok();
        }
        self.key.push(']');
        &self.key
    }
}
