//! A field of the event that `add.fields` or `add.headers` names, and where it is found.

use tidegate_plugin::{Change, Struct, prelude::*};

const TRANSACTION_FIELDS: [&str; 3] = ["id", "total_order", "data_collection_order"];

/// A field of the event, and its new name.
pub(super) struct Reference {
    /// Block of the event that has the field: `source`, `transaction`, `before`, ..; `None` for the event itself.
    block: Option<Box<str>>,
    pub(super) field: Box<str>,
    /// Name in the row or of the header.
    pub(super) name: Box<str>,
}

/// An event, and the record that it is in.
#[derive(Clone, Copy)]
pub(super) struct Event<'b> {
    pub(super) record: Record<'b>,
    pub(super) change: Change<'b>,
}

impl Reference {
    /// Parses `field`, `block.field` or one of them with `:name`.
    pub(super) fn parse(prefix: &str, text: &str) -> Result<Self> {
        let (path, new_name) = match text.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (text, None),
        };
        let (block, field) = match path.split_once('.') {
            Some((block, field)) => (Some(block), field),
            None => (None, path),
        };
        let is_name = |name: &str| !name.is_empty() && !name.contains([':', '.']);
        if !is_name(field)
            || !block.is_none_or(is_name)
            || new_name.is_some_and(|name| name.is_empty() || name.contains(':'))
        {
            return Err(Error::invalid_config(format_args!(
                "{text:?} is not a field: write `field` or `block.field`, and `:name` after it for a new name"
            )));
        }
        let name = match (new_name, block) {
            (Some(name), _) => format!("{prefix}{name}"),
            (None, Some(block)) => format!("{prefix}{block}_{field}"),
            (None, None) => format!("{prefix}{field}"),
        };
        let block = block.or(block_of(field));
        Ok(Self { block: block.map(Box::from), field: field.into(), name: name.into() })
    }

    /// Whether it is the operation, which a tombstone has as well.
    pub(super) fn is_operation(&self) -> bool {
        self.block.is_none() && &*self.field == "op"
    }

    /// The field's value: null if the event does not have it although events of its schema may, `None` if they never do.
    pub(super) fn find<'b>(&self, event: Event<'b>, arena: tidegate_plugin::Arena<'b>) -> Option<Value<'b>> {
        let Event { record, change } = event;
        let field = &*self.field;
        let envelope = record.value().as_struct().unwrap_or(Struct::EMPTY);
        let block = match self.block.as_deref() {
            None if field == "op" => {
                let letter = char::from(change.operation().code().0);
                return Some(arena.string(letter.encode_utf8(&mut [0; 4])));
            }
            None => Some(envelope),
            Some("source") => change.source().as_struct(),
            Some("before") => change.before_value().as_struct(),
            Some("after") => change.after_value().as_struct(),
            Some(block) => envelope.get(block).and_then(|block| block.as_struct()),
        };
        let found = block.and_then(|block| block.get(field)).or_else(|| envelope.get(field));
        found.or_else(|| self.time_of(change)).or_else(|| self.may_exist(event).then_some(Value::NULL))
    }

    /// The time of an event that has no envelope, such as the tombstone that is a delete.
    fn time_of<'b>(&self, change: Change<'b>) -> Option<Value<'b>> {
        let milliseconds = (self.block.is_none() && &*self.field == "ts_ms").then(|| change.event_ms())?;
        milliseconds.map(Value::int)
    }

    /// Whether events of this schema can have the field. Without a schema, that is known only of fields that all events have.
    fn may_exist(&self, event: Event<'_>) -> bool {
        let (field, block) = (&*self.field, self.block.as_deref());
        let schema = event.record.value_schema();
        let declared = match block {
            None => schema.and_then(|schema| schema.get(field)),
            Some(block) => schema.and_then(|schema| schema.get(block)?.nested()?.get(field)),
        };
        let in_other_row = |row: Struct<'_>| row.get(field).is_some();
        declared.is_some()
            || match block {
                Some("transaction") => TRANSACTION_FIELDS.contains(&field),
                Some("before") => in_other_row(event.change.after()),
                Some("after") => in_other_row(event.change.before()),
                _ => false,
            }
    }
}

/// The block that has a field which was named without one.
fn block_of(field: &str) -> Option<&str> {
    match field {
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        _ if TRANSACTION_FIELDS.contains(&field) => Some("transaction"),
        // MongoDB's description of an update.
        "updateDescription" => Some("updateDescription"),
        _ => Some("source"),
    }
}
