//! Decodes the records of a task: key and value in their formats, then the change event in them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_abi::{
    Arena, Record, Struct, Value,
    host::{Decode, Decoded, HostState, Kept, Part, Recognise, Rejection},
};

use super::memory::Memory;
use super::{
    Format, HeaderFormat, Hints, InvalidUnicode,
    binary::DecodeLimits,
    change::{
        ChangeEvents, EventError, KeyColumns, Payload, Recogniser, RecogniserOptions, RowContext, RowError,
        RowTypes, Rows,
    },
    json::{MemoryBudget, Scratch, TooLarge},
    notices::{Notice, Notices},
    order::{Orders, Reading},
    payload::{PayloadDecoder, note_findings},
    read::Read,
    registered::Registered,
    registry::{Registry, RegistryError, RegistrySettings},
    state,
    types::Unavailable,
};

/// Events of one message for which memory stays.
const MAX_RETAINED_EVENTS: usize = 256;

/// Options of a task's decoder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DecoderOptions {
    /// Format of keys.
    pub key: Format,
    /// Format of values.
    pub value: Format,
    /// Format of headers.
    pub headers: HeaderFormat,
    /// What happens to text that is not valid Unicode.
    pub invalid_unicode: InvalidUnicode,
    /// Types of columns, for formats that do not contain them.
    pub hints: Hints,
    /// Which values are change events.
    pub change_events: ChangeEvents,
    /// Prefix of the fields that flattening adds to rows. Default: `__`.
    pub flattened_prefix: Option<String>,
    /// Primary keys of tables, for messages that do not name them.
    pub key_columns: KeyColumns,
    /// Whether transforms and sinks get control events.
    pub pass_control_events: bool,
    /// Debezium's `unavailable.value.placeholder`. Default: `__debezium_unavailable_value`.
    pub unavailable_placeholder: Option<String>,
    /// Bytes that the values of one record may take; a record that would take more is rejected. 0: no limit.
    pub max_value_bytes: usize,
    /// Bytes that the schemas of keys and values may take; those that were not used for the longest time are dropped. 0: no limit.
    pub max_schema_bytes: usize,
    /// The schema registry, for formats that need one.
    pub registry: Option<RegistrySettings>,
    /// Avro schema that keys are resolved to. Default: that of their writer.
    pub key_reader_schema: Option<String>,
    /// Avro schema that values are resolved to. Default: that of their writer.
    pub value_reader_schema: Option<String>,
    /// Bounds of binary formats.
    pub limits: DecodeLimits,
}

/// Decodes the records of one task. It keeps its buffers, so nothing is allocated per record in steady state.
pub struct RecordDecoder {
    key: PayloadDecoder,
    value: PayloadDecoder,
    recogniser: Recogniser,
    headers: HeaderFormat,
    invalid_unicode: InvalidUnicode,
    rows: Rows,
    has_hints: bool,
    /// The format has types, but no place for those of a change event's columns.
    has_partial_types: bool,
    max_value_bytes: usize,
    orders: Orders,
    /// States that hold only the ids of cluster and topic.
    ids: Memory<i32, HostState>,
    notices: Notices,
    scratch: Scratch<'static>,
    /// Memory for the events of one message.
    events: Vec<Decoded<'static>>,
}

/// Which parts of a record have types from a schema.
#[derive(Clone, Copy)]
struct Typed {
    key: bool,
    value: bool,
    rows: RowTypes,
}

/// How the memory for schemas is divided. Those of values are the largest.
struct SchemaBytes {
    keys: usize,
    values: usize,
    /// Inside of other tools' messages.
    inner: usize,
}

impl SchemaBytes {
    fn of(limit: usize) -> Self {
        let quarter = if limit == 0 { usize::MAX / 4 } else { limit / 4 };
        Self { keys: quarter, values: 2 * quarter, inner: quarter }
    }
}

