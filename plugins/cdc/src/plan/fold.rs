//! Folds the events of each key into one row.
//!
//! Databases reject a MERGE with two source rows for one target row, so the events of a batch are folded first. The result
//! is the same as applying them one by one, each only if it is newer than the row.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use tidegate_plugin::{Operation, Struct, Value};

use super::{
    event::Event,
    moves::{Base, Inserted, Origin},
};
use crate::{options::UpdateMissing, position::Position};

/// Rows of a table, one for each key.
#[derive(Debug)]
pub struct Upserts<'b> {
    key: Arc<[String]>,
    rows: Vec<Folded<'b>>,
    by_key: HashMap<Rc<str>, usize>,
}

/// The result of the events of one key.
#[derive(Debug)]
pub struct Folded<'b> {
    /// The key as text, unique in the table.
    pub key_text: Rc<str>,
    /// Values of the key, in the order of its columns.
    pub key: Box<[Value<'b>]>,
    /// The last event.
    pub last: Event<'b>,
    /// The event with the values of the row: the last one, or the one before a delete; none if there is only a delete.
    pub values: Option<Event<'b>>,
    /// Values that this event omits, from earlier events.
    pub carried: Vec<Carried<'b>>,
    /// Whether the row may be inserted if it does not exist.
    pub inserts: bool,
    /// Whether the first event is an update or a delete, so that the row should exist.
    pub expects_row: bool,
    /// Number of events that were skipped because an earlier event in the batch is newer.
    pub older: u64,
    /// Where values come from that neither the event nor an earlier one contains.
    pub base: Base<'b>,
}

/// A value from an earlier event of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'b> {
    /// Column of the source.
    pub name: &'b str,
    /// The value.
    pub value: Value<'b>,
    /// The position at which it was set. A row with a newer position has a newer value.
    pub since: Position,
    /// The record that contains it.
    pub record: u32,
    /// Whether the value is lost: the row was deleted before an update that omits the value.
    pub is_lost: bool,
}

/// A row whose key changes, under its old key.
struct OldRow<'b> {
    values: Option<Event<'b>>,
    carried: Vec<Carried<'b>>,
    base: Base<'b>,
}

impl<'b> Upserts<'b> {
    pub(super) fn new(key: Arc<[String]>) -> Self {
        Self { key, rows: Vec::new(), by_key: HashMap::new() }
    }

    /// The source's key columns.
    pub fn key(&self) -> &Arc<[String]> {
        &self.key
    }

