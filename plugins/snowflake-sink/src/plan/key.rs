//! The primary key: which columns it has, and its values in an event.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use tidegate_plugin::{Operation, Struct, Value, prelude::info, write_json_string};

use super::{event::Event, route::Route};
use crate::names::likely_keys;

/// The primary key of a table, as an event shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// These columns of the source.
    Columns {
        /// Their names.
        names: Arc<[String]>,
        /// Whether they are the message's key: then the source itself splits an update of the key into a delete and an
        /// insert.
        is_message_key: bool,
    },
    /// None: the table is append-only.
    None,
}

/// What is known of a table's key so far.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Key>>);

impl Route {
    /// The key that an event's row goes by: the configured columns, else those of the message's key, else a column by one
    /// of the usual names.
    ///
    /// # Errors
    /// When the table has a key and the event does not.
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
            self.tell(&key);
            return Ok(known.insert(key).clone());
        }
        match &*known {
            Some(Key::Columns { is_message_key: true, .. }) => {
                Err("the message has no key, and earlier ones of the same table had one".to_owned())
            }
            Some(key) => Ok(key.clone()),
            None => {
                let key = self.likely_key(event)?;
                self.tell(&key);
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

    fn tell(&self, key: &Key) {
        let table = &*self.target;
        match key {
            Key::Columns { names, .. } => {
                info!(table, "rows are told apart by {}", names.join(", "));
            }
            Key::None => info!(
                table,
                "no primary key is known: the table is append-only; name its key_columns in [sink.config.tables] if it has one"
            ),
        }
    }
}

/// The key's values in an event.
///
/// # Errors
/// When one is missing or null.
pub(super) fn values<'b>(
    names: &[String],
    event: &Event<'b>,
    is_message_key: bool,
) -> Result<Vec<Value<'b>>, String> {
    let (key, row) = (event.change.key(), event.row());
    // One place for all events of a row: the same number may be written differently elsewhere.
    let places = if is_message_key { [key, row] } else { [row, key] };
    let value = |name: &String| {
        let found = places.iter().filter_map(|place: &Struct<'b>| place.get(name)).collect::<Found<'b>>();
        match found {
            Found::Value(value) => Ok(value),
            Found::Null => Err(format!("key column {name:?} is null")),
            Found::Nothing => Err(format!("the record has no key column {name:?}")),
        }
    };
    names.iter().map(value).collect()
}

/// The best of several places to look for a key column.
enum Found<'b> {
    Value(Value<'b>),
    Null,
    Nothing,
}

impl<'b> FromIterator<Value<'b>> for Found<'b> {
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

/// The key's values before an update, if the event tells them all.
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
    /// The key as text, the same for equal keys: a JSON array of strings.
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
