//! A change event on its way to a table.

use tidegate_plugin::{Change, Operation, Record, Struct, Timestamp};

use super::moves;
use crate::position::Position;

/// A change event, and when it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'b> {
    /// The record that it came in.
    pub(crate) record: Record<'b>,
    /// The event.
    pub(crate) change: Change<'b>,
    /// Its place among the events of its row.
    pub(crate) position: Position,
    role: Role,
}

/// What an event stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// What it says.
    Itself,
    /// The delete of the row under its old key, which the event implies.
    OldKey,
    /// The row under its new key, as it was before the event changed it.
    Arrival,
    /// An update of the row, though the source sent a create: its key in the table is the same as before.
    Update,
}

impl<'b> Event<'b> {
    /// An event.
    pub(crate) fn new(record: Record<'b>, change: Change<'b>, position: Position) -> Self {
        Self { record, change, position, role: Role::Itself }
    }

    /// The event at another position.
    pub(super) fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The delete of the row under its old key.
    pub(crate) fn as_delete(self) -> Self {
        Self { role: Role::OldKey, ..self }
    }

    /// The row under its new key, with the values that it had under the old one.
    pub(super) fn as_arrival(self) -> Self {
        Self { role: Role::Arrival, ..self }
    }

    /// The create of a row that is there already, under the same key.
    pub(super) fn as_update(self) -> Self {
        Self { role: Role::Update, ..self }
    }

    /// Whether it is a row under its new key, before the event that changed the key has come.
    pub(crate) fn is_arrival(&self) -> bool {
        self.role == Role::Arrival
    }

    /// What orders the events of a row: an arrival is older than the event that it belongs to.
    pub(super) fn order(&self) -> (Position, bool) {
        (self.position, !self.is_arrival())
    }

    /// Whether an event is the one that this arrival waits for: the other half of the same change in the source.
    pub(super) fn is_completed_by(&self, event: &Self) -> bool {
        if self.role != Role::Arrival {
            return false;
        }
        self.record.index() == event.record.index() || self.is_same_change(event)
    }

    /// Whether two events have the same place in the source's log.
    pub(super) fn is_same_change(&self, other: &Self) -> bool {
        let is_placed = |event: &Self| event.change.position().is_some() && !event.change.inherits_position();
        is_placed(self)
            && is_placed(other)
            && self.change.position() == other.change.position()
            && self.change.transaction() == other.change.transaction()
            && self.change.table() == other.change.table()
    }

    /// The event's place as the table has it.
    pub(crate) fn stamp(&self) -> String {
        if self.is_arrival() { moves::arrival(self.position) } else { self.position.to_string() }
    }

    /// What happened to the row.
    pub(crate) fn operation(&self) -> Operation {
        match self.role {
            Role::Itself => self.change.operation(),
            Role::OldKey => Operation::Delete,
            Role::Arrival => Operation::Create,
            Role::Update => Operation::Update,
        }
    }

    /// The row: as it is after the event, or was before a delete.
    pub(crate) fn row(&self) -> Struct<'b> {
        match self.role {
            Role::Itself | Role::Update => self.change.row(),
            Role::OldKey => self.change.before(),
            Role::Arrival => Struct::EMPTY,
        }
    }

    /// When the source committed it; else the best that is known.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let milliseconds = self.change.commit_ms().or(self.change.event_ms()).or(self.record.timestamp_ms());
        milliseconds.map(|milliseconds| Timestamp::from_parts(milliseconds, 1000, Some(0)))
    }

    /// Debezium's letter for the operation.
    pub(crate) fn letter(&self) -> char {
        char::from(self.operation().code().0)
    }
}
