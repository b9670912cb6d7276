//! One row per key: what several events of a row come to.
//!
//! Snowflake refuses a MERGE with two source rows for one target row, so the events of a batch are folded first. The
//! outcome is that of applying them one by one, each only if it is newer than what the row holds.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use tidegate_plugin::{Operation, Value};

use super::event::Event;
use crate::{config::UpdateMissing, position::Position};

/// Rows of one table, one for each key.
pub(crate) struct Upserts<'b> {
    key: Arc<[String]>,
    rows: Vec<Folded<'b>>,
    by_key: HashMap<Rc<str>, usize>,
}

/// What the events of one row come to.
pub(crate) struct Folded<'b> {
    /// The key as text, unique in its table.
    pub(crate) key_text: Rc<str>,
    /// The key's values, in the order of its columns.
    pub(crate) key: Box<[Value<'b>]>,
    /// The last event.
    pub(crate) last: Event<'b>,
    /// Values that the last event did not have and earlier ones did.
    pub(crate) carried: Vec<Carried<'b>>,
    /// Whether the row may be inserted where it is missing.
    pub(crate) inserts: bool,
    /// Whether the first event was an update or a delete: there should be a row.
    pub(crate) expects_row: bool,
}

/// A value from an earlier event of the batch.
#[derive(Clone, Copy)]
pub(crate) struct Carried<'b> {
    /// The source's column.
    pub(crate) name: &'b str,
    /// The value.
    pub(crate) value: Value<'b>,
    /// When it was set. A row that is newer than that has a newer value.
    pub(crate) since: Position,
}

impl<'b> Upserts<'b> {
    pub(super) fn new(key: Arc<[String]>) -> Self {
        Self { key, rows: Vec::new(), by_key: HashMap::new() }
    }

    /// The source's columns that make up the key.
    pub(crate) fn key(&self) -> &Arc<[String]> {
        &self.key
    }

    /// The rows, in the order of their first events.
    pub(crate) fn rows(&self) -> &[Folded<'b>] {
        &self.rows
    }

    pub(super) fn push(
        &mut self,
        key_text: &str,
        key: Vec<Value<'b>>,
        event: Event<'b>,
        missing: UpdateMissing,
    ) {
        let known = self.by_key.get(key_text).and_then(|index| self.rows.get_mut(*index));
        if let Some(row) = known {
            return row.then(event, missing);
        }
        let key_text: Rc<str> = key_text.into();
        self.by_key.insert(Rc::clone(&key_text), self.rows.len());
        self.rows.push(Folded::new(key_text, key.into_boxed_slice(), event, missing));
    }
}

impl<'b> Folded<'b> {
    fn new(key_text: Rc<str>, key: Box<[Value<'b>]>, last: Event<'b>, missing: UpdateMissing) -> Self {
        let operation = last.operation();
        let inserts = match operation {
            Operation::Update => missing == UpdateMissing::Insert,
            _ => operation.is_insert(),
        };
        let carried = Vec::new();
        Self { key_text, key, last, carried, inserts, expects_row: !operation.is_insert() }
    }

    /// Whether the row is deleted in the end.
    pub(crate) fn is_delete(&self) -> bool {
        self.last.operation() == Operation::Delete
    }

    /// The value of a column that the last event left out, if an earlier event has it.
    pub(crate) fn carried(&self, name: &str) -> Option<&Carried<'b>> {
        self.carried.iter().find(|carried| carried.name == name)
    }

    fn then(&mut self, event: Event<'b>, missing: UpdateMissing) {
        // The source sent an old event again.
        if event.position <= self.last.position {
            return;
        }
        match event.operation() {
            Operation::Update if self.is_delete() => {
                // There is no row to update.
                if missing == UpdateMissing::Skip {
                    return;
                }
                self.carried.clear();
                self.inserts = true;
            }
            Operation::Update => self.carry(&event),
            Operation::Delete => {
                self.carried.clear();
                self.inserts = false;
            }
            _ => {
                self.carried.clear();
                self.inserts = true;
            }
        }
        self.last = event;
    }

    /// Keeps the values that the next event leaves out.
    fn carry(&mut self, next: &Event<'b>) {
        let left_out = next.row().iter().filter(|(_, value)| value.is_unavailable());
        let carried = left_out.filter_map(|(name, _)| self.known(name)).collect();
        self.carried = carried;
    }

    fn known(&self, name: &'b str) -> Option<Carried<'b>> {
        let value = self.last.row().get(name)?;
        if value.is_unavailable() {
            return self.carried(name).copied();
        }
        Some(Carried { name, value, since: self.last.position })
    }
}
