//! One row per key: what several events of a row come to.
//!
//! Snowflake refuses a MERGE with two source rows for one target row, so the events of a batch are folded first. The
//! outcome is that of applying them one by one, each only if it is newer than what the row holds.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use tidegate_plugin::{Operation, Struct, Value};

use super::{
    event::Event,
    moves::{Base, Inserted, Origin},
};
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
    /// Where values come from that neither the event nor an earlier one has.
    pub(crate) base: Base<'b>,
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
    /// Whether nothing has it: the row was deleted before an update that leaves it out.
    pub(crate) is_lost: bool,
}

/// A row that leaves its key.
struct Departed<'b> {
    values: Option<Event<'b>>,
    carried: Vec<Carried<'b>>,
    base: Base<'b>,
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

    /// A delete whose row goes on under another key: what is known of it goes along.
    pub(super) fn push_leaving(
        &mut self,
        old: (&str, Vec<Value<'b>>),
        new: (&str, Vec<Value<'b>>),
        event: Event<'b>,
    ) {
        let departed = self.departed(old.0, &old.1, event);
        self.push(old.0, old.1, event, UpdateMissing::Insert);
        if let Some(departed) = departed {
            self.arrive(new, event, departed);
        }
    }

    /// A create that leaves values out, and the key that its row had before, if that is known.
    pub(super) fn push_created(
        &mut self,
        key: (&str, Vec<Value<'b>>),
        old: Option<(&str, Vec<Value<'b>>)>,
        event: Event<'b>,
    ) {
        let is_expected = self.get(key.0).is_some_and(|row| row.last.is_completed_by(&event));
        if let Some((old_text, old)) = old.filter(|_| !is_expected)
            && let Some(departed) = self.departed(old_text, &old, event)
        {
            self.arrive((key.0, key.1.clone()), event, departed);
        }
        self.push(key.0, key.1, event, UpdateMissing::Insert);
    }

    /// An update that changes the key: the row goes under its old key, and comes again under the new one. What the update
    /// leaves out comes from the row before it.
    pub(super) fn push_moved(
        &mut self,
        old: (&str, Vec<Value<'b>>),
        new: (&str, Vec<Value<'b>>),
        event: Event<'b>,
    ) {
        let departed = self.departed(old.0, &old.1, event).unwrap_or(Departed {
            values: None,
            carried: Vec::new(),
            base: Base::Inserted(Inserted { by: event, origins: Vec::new() }),
        });
        self.push(old.0, old.1, event.as_delete(), UpdateMissing::Insert);
        self.arrive((new.0, new.1.clone()), event, departed);
        self.push(new.0, new.1, event, UpdateMissing::Insert);
    }

    fn get(&self, key_text: &str) -> Option<&Folded<'b>> {
        self.by_key.get(key_text).and_then(|index| self.rows.get(*index))
    }

    /// The row that leaves its key by an event, with all that the batch and the event tell of it; none where a newer row
    /// has the key.
    fn departed(&self, old_text: &str, old: &[Value<'b>], event: Event<'b>) -> Option<Departed<'b>> {
        let row = self.get(old_text);
        if row.is_some_and(|row| row.last.order() > event.order()) {
            return None;
        }
        let is_early = row.is_none() && event.operation().is_insert();
        let origin = |came_by| Origin { key: old.into(), left_by: event, is_early, came_by };
        let origins = match row.map(|row| (row, &row.base)) {
            // All that it has is known.
            Some((row, Base::Inserted(_))) if row.values.is_some() && row.unknown().next().is_none() => {
                Vec::new()
            }
            Some((_, Base::Inserted(inserted))) => {
                let here = origin(Some(inserted.by));
                [here].into_iter().chain(inserted.origins.iter().cloned()).collect()
            }
            Some((_, Base::Row)) | None => vec![origin(None)],
        };
        // What the row had is as new as its move: under the new key, everything else is older.
        let since = event.position;
        // What the event says of the row before is not taken: without a full replica identity, columns that it does not know
        // hold nulls there, or empty texts and zeros where they must not be null.
        let known = row.map_or(&[][..], |row| &row.carried);
        let carried = known.iter().map(|carried| Carried { since, ..*carried }).collect();
        let values = row.and_then(|row| row.values).map(|values| values.at(since));
        Some(Departed { values, carried, base: Base::Inserted(Inserted { by: event, origins }) })
    }

    /// A row comes to its new key, as it was under the old one.
    fn arrive(&mut self, new: (&str, Vec<Value<'b>>), event: Event<'b>, departed: Departed<'b>) {
        let last = event.as_arrival();
        let Departed { values, carried, base } = departed;
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
            // Of what was sent before, the row may be gone since.
            expects_row: !operation.is_insert() && !last.change.is_resent(),
            older: 0,
            base: base_of(last),
        }
    }

    /// Whether the row waits under its new key for the event that changed the key.
    pub(crate) fn is_arrival(&self) -> bool {
        self.last.is_arrival()
    }

    /// The names of the columns whose values only a row of the table has.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &'b str> {
        let left_out = self.values.map_or(Struct::EMPTY, |values| values.row());
        let names = left_out.iter().filter(|(_, value)| value.is_unavailable()).map(|(name, _)| name);
        names.filter(|name| self.carried(name).is_none())
    }

    /// The rows of the table whose values are needed under this key: those of keys that the row had before.
    pub(crate) fn needed_origins(&self) -> &[Origin<'b>] {
        match &self.base {
            Base::Inserted(inserted) if !self.is_delete() && self.lacks_values() => &inserted.origins,
            _ => &[],
        }
    }

    fn lacks_values(&self) -> bool {
        self.values.is_none() || self.unknown().next().is_some()
    }

    /// Whether the row is written by copying the one of its old key, and by nothing else.
    pub(crate) fn is_only_copied(&self) -> bool {
        self.is_arrival() && self.lacks_values()
    }

    /// The event that the columns about it tell of.
    pub(crate) fn told(&self) -> Event<'b> {
        if self.is_arrival() { self.values.unwrap_or(self.last) } else { self.last }
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
        if event.order() <= self.last.order() {
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
        let lost = |(name, _)| Carried { name, value: Value::NULL, since, record, is_lost: true };
        left_out.map(lost).collect()
    }

    fn known(&self, name: &'b str) -> Option<Carried<'b>> {
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

/// An insert begins a row; anything else goes on with the one that is there.
fn base_of(event: Event<'_>) -> Base<'_> {
    match event.operation().is_insert() {
        true => Base::Inserted(Inserted { by: event, origins: Vec::new() }),
        false => Base::Row,
    }
}
