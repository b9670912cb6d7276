//! Which change event is in a record, if any, and what it says. Answered once, here, for all plugins.
//!
//! ```text
//! value ── an envelope, complete or broken? ── MongoDB's documents ── rules ── event
//!      ├── a flattened row? ── put into an envelope again ── rules ── event
//!      ├── a control event? ── message
//!      └── no value: a tombstone ── a delete, in a topic with flattened rows
//! ```

use serde::{Deserialize, Serialize};
use tidegate_abi::{Arena, ChangeParts, Field, Record, Schema, Struct, Value, host::Decoded};

use super::{
    envelope::Envelope,
    error::EventError,
    flattened::{AddedFields, FlattenedTopics, Marks},
    mongodb::Documents,
};
use crate::formats::{json::Scratch, notices::Notices};

/// Which values are change events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ChangeEvents {
    /// What is in an envelope, or says that it was flattened.
    #[default]
    Auto,
    /// Every object is a flattened row, and every tombstone a delete.
    Flattened,
    /// None: all records are plain ones.
    None,
}

/// Recognises the events of one task, and remembers what later ones depend on.
pub(crate) struct Recogniser {
    pub(super) mode: ChangeEvents,
    pub(super) added: AddedFields,
    max_value_bytes: usize,
    pub(crate) topics: FlattenedTopics,
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Kafka,
    Transform,
}

/// Memory to work in.
pub(crate) struct RowContext<'b, 's> {
    pub(crate) arena: Arena<'b>,
    pub(crate) scratch: &'s mut Scratch<'b>,
    pub(crate) notices: &'s mut Notices,
}

impl Recogniser {
    pub(crate) fn new(mode: ChangeEvents, prefix: &str, max_value_bytes: usize) -> Self {
        Self { mode, added: AddedFields::new(prefix), max_value_bytes, topics: FlattenedTopics::default() }
    }

    /// Finds the event in what was decoded of a record. Gives whether its rows are MongoDB's documents.
    ///
    /// # Errors
    /// When there is one that cannot be applied.
    pub(crate) fn recognise<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<bool, EventError> {
        self.find(decoded, record, work, Origin::Kafka)
    }

    /// The same for a value that a transform has made. It is never a flattened row for want of anything else.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn recognise_made<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<bool, EventError> {
        self.find(decoded, record, work, Origin::Transform)
    }

    #[inline]
    fn find<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
        origin: Origin,
    ) -> Result<bool, EventError> {
        if self.mode == ChangeEvents::None {
            return Ok(false);
        }
        let Some(fields) = decoded.value.as_struct() else {
            if origin == Origin::Kafka && decoded.value.is_null() {
                self.tombstone(decoded, record, work)?;
            }
            return Ok(false);
        };
        let envelope = Envelope::of(fields);
        let every_object_is_a_row = self.mode == ChangeEvents::Flattened && origin == Origin::Kafka;
        if !every_object_is_a_row && envelope.looks_like_event() {
            let is_flattened = !envelope.has_source_block() && self.marks(fields, record)?.is_some();
            if !is_flattened {
                if origin == Origin::Kafka {
                    self.topics.see_envelope(record.source_topic(), record.source_partition());
                }
                return self.event(envelope, decoded, work);
            }
        }
        self.without_envelope(fields, decoded, record, work, origin)
    }

    /// The columns in a flattened row: its fields without those that flattening adds.
    pub(crate) fn columns<'b>(&self, row: Struct<'b>, arena: Arena<'b>) -> Struct<'b> {
        self.added.columns(row, arena)
    }

    pub(super) fn marks(&self, fields: Struct<'_>, record: Record<'_>) -> Result<Option<Marks>, EventError> {
        self.added.marks(fields, record.headers())
    }

    /// An event in an envelope: checks it, and takes what it says.
    #[inline]
    fn event<'b>(
        &self,
        mut envelope: Envelope<'b>,
        decoded: &mut Decoded<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<bool, EventError> {
        let operation = envelope.operation()?;
        let source = envelope.source_block();
        let has_documents = source.as_ref().is_some_and(|source| source.has_documents());
        let mut parts = ChangeParts::new(operation);
        let position = envelope.fill(&mut parts, source, work.arena, &mut work.scratch.text)?;
        if has_documents {
            let max_value_bytes = self.max_value_bytes;
            let mut documents = Documents { arena: work.arena, scratch: work.scratch, max_value_bytes };
            documents.read(&mut envelope, operation)?;
            decoded.key = documents.key(decoded.key)?;
            decoded.key_schema = None;
        }
        envelope.take_rows(&mut parts, decoded.key)?;
        (parts.position, parts.position_text) = (position.words, position.text);
        parts.row_schema = decoded.value_schema.and_then(row_schema);
        if has_documents {
            decoded.value = with_rows(decoded.value, &parts, work.arena);
            decoded.value_schema = None;
        }
        decoded.change = Some(parts);
        Ok(has_documents)
    }
}

/// The value with the rows that its event has.
fn with_rows<'b>(value: Value<'b>, parts: &ChangeParts<'b>, arena: Arena<'b>) -> Value<'b> {
    let fields = value.as_struct().unwrap_or(Struct::EMPTY).fields();
    let fields = arena.collect(fields.iter().map(|field| match field.name() {
        "before" => Field::new("before", parts.before),
        "after" => Field::new("after", parts.after),
        _ => *field,
    }));
    Value::object(fields)
}

fn row_schema(schema: Schema) -> Option<Schema> {
    ["after", "before"].iter().find_map(|name| schema.get(name)?.nested())
}