    /// The rows, in the order of their first events.
    pub fn rows(&self) -> &[Folded<'b>] {
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

    /// Adds a delete whose row gets another key, and keeps its known values for that key.
    pub(super) fn push_moved_away(
        &mut self,
        old: (&str, Vec<Value<'b>>),
        new: (&str, Vec<Value<'b>>),
        event: Event<'b>,
    ) {
        let old_row = self.old_row(old.0, &old.1, event);
        self.push(old.0, old.1, event, UpdateMissing::Insert);
        if let Some(old_row) = old_row {
            self.insert_moved_row(new, event, old_row);
        }
    }

    /// Adds a create that omits values. `old` is the previous key of its row, if known.
    pub(super) fn push_created(
        &mut self,
        key: (&str, Vec<Value<'b>>),
        old: Option<(&str, Vec<Value<'b>>)>,
        event: Event<'b>,
    ) {
        let is_expected = self.get(key.0).is_some_and(|row| row.last.is_completed_by(&event));
        if let Some((old_text, old)) = old.filter(|_| !is_expected)
            && let Some(old_row) = self.old_row(old_text, &old, event)
        {
            self.insert_moved_row((key.0, key.1.clone()), event, old_row);
        }
        self.push(key.0, key.1, event, UpdateMissing::Insert);
    }

    /// Adds an update that changes the key: deletes the row under its old key, and inserts it under the new one. Values
    /// that the
    /// update omits come from the old row.
    pub(super) fn push_moved(
        &mut self,
        old: (&str, Vec<Value<'b>>),
        new: (&str, Vec<Value<'b>>),
        event: Event<'b>,
    ) {
        let old_row = self.old_row(old.0, &old.1, event).unwrap_or(OldRow {
            values: None,
            carried: Vec::new(),
            base: Base::Inserted(Inserted { by: event, origins: Vec::new() }),
        });
        self.push(old.0, old.1, event.as_delete(), UpdateMissing::Insert);
        self.insert_moved_row((new.0, new.1.clone()), event, old_row);
        self.push(new.0, new.1, event, UpdateMissing::Insert);
    }

    fn get(&self, key_text: &str) -> Option<&Folded<'b>> {
        self.by_key.get(key_text).and_then(|index| self.rows.get(*index))
    }

    /// The row that an event moves to another key, with all values known from the batch; none if a newer row has the
    /// key.
    fn old_row(&self, old_text: &str, old: &[Value<'b>], event: Event<'b>) -> Option<OldRow<'b>> {
        let row = self.get(old_text);
        if row.is_some_and(|row| row.last.order() > event.order()) {
            return None;
        }
        let is_early = row.is_none() && event.operation().is_insert();
        let origin = |came_by| Origin { key: old.into(), left_by: event, is_early, came_by };
        let origins = match row.map(|row| (row, &row.base)) {
            // All of its values are known.
            Some((row, Base::Inserted(_))) if row.values.is_some() && row.unknown().next().is_none() => {
                Vec::new()
            }
            Some((_, Base::Inserted(inserted))) => {
                let here = origin(Some(inserted.by));
                [here].into_iter().chain(inserted.origins.iter().cloned()).collect()
            }
            Some((_, Base::Row)) | None => vec![origin(None)],
        };
        // The values of the row are as new as the move: under the new key, everything else is older.
        let since = event.position;
        // The old row in the event is not used: without REPLICA IDENTITY FULL, unknown columns contain nulls, or empty
        // strings and zeros if they are NOT NULL.
        let known = row.map_or(&[][..], |row| &row.carried);
        let carried = known.iter().map(|carried| Carried { since, ..*carried }).collect();
        let values = row.and_then(|row| row.values).map(|values| values.at(since));
        Some(OldRow { values, carried, base: Base::Inserted(Inserted { by: event, origins }) })
    }

    /// Inserts a row under its new key, with the values that it had under the old one.
    fn insert_moved_row(&mut self, new: (&str, Vec<Value<'b>>), event: Event<'b>, old_row: OldRow<'b>) {
        let last = event.as_moved_row();
        let OldRow { values, carried, base } = old_row;
        let known = self.by_key.get(new.0).and_then(|index| self.rows.get_mut(*index));
        let mut row = Folded {
            key_text: new.0.into(),
            key: new.1.into_boxed_slice(),
            last,
            values,
            carried,
            inserts: true,
            expects_row: false,
            older: 0,
            base,
        };
        match known {
            Some(known) if last.order() > known.last.order() => {
                (row.expects_row, row.older) = (known.expects_row, known.older);
                *known = row;
            }
            Some(_) => {}
            None => self.insert(row),
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
            // For events that were sent before, the row may have been deleted since.
            expects_row: !operation.is_insert() && !last.change.is_resent(),
            older: 0,
            base: base_of(last),
        }
    }

    /// Whether the row is a moved row: stored under its new key, before the event that changed the key has arrived.
    pub fn is_moved_row(&self) -> bool {
        self.last.is_moved_row()
    }

    /// Names of the columns whose values only a row of the table can provide.
    pub fn unknown(&self) -> impl Iterator<Item = &'b str> {
        let left_out = self.values.map_or(Struct::EMPTY, |values| values.row());
        let names = left_out.iter().filter(|(_, value)| value.is_unavailable()).map(|(name, _)| name);
        names.filter(|name| self.carried(name).is_none())
    }

    /// Rows of the table with previous keys of this row, whose values are needed.
    pub fn needed_origins(&self) -> &[Origin<'b>] {
        match &self.base {
            Base::Inserted(inserted) if !self.is_delete() && self.lacks_values() => &inserted.origins,
            _ => &[],
        }
    }

    fn lacks_values(&self) -> bool {
        self.values.is_none() || self.unknown().next().is_some()
    }

    /// Whether the row is written only by copying the row of its old key.
    pub fn is_only_copied(&self) -> bool {
        self.is_moved_row() && self.lacks_values()
    }

    /// The event for the metadata columns.
    pub fn metadata_event(&self) -> Event<'b> {
        if self.is_moved_row() { self.values.unwrap_or(self.last) } else { self.last }
    }

    /// Whether the last event is a delete.
    pub fn is_delete(&self) -> bool {
        self.last.operation() == Operation::Delete
    }

    /// The values of the row; for a single delete, the row in the delete.
    pub fn row(&self) -> Struct<'b> {
        self.values.unwrap_or(self.last).row()
    }

    /// The value of a column that the event omits, if an earlier event contains it.
    pub fn carried(&self, name: &str) -> Option<&Carried<'b>> {
        self.carried.iter().find(|carried| carried.name == name)
    }

    fn then(&mut self, event: Event<'b>, missing: UpdateMissing) {
        // The source has sent an old event again. Events at one offset are of one message, and in order.
        let is_of_last_message = event.position.has_offset() && event.order() == self.last.order();
        if event.order() <= self.last.order() && !is_of_last_message {
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
            _ if self.last.is_completed_by(&event) => {
                self.carry(&event);
                self.inserts = true;
                self.values = Some(event);
            }
            _ => {
                self.carried.clear();
                self.inserts = true;
                self.values = Some(event);
                self.base = base_of(event);
            }
        }
        self.last = event;
    }

    /// Keeps the values that the next event omits.
    fn carry(&mut self, next: &Event<'b>) {
        let left_out = next.row().iter().filter(|(_, value)| value.is_unavailable());
        let carried = left_out.filter_map(|(name, _)| self.known(name)).collect();
        self.carried = carried;
    }

    /// An update after a delete does not get the omitted values of the deleted row: they are lost.
    pub(super) fn nothing_left(&self, next: &Event<'b>) -> Vec<Carried<'b>> {
        let left_out = next.row().iter().filter(|(_, value)| value.is_unavailable());
        let (since, record) = (self.last.position, self.last.record.index());
        let lost = |(name, _)| Carried { name, value: Value::NULL, since, record, is_lost: true };
        left_out.map(lost).collect()
    }

    pub(super) fn known(&self, name: &'b str) -> Option<Carried<'b>> {
        let event = self.values.and_then(|event| event.row().get(name).map(|value| (event, value)));
        match event.filter(|(_, value)| !value.is_unavailable()) {
            Some((event, value)) => {
                let (since, record) = (event.position, event.record.index());
                Some(Carried { name, value, since, record, is_lost: false })
            }
            None => self.carried(name).copied(),
        }
    }
}

/// An insert creates a row; other events change an existing one.
pub(super) fn base_of(event: Event<'_>) -> Base<'_> {
    match event.operation().is_insert() {
        true => Base::Inserted(Inserted { by: event, origins: Vec::new() }),
        false => Base::Row,
    }
}
