//! Which change event is in a record, if any, and what it says. Answered once, here, for all plugins.
//!
//! ```text
//! value ── a message of another tool? ── envelopes ── rules ── events
//!      ├── an envelope, complete or broken? ── MongoDB's documents ── rules ── event
//!      ├── a flattened row? ── put into an envelope again ── rules ── event
//!      ├── a control event? ── message
//!      └── no value: a tombstone ── a delete, in a topic with flattened rows
//! ```

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use tidegate_abi::{
    Arena, ChangeParts, Field, Record, Schema, Struct, Value,
    host::{Decoded, Kept},
};

use super::{
    cassandra,
    envelope::Envelope,
    error::EventError,
    flattened::{AddedFields, FlattenedTopics, Marks},
    keys::KeyColumns,
    mongodb::Documents,
    tools::{CloudEvents, TableColumns, Tool},
    width,
};
use crate::formats::{
    json::{InvalidUnicode, Scratch},
    notices::Notices,
};

/// Which values are change events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ChangeEvents {
    /// What is in an envelope, or says that it was flattened.
    #[default]
    Auto,
    /// Every object is a flattened row, and every tombstone a delete.
    Flattened,
    /// Every object is a row whose primary key is the message's key, and every tombstone a delete.
    Upsert,
    /// Messages of Maxwell's daemon.
    Maxwell,
    /// Flat messages of Canal.
    Canal,
    /// Messages of TiCDC, in the protocols `canal-json` and `simple`.
    TiCdc,
    /// Messages of AWS DMS.
    Dms,
    /// Messages of Oracle GoldenGate's JSON formatter.
    GoldenGate,
    /// Debezium's events as CloudEvents.
    CloudEvents,
    /// None: all records are plain ones.
    None,
}

impl ChangeEvents {
    const fn tool(self) -> Option<Tool> {
        match self {
            Self::Auto | Self::Flattened | Self::None => None,
            Self::Upsert => Some(Tool::Upsert),
            Self::Maxwell => Some(Tool::Maxwell),
            Self::Canal => Some(Tool::Canal),
            Self::TiCdc => Some(Tool::TiCdc),
            Self::Dms => Some(Tool::Dms),
            Self::GoldenGate => Some(Tool::GoldenGate),
            Self::CloudEvents => Some(Tool::CloudEvents),
        }
    }
}

/// Options of a [`Recogniser`].
pub(crate) struct RecogniserOptions<'o> {
    pub(crate) mode: ChangeEvents,
    /// Prefix of the fields that flattening adds.
    pub(crate) flattened_prefix: &'o str,
    pub(crate) keys: KeyColumns,
    /// Whether transforms and sinks get control events.
    pub(crate) passes_control_events: bool,
    pub(crate) invalid_unicode: InvalidUnicode,
    pub(crate) max_value_bytes: usize,
    /// Bytes that the schemas inside of other tools' messages may take.
    pub(crate) max_schema_bytes: usize,
}

/// Recognises the events of one task, and remembers what later ones depend on.
pub(crate) struct Recogniser {
    pub(super) mode: ChangeEvents,
    pub(super) added: AddedFields,
    pub(super) keys: KeyColumns,
    pub(super) passes_control_events: bool,
    pub(super) cloud_events: CloudEvents,
    pub(super) table_columns: TableColumns,
    max_value_bytes: usize,
    pub(crate) topics: FlattenedTopics,
}

/// Where the types of an event's columns come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RowTypes {
    /// From the schema of the value if it has one; otherwise columns are encoded as Debezium encodes them.
    AsValue,
    /// From a schema in the value.
    BySchema,
    /// From the value itself: only hints say more.
    HintsOnly,
    /// The same, and text is written as people write it: decimals with digits, dates and times in ISO 8601.
    OfTool,
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
    pub(crate) kept: Kept<'b>,
    pub(crate) scratch: &'s mut Scratch<'b>,
    pub(crate) notices: &'s mut Notices,
    /// The records that a message of another tool holds.
    pub(crate) events: &'s mut Vec<Decoded<'b>>,
}

