//! A change event for a table.

use tidegate_plugin::{Change, Operation, Record, Struct, Timestamp};

use super::moves;
use crate::position::Position;

/// A change event with its position.
#[derive(Clone, Copy, Debug)]
pub struct Event<'b> {
    /// The record.
    pub record: Record<'b>,
    /// The change that it contains.
    pub change: Change<'b>,
    /// Its position among the events of its row.
    pub position: Position,
    /// Its place among the events with the same key and position, which are of one message.
    ordinal: u16,
    role: Role,
}

/// How an event is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// As it is.
    Itself,
    /// As the delete of the row under its old key.
    OldKey,
    /// As the row under its new key, with its values before the event.
    MovedRow,
    /// As an update, although the source has sent a create: the key in the table is the same as before.
    Update,
}

impl<'b> Event<'b> {
    pub(super) fn new(record: Record<'b>, change: Change<'b>, position: Position) -> Self {
        Self { record, change, position, ordinal: 0, role: Role::Itself }
    }

    /// The event with another position.
    pub(super) fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The event at this place among those with the same key and position.
    pub(super) fn nth(self, ordinal: u16) -> Self {
        Self { ordinal, ..self }
    }

    /// Its place among the events with the same key and position.
    pub(super) fn ordinal(&self) -> u16 {
        self.ordinal
    }

    /// The delete of the row under its old key.
    pub(super) fn as_delete(self) -> Self {
        Self { role: Role::OldKey, ..self }
    }

    /// The moved row: under its new key, with the values that it had under the old one.
    pub(super) fn as_moved_row(self) -> Self {
        Self { role: Role::MovedRow, ..self }
    }

    /// The create of a row that already exists under the same key.
    pub(super) fn as_update(self) -> Self {
        Self { role: Role::Update, ..self }
    }

    /// Whether it is a moved row: under its new key, before the event that changed the key has arrived.
    pub fn is_moved_row(&self) -> bool {
        self.role == Role::MovedRow
    }

    /// Orders the events of a row. A moved row is older than the event that changed the key.
    pub(super) fn order(&self) -> (Position, bool) {
        (self.position, !self.is_moved_row())
    }

    /// Whether `event` completes this moved row: both events belong to the same change in the source.
    pub(super) fn is_completed_by(&self, event: &Self) -> bool {
        if self.role != Role::MovedRow {
            return false;
        }
        self.record.index() == event.record.index() || self.is_same_change(event)
    }

    /// Whether two events have the same position in the source's log.
    pub(super) fn is_same_change(&self, other: &Self) -> bool {
        let is_placed = |event: &Self| event.change.position().is_some() && !event.change.inherits_position();
        is_placed(self)
            && is_placed(other)
            && self.change.position() == other.change.position()
            && self.change.transaction() == other.change.transaction()
            && self.change.table() == other.change.table()
    }

    /// The position as stored in the table.
    pub fn stamp(&self) -> String {
        match self.ordinal {
            _ if self.is_moved_row() => moves::moved_row_position(self.position),
            0 => self.position.to_string(),
            // After the same position without it, and before all later ones: see `Position`.
            ordinal => format!("{}/{ordinal:05}", self.position),
        }
    }

    /// What happens to the row. A change of a row's key is two events of the plan: a delete, and an insert.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self.role {
            Role::Itself => self.change.operation(),
            Role::OldKey => Operation::Delete,
            Role::MovedRow => Operation::Create,
            Role::Update => Operation::Update,
        }
    }

    /// The row after the event, or before a delete.
    pub fn row(&self) -> Struct<'b> {
        match self.role {
            Role::Itself | Role::Update => self.change.row(),
            Role::OldKey => self.change.before(),
            Role::MovedRow => Struct::EMPTY,
        }
    }

    /// The commit time in the source, or the best alternative.
    pub fn time(&self) -> Option<Timestamp> {
        self.time_ms().map(|milliseconds| Timestamp::from_parts(milliseconds, 1000, Some(0)))
    }

    /// As [`Event::time`], in milliseconds since the epoch.
    pub fn time_ms(&self) -> Option<i64> {
        self.change.commit_ms().or(self.change.event_ms()).or(self.record.timestamp_ms())
    }

    /// Debezium's code of the operation.
    pub fn op_code(&self) -> char {
        char::from(self.operation().code().0)
    }
}