impl RecordDecoder {
    #[must_use]
    pub fn new(options: DecoderOptions) -> Self {
        let max_value_bytes = if options.max_value_bytes == 0 { usize::MAX } else { options.max_value_bytes };
        let schema_bytes = SchemaBytes::of(options.max_schema_bytes);
        let prefix = options.flattened_prefix.as_deref().unwrap_or("__");
        let unavailable = Unavailable::new(options.unavailable_placeholder.as_deref());
        let apicurio_id = options.registry.as_ref().map(|settings| settings.apicurio_id).unwrap_or_default();
        let registry = options.registry.map(|settings| Arc::new(Registry::new(settings)));
        let registered = |part, format, reader, max_schema_bytes| {
            let registry = registry.clone();
            Registered::new(part, format, registry, apicurio_id, reader, options.limits, max_schema_bytes)
        };
        let key = registered(Part::Key, options.key, options.key_reader_schema, schema_bytes.keys);
        let value = registered(Part::Value, options.value, options.value_reader_schema, schema_bytes.values);
        Self {
            headers: options.headers,
            invalid_unicode: options.invalid_unicode,
            recogniser: Recogniser::new(RecogniserOptions {
                mode: options.change_events,
                flattened_prefix: prefix,
                keys: options.key_columns,
                passes_control_events: options.pass_control_events,
                invalid_unicode: options.invalid_unicode,
                max_value_bytes,
                max_schema_bytes: schema_bytes.inner,
            }),
            key: PayloadDecoder::new(Part::Key, options.key, options.invalid_unicode, key, schema_bytes.keys),
            value: PayloadDecoder::new(
                Part::Value,
                options.value,
                options.invalid_unicode,
                value,
                schema_bytes.values,
            ),
            has_hints: !options.hints.is_empty(),
            has_partial_types: matches!(options.value, Format::Protobuf | Format::JsonSchema),
            rows: Rows::new(options.hints),
            max_value_bytes,
            orders: Orders::default(),
            ids: Memory::default(),
            notices: Notices::default(),
            scratch: Scratch::new(unavailable),
            events: Vec::new(),
        }
    }

    /// Prepares for the records of a partition; see [`Reading`]. Must be called before the first record of each batch.
    pub fn open(&mut self, at: &Reading<'_>) {
        let (order, flattened) = at.state.map_or((None, None), |state| {
            let (order, flattened) = state::split(state);
            (order, flattened)
        });
        if self.orders.open(&Reading { state: order, ..*at }, &mut self.notices) {
            self.recogniser.topics.set(at.topic, at.partition, flattened);
            *self.ids(at.topic, at.partition) = state::only_ids(at.state);
        }
    }

    /// The state of a partition after the records that were decoded so far. A decoder that is opened with it continues as if
    /// there had been no interruption. Opaque, and 3,000 bytes at most.
    pub fn state(&mut self, topic: &str, partition: i32) -> HostState {
        let ids = self.ids(topic, partition).clone();
        state::join(ids, self.orders.state(topic, partition), self.recogniser.topics.get(topic, partition))
    }

    fn ids(&mut self, topic: &str, partition: i32) -> &mut HostState {
        self.ids.entry(topic, |known| *known == partition, || (partition, None))
    }

