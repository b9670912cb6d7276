//! Evaluates a transform's `when` on a record.

use tidegate_abi::{Operation, Record};

use crate::config::{ChangeKind, Predicate};

/// Whether `record` meets all conditions of `predicate`.
pub(super) fn holds(predicate: &Predicate, record: Record<'_>) -> bool {
    conditions_hold(predicate, record) != predicate.negated
}

fn conditions_hold(predicate: &Predicate, record: Record<'_>) -> bool {
    let change = record.change();
    predicate.topic.as_ref().is_none_or(|topic| topic.is_match(record.topic()))
        && predicate
            .table
            .as_ref()
            .is_none_or(|table| change.is_some_and(|change| table.is_match(change.table())))
        && predicate.header.as_ref().is_none_or(|header| record.headers().get(header).is_some())
        && predicate.tombstone.is_none_or(|tombstone| record.is_tombstone() == tombstone)
        && (predicate.operations.is_empty()
            || change
                .is_some_and(|change| predicate.operations.iter().any(|kind| is(*kind, change.operation()))))
        && predicate.unless.as_ref().is_none_or(|unless| !holds(unless, record))
}

fn is(kind: ChangeKind, operation: Operation) -> bool {
    matches!(
        (kind, operation),
        (ChangeKind::Insert, Operation::Create)
            | (ChangeKind::Snapshot, Operation::Read)
            | (ChangeKind::Update, Operation::Update)
            | (ChangeKind::Delete, Operation::Delete)
            | (ChangeKind::Truncate, Operation::Truncate)
            | (ChangeKind::Message, Operation::Message)
    )
}
