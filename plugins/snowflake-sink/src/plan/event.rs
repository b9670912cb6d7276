//! A change event on its way to a table.

use tidegate_plugin::{Change, Operation, Record, Struct, Timestamp};

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
    /// A delete that the event implies: the row's key before it was changed.
    implied_delete: bool,
}

impl<'b> Event<'b> {
    /// An event.
    pub(crate) fn new(record: Record<'b>, change: Change<'b>, position: Position) -> Self {
        Self { record, change, position, implied_delete: false }
    }

    /// The event at another position.
    pub(super) fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The delete of the row under its old key.
    pub(crate) fn as_delete(self) -> Self {
        Self { implied_delete: true, ..self }
    }

    /// What happened to the row.
    pub(crate) fn operation(&self) -> Operation {
        if self.implied_delete { Operation::Delete } else { self.change.operation() }
    }

    /// The row: as it is after the event, or was before a delete.
    pub(crate) fn row(&self) -> Struct<'b> {
        if self.implied_delete { self.change.before() } else { self.change.row() }
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