    /// Finds the schemas of records that are about to be decoded. Blocks while one is requested from the registry. Without
    /// this, records are rejected whose schema nobody in the process has requested yet.
    ///
    /// # Errors
    /// When the registry does not answer: the records have to wait.
    pub fn prepare<'a>(&mut self, records: impl Iterator<Item = Record<'a>>) -> Result<(), RegistryError> {
        if !self.key.needs_registry() && !self.value.needs_registry() {
            return Ok(());
        }
        self.key.begin_batch();
        self.value.begin_batch();
        for record in records {
            self.key.prepare(record.key_bytes(), record.headers())?;
            self.value.prepare(record.value_bytes(), record.headers())?;
        }
        Ok(())
    }

    /// Passes the notices since the last call to `take`.
    pub fn drain_notices(&mut self, take: impl FnMut(Notice)) {
        self.notices.drain(take);
    }

    fn read<'b>(
        &mut self,
        record: Record<'b>,
        (arena, kept): (Arena<'b>, Kept<'b>),
        scratch: &mut Scratch<'b>,
        events: &mut Vec<Decoded<'b>>,
    ) -> Result<Decoded<'b>, Rejection> {
        scratch.invalid_unicode = self.invalid_unicode;
        scratch.budget = self.budget(record).map_err(|error| over_budget(record, &error))?;
        let (topic, notices) = (record.source_topic(), &mut self.notices);
        let headers = record.headers();
        let key = self.key.read(record.key_bytes(), headers, topic, (arena, kept), scratch, notices)?;
        let value = self.value.read(record.value_bytes(), headers, topic, (arena, kept), scratch, notices)?;
        let mut decoded = Decoded {
            key_schema: key.schema,
            value_schema: value.schema,
            ..Decoded::plain(key.value, value.value)
        };
        let text = self.json_text(record, &value, scratch);
        scratch.findings.clear();
        let mut work = RowContext {
            arena,
            kept,
            scratch: &mut *scratch,
            notices: &mut self.notices,
            events: &mut *events,
        };
        let recognised = self.recogniser.recognise(&mut decoded, record, &mut work);
        let rows = recognised.map_err(|error| broken(&error))?;
        if !scratch.findings.is_empty() {
            note_findings(topic, decoded.value, scratch, &mut self.notices);
        }
        let typed = Typed { key: key.typed, value: value.typed, rows };
        // All of them before the first gets a place, which one that is rejected must not have.
        self.refine(&mut decoded, record, typed, arena, scratch)?;
        for event in events.iter_mut() {
            self.refine(event, record, typed, arena, scratch)?;
        }
        decoded.is_json_text = text.is_some_and(|text| decoded.value.is_same_node(&text));
        self.place(&mut decoded, record);
        events.iter_mut().for_each(|event| self.place(event, record));
        decoded.further = arena.slice(events);
        Ok(decoded)
    }

    /// The value, if the record's bytes are JSON on one line that says nothing else. Types and change events may change it afterwards.
    fn json_text<'b>(
        &self,
        record: Record<'b>,
        value: &Read<'b>,
        scratch: &Scratch<'b>,
    ) -> Option<Value<'b>> {
        let is_text = value.is_text && self.invalid_unicode == InvalidUnicode::Reject;
        let bytes = record.value_bytes().filter(|_| is_text)?;
        let is_document = matches!(bytes.first(), Some(b'{' | b'['));
        // Line breaks in strings are escaped. What is unusual, such as a name that is there twice, is a finding.
        let is_line = is_document && memchr::memchr2(b'\n', b'\r', bytes).is_none();
        (is_line && scratch.findings.is_empty()).then_some(value.value)
    }

    /// Gives an event its place in the order.
    fn place(&mut self, decoded: &mut Decoded<'_>, record: Record<'_>) {
        if let Some(parts) = &mut decoded.change {
            self.orders.place(parts, decoded.key, record, &mut self.notices);
        }
    }

    /// Memory that the record's values may take beyond what its JSON text requires.
    fn budget(&self, record: Record<'_>) -> Result<MemoryBudget, TooLarge> {
        let key = self.key.json(record.key_bytes());
        let value = self.value.json(record.value_bytes());
        MemoryBudget::after_payloads([key, value], self.max_value_bytes)
    }

    /// Types rows and keys that came without a schema.
    fn refine<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        typed: Typed,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<(), Rejection> {
        // These values have types already, except where a hint overrides them: in Protobuf, a timestamp of Debezium's is a number.
        let is_partial = self.has_partial_types && typed.value && typed.rows == RowTypes::AsValue;
        let (key, has_types) =
            (decoded.key, is_partial || matches!(typed.rows, RowTypes::HintsOnly | RowTypes::OfTool));
        let refines = match typed.rows {
            RowTypes::AsValue if is_partial => self.has_hints,
            RowTypes::AsValue => !typed.value,
            RowTypes::BySchema => false,
            // A document's values have types already as well. Its schema does not describe them.
            RowTypes::HintsOnly | RowTypes::OfTool => self.has_hints,
        };
        match &mut decoded.change {
            Some(parts) if refines => {
                let payload = Payload {
                    key,
                    value: decoded.value,
                    has_types,
                    has_written_text: typed.rows == RowTypes::OfTool,
                };
                let refined = self.rows.refine(parts, payload, arena, scratch, &mut self.notices);
                (decoded.key, decoded.value) = refined.map_err(|error| misfit(&error))?;
            }
            None if self.has_hints && record.is_tombstone() => {
                let refined = self.rows.refine_key(record.topic(), key, arena, scratch, &mut self.notices);
                decoded.key = refined.map_err(|error| misfit(&error))?;
            }
            _ => {}
        }
        if typed.key && !has_types {
            decoded.key = key;
        }
        Ok(())
    }
}