impl Recogniser {
    pub(crate) fn new(options: RecogniserOptions<'_>) -> Self {
        Self {
            mode: options.mode,
            added: AddedFields::new(options.flattened_prefix),
            keys: options.keys,
            passes_control_events: options.passes_control_events,
            cloud_events: CloudEvents::new(options.invalid_unicode, options.max_schema_bytes),
            table_columns: TableColumns::default(),
            max_value_bytes: options.max_value_bytes,
            topics: FlattenedTopics::default(),
        }
    }

    /// Finds the event in what was decoded of a record. Gives where the types of its rows come from. If the
    /// message holds several events, the others are in the list of the context.
    ///
    /// # Errors
    /// When there is one that cannot be applied.
    pub(crate) fn recognise<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<RowTypes, EventError> {
        self.find(decoded, record, work, Origin::Kafka)
    }

    /// The same for a value that a transform has made. It is never taken for a flattened row as a fallback.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn recognise_made<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<RowTypes, EventError> {
        self.find(decoded, record, work, Origin::Transform)
    }

    #[inline]
    fn find<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
        origin: Origin,
    ) -> Result<RowTypes, EventError> {
        if self.mode == ChangeEvents::None {
            return Ok(RowTypes::AsValue);
        }
        // What a transform makes of an event is in an envelope, as the event is that it got.
        if let Some(tool) = self.mode.tool().filter(|_| origin == Origin::Kafka) {
            return self.read_tool(tool, decoded, record, work);
        }
        let Some(fields) = decoded.value.as_struct() else {
            if origin == Origin::Kafka && decoded.value.is_null() {
                self.tombstone(decoded, record, work)?;
            }
            return Ok(RowTypes::AsValue);
        };
        let envelope = Envelope::of(fields);
        let every_object_is_a_row = self.mode == ChangeEvents::Flattened && origin == Origin::Kafka;
        if !every_object_is_a_row && envelope.looks_like_event() {
            let is_flattened = !envelope.has_source_block() && self.marks(fields, record)?.is_some();
            if !is_flattened {
                if origin == Origin::Kafka {
                    self.topics.see_envelope(record.source_topic(), record.source_partition());
                }
                let has_documents = self.event(envelope, decoded, work)?;
                return Ok(if has_documents { RowTypes::HintsOnly } else { RowTypes::AsValue });
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

    /// An event in an envelope: checks it, and takes what it says. Whether its rows are MongoDB's documents.
    #[inline]
    pub(super) fn event<'b>(
        &self,
        mut envelope: Envelope<'b>,
        decoded: &mut Decoded<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<bool, EventError> {
        let mut operation = envelope.operation()?;
        let source = envelope.source_block();
        let has_documents = source.as_ref().is_some_and(|source| source.has_documents());
        let has_cells = source.as_ref().is_some_and(|source| source.has_cells());
        if has_cells {
            operation = cassandra::read(&mut envelope, operation, work.arena, work.scratch)?;
        }
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
        [parts.before, parts.after, decoded.key].into_iter().try_for_each(width::check)?;
        (parts.position, parts.position_text) = (position.words, position.text);
        parts.row_schema = decoded.value_schema.and_then(row_schema);
        if has_cells {
            // The schema is one of cells.
            parts.row_schema = None;
        }
        if has_documents || has_cells {
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

pub(super) fn row_schema(schema: Schema<'_>) -> Option<Schema<'_>> {
    ["after", "before"].iter().find_map(|name| schema.get(name)?.nested())
}

/// Whether two values show the same.
pub(super) fn is_equal(left: Value<'_>, right: Value<'_>, text: &mut String) -> bool {
    text.clear();
    let written = write!(text, "{left}").map(|()| text.len());
    let whole = write!(text, "{right}");
    written.is_ok_and(|middle| whole.is_ok() && text[..middle] == text[middle..])
}
