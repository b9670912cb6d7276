//! One row per key: what several events of a row come to.
//!
//! Snowflake refuses a MERGE with two source rows for one target row, so the events of a batch are folded first. The
//! outcome is that of applying them one by one, each only if it is newer than what the row holds.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use tidegate_plugin::{Operation, Struct, Value};

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
    /// The event that has the row's values: the last one, or the one before a delete; none for a delete alone.
    pub(crate) values: Option<Event<'b>>,
    /// Values that this event left out and earlier ones had.
    pub(crate) carried: Vec<Carried<'b>>,
    /// Whether the row may be inserted where it is missing.
    pub(crate) inserts: bool,
    /// Whether the first event was an update or a delete: there should be a row.
    pub(crate) expects_row: bool,
    /// Events that were left out, since they are older than one before them in the batch.
    pub(crate) older: u64,
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
    /// The record that has it.
    pub(crate) record: u32,
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
        self.insert(Folded::new(key_text.into(), key.into_boxed_slice(), event, missing));
    }

    /// An update that changes the key: the row goes under its old key, and comes again under the new one. What the update
    /// leaves out comes from the row before it, as far as that is known.
    pub(super) fn push_moved(
        &mut self,
        old: (&str, Vec<Value<'b>>),
        new: (&str, Vec<Value<'b>>),
        event: Event<'b>,
    ) {
        let before = self.by_key.get(old.0).and_then(|index| self.rows.get(*index));
        let left_out = event.row().iter().filter(|(_, value)| value.is_unavailable());
        let carried = left_out.filter_map(|(name, _)| {
            let told = event.change.before().get(name).filter(|value| !value.is_unavailable());
            let known = before.and_then(|row| row.known(name)).map(|known| known.value);
            let (since, record) = (event.position, event.record.index());
            told.or(known).map(|value| Carried { name, value, since, record })
        });
        let carried = carried.collect();
        self.push(old.0, old.1, event.as_delete(), UpdateMissing::Insert);
        let mut moved = Folded::new(new.0.into(), new.1.into_boxed_slice(), event, UpdateMissing::Insert);
        moved.carried = carried;
        let known = self.by_key.get(new.0).and_then(|index| self.rows.get_mut(*index));
        match known {
            Some(row) if event.position > row.last.position => {
                moved.expects_row = row.expects_row;
                moved.older = row.older;
                *row = moved;
            }
            Some(row) => row.older += 1,
            None => self.insert(moved),
        }
    }

    fn insert(&mut self, row: Folded<'b>) {
        self.by_key.insert(Rc::clone(&row.key_text), self.rows.len());
        self.rows.push(row);
    }
}

impl<'b> Folded<'b> {
    fn new(key_text: Rc<str>, key: Box<[Value<'b>]>, last: Event<'b>, missing: UpdateMissing) -> Self {
        let operation = last.operation();
        let inserts = match operation {
            Operation::Update => missing == UpdateMissing::Insert,
            _ => operation.is_insert(),
        };
        Self {
            key_text,
            key,
            last,
            values: (operation != Operation::Delete).then_some(last),
            carried: Vec::new(),
            inserts,
            expects_row: !operation.is_insert(),
            older: 0,
        }
    }

    /// Whether the row is deleted in the end.
    pub(crate) fn is_delete(&self) -> bool {
        self.last.operation() == Operation::Delete
    }

    /// The row's values; for a delete alone, what the source told of the row.
    pub(crate) fn row(&self) -> Struct<'b> {
        self.values.unwrap_or(self.last).row()
    }

    /// The value of a column that the row leaves out, if an earlier event has it.
    pub(crate) fn carried(&self, name: &str) -> Option<&Carried<'b>> {
        self.carried.iter().find(|carried| carried.name == name)
    }

    fn then(&mut self, event: Event<'b>, missing: UpdateMissing) {
        // The source sent an old event again.
        if event.position <= self.last.position {
            self.older += 1;
            return;
        }
        match event.operation() {
            Operation::Update if self.is_delete() => {
                // There is no row to update.
                if missing == UpdateMissing::Skip {
                    return;
                }
                self.carried = self.nothing_left(&event);
                self.inserts = true;
                self.values = Some(event);
            }
            Operation::Update => {
                self.carry(&event);
                self.values = Some(event);
            }
            Operation::Delete => self.inserts = false,
            _ => {
                self.carried.clear();
                self.inserts = true;
                self.values = Some(event);
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

    /// What an update leaves out of a row that was deleted before it is not what the deleted row had.
    fn nothing_left(&self, next: &Event<'b>) -> Vec<Carried<'b>> {
        let left_out = next.row().iter().filter(|(_, value)| value.is_unavailable());
        let (since, record) = (self.last.position, self.last.record.index());
        left_out.map(|(name, _)| Carried { name, value: Value::NULL, since, record }).collect()
    }

    fn known(&self, name: &'b str) -> Option<Carried<'b>> {
        let event = self.values?;
        let value = event.row().get(name)?;
        if value.is_unavailable() {
            return self.carried(name).copied();
        }
        Some(Carried { name, value, since: event.position, record: event.record.index() })
    }
}