/// Key and value share the budget. The error names the value if there is one, because it is usually the larger part.
#[cold]
fn over_budget(record: Record<'_>, error: &TooLarge) -> Rejection {
    let part = if record.is_tombstone() { Part::Key } else { Part::Value };
    Rejection::too_large(part, error.to_string())
}

/// The same memory for the next message, without the events; see [`Scratch::recycle`].
fn recycled(mut events: Vec<Decoded<'_>>) -> Vec<Decoded<'static>> {
    events.clear();
    events.shrink_to(MAX_RETAINED_EVENTS);
    events.into_iter().map(|_| Decoded::plain(Value::NULL, Value::NULL)).collect()
}

#[cold]
fn broken(error: &EventError) -> Rejection {
    Rejection { part: error.part(), too_large: error.is_too_large(), reason: error.to_string() }
}

#[cold]
fn misfit(error: &RowError) -> Rejection {
    Rejection::new(if error.in_key { Part::Key } else { Part::Value }, error.to_string())
}

impl Decode for RecordDecoder {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let mut scratch: Scratch<'b> = std::mem::take(&mut self.scratch);
        let mut events: Vec<Decoded<'b>> = std::mem::take(&mut self.events);
        let decoded = self.read(record, (arena, kept), &mut scratch, &mut events);
        self.scratch = scratch.recycle();
        self.events = recycled(events);
        decoded
    }

    fn types_headers(&self) -> bool {
        self.headers == HeaderFormat::Simple
    }
}

impl Recognise for RecordDecoder {
    fn recognise<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let mut scratch: Scratch<'b> = std::mem::take(&mut self.scratch);
        let mut decoded = Decoded {
            key_schema: record.key_schema(),
            value_schema: record.value_schema(),
            ..Decoded::plain(record.key(), record.value())
        };
        // Only messages of Kafka hold several events.
        let (notices, events) = (&mut self.notices, &mut Vec::new());
        let mut work = RowContext { arena, kept, scratch: &mut scratch, notices, events };
        let recognised = self.recogniser.recognise_made(&mut decoded, record, &mut work);
        self.scratch = scratch.recycle();
        recognised.map_err(|error| broken(&error))?;
        let Some(parts) = &mut decoded.change else { return Ok(decoded) };
        // A transform cannot change the position in the source's log: it is that of the consumed event.
        let before = record.change();
        parts.log_generation = before.map_or(0, |change| change.log_generation());
        parts.resent = before.is_some_and(|change| change.is_resent());
        if parts.position.is_none() {
            parts.position = before.and_then(|change| change.position()).map(|position| position.words());
            parts.inherited_position = parts.position.is_some();
        }
        Ok(decoded)
    }

    fn columns<'b>(&mut self, row: Struct<'b>, arena: Arena<'b>) -> Struct<'b> {
        self.recogniser.columns(row, arena)
    }
}
