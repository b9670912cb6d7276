//! Edits the fields of a record: in both rows of a change event, or in the value of other records, and optionally in the key.

use tidegate_plugin::{Arena, Record, Value, prelude::*};

/// An operation that edits values.
pub(crate) trait Edit {
    /// Returns the edited value, or `None` if nothing changes.
    fn edit<'b>(&self, value: Value<'b>, arena: Arena<'b>) -> Option<Value<'b>>;
}

/// Edits the fields of a record and emits it.
pub(crate) fn emit_edited<'b>(
    edit: &impl Edit,
    with_key: bool,
    record: Record<'b>,
    out: &mut Emit<'_, 'b>,
) -> Result<()> {
    let arena = out.arena();
    let mut output = edit_value(edit, record, arena);
    if let Some(key) = with_key.then(|| edit.edit(record.key(), arena)).flatten() {
        output = output.key(key);
    }
    out.emit(output)
}

fn edit_value<'b>(edit: &impl Edit, record: Record<'b>, arena: Arena<'b>) -> Output<'b> {
    let output = Output::of(record);
    let Some(change) = record.change() else {
        return match edit.edit(record.value(), arena) {
            Some(value) => output.value(value),
            None => output,
        };
    };
    let (before, after) = (change.before_value(), change.after_value());
    match (edit.edit(before, arena), edit.edit(after, arena)) {
        (None, None) => output,
        (new_before, new_after) => {
            output.rows(arena, new_before.unwrap_or(before), new_after.unwrap_or(after))
        }
    }
}
