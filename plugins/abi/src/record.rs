//! Safe access to a record.

use std::{fmt, slice};

use crate::{
    arena::Arena,
    change::Change,
    raw::{Bytes, HeaderView, NO_TIMESTAMP, RecordView, record_flags},
    schema::Schema,
    simple::Simple,
    value::Value,
};

/// A record, borrowed from its batch for `'b`, so it cannot outlive the call.
#[derive(Clone, Copy)]
pub struct Record<'b> {
    view: &'b RecordView,
    index: u32,
}

impl<'b> Record<'b> {
    /// Wraps a record of the table.
    ///
    /// # Safety
    /// The record and all that it points to live, unchanged, for `'b`. `index` is its index in the batch.
    #[must_use]
    pub const unsafe fn from_view(view: &'b RecordView, index: u32) -> Self {
        Self { view, index }
    }

    /// The raw record.
    #[must_use]
    pub const fn raw(&self) -> &'b RecordView {
        self.view
    }

    /// Index in the batch, for [`reject`](crate::raw::ReportVTable::reject).
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Index of the consumed record that this one was made from; several records may have the same.
    #[must_use]
    pub const fn input(&self) -> u32 {
        self.view.input
    }

    /// Kafka topic, or the topic that a transform has routed the record to.
    #[must_use]
    pub const fn topic(&self) -> &'b str {
        // SAFETY: UTF-8 that lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { self.view.topic.text() }
    }

    /// Kafka topic that the record was read from, as in [`crate::Batch::positions`].
    #[must_use]
    pub const fn source_topic(&self) -> &'b str {
        // SAFETY: as in `topic`.
        unsafe { self.view.source_topic.text() }
    }

    /// Kafka partition, or the partition that a transform has set.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.view.partition
    }

    /// Kafka partition that the record was read from, as in [`crate::Batch::positions`].
    #[must_use]
    pub const fn source_partition(&self) -> i32 {
        self.view.source_partition
    }

    /// Kafka offset.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.view.offset
    }

    /// Kafka timestamp in milliseconds since the epoch.
    #[must_use]
    pub fn timestamp_ms(&self) -> Option<i64> {
        (self.view.timestamp_ms != NO_TIMESTAMP).then_some(self.view.timestamp_ms)
    }

    /// The decoded key, or null.
    #[must_use]
    pub const fn key(&self) -> Value<'b> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { Value::from_node(self.view.key) }
    }

    /// The decoded value; null for a tombstone.
    #[must_use]
    pub const fn value(&self) -> Value<'b> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { Value::from_node(self.view.value) }
    }

    /// The key's bytes from Kafka.
    #[must_use]
    pub const fn key_bytes(&self) -> Option<&'b [u8]> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { self.view.raw_key.get() }
    }

    /// The value's bytes from Kafka; `None` for a tombstone.
    #[must_use]
    pub const fn value_bytes(&self) -> Option<&'b [u8]> {
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { self.view.raw_value.get() }
    }

    /// Whether the value is the one from Kafka: no transform has replaced it, so [`Record::value_bytes`] holds it. With an older
    /// host always false.
    #[must_use]
    pub const fn has_original_value(&self) -> bool {
        self.view.flags & record_flags::ORIGINAL_VALUE != 0
    }

    /// The value as the JSON text that came from Kafka, if it is on one line, and neither a type, a schema nor a transform has changed
    /// what it says. With an older host always `None`.
    #[must_use]
    pub fn value_json_text(&self) -> Option<&'b str> {
        let bytes = self.value_bytes().filter(|_| self.view.flags & record_flags::JSON_TEXT != 0)?;
        // SAFETY: the host sets the flag only for bytes that it has found to be UTF-8.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// Writes the value as JSON on one line: as the text that came from Kafka where it can be used
    /// ([`Record::value_json_text`]), which is faster, and otherwise as [`Value::write_json`] does.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_value_json(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.value_json_text() {
            Some(text) => out.write_str(text),
            None => self.value().write_json(out),
        }
    }

    /// Whether the record has no value, in Kafka or because a transform removed it.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        let decoded = self.view.flags & record_flags::VALUE_DECODED != 0;
        if decoded { self.value().is_null() } else { !self.view.raw_value.is_present() }
    }

    /// Headers, in order; a name may occur several times.
    #[must_use]
    pub const fn headers(&self) -> Headers<'b> {
        if self.view.header_count == 0 {
            return Headers(&[]);
        }
        // SAFETY: lives for `'b`, guaranteed by the contract of `from_view`.
        Headers(unsafe { slice::from_raw_parts(self.view.headers, self.view.header_count as usize) })
    }

    /// Whether headers have types: `header_format = "simple"` in `[source]` of the connector.
    #[must_use]
    pub const fn has_typed_headers(&self) -> bool {
        self.view.flags & record_flags::TYPED_HEADERS != 0
    }

    /// The value of the last header called `name`: typed if [`Record::has_typed_headers`], otherwise text.
    #[must_use]
    pub fn header(&self, name: &str, arena: Arena<'b>) -> Option<Value<'b>> {
        let header = self.headers().get(name)?;
        Some(if self.has_typed_headers() { header.parse_simple(arena) } else { header.plain_value() })
    }

    /// Schema of the key, if the format has one.
    #[must_use]
    pub const fn key_schema(&self) -> Option<Schema<'b>> {
        // SAFETY: the batch keeps the schemas of its records.
        unsafe { Schema::from_ptr(self.view.key_schema) }
    }

    /// Schema of the whole value, if the format has one. For the schema of a row, see [`Change::row_schema`].
    #[must_use]
    pub const fn value_schema(&self) -> Option<Schema<'b>> {
        // SAFETY: the batch keeps the schemas of its records.
        unsafe { Schema::from_ptr(self.view.value_schema) }
    }

    /// Whether the value is a row that a transform has taken out of the change event, or null, so that it does not show the
    /// event. Sinks that apply events use [`Record::change`]; sinks that write values as they are use [`Record::value`].
    #[must_use]
    pub const fn is_unwrapped(&self) -> bool {
        self.view.flags & record_flags::UNWRAPPED != 0
    }

    /// The change event in the value, if there is one.
    #[must_use]
    pub fn change(&self) -> Option<Change<'b>> {
        // SAFETY: the change lives for `'b`, guaranteed by the contract of `from_view`.
        unsafe { Change::from_ptr(self.view.change, *self) }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}@{}", self.topic(), self.source_partition(), self.offset())
    }
}

/// The headers of a record.
#[derive(Clone, Copy)]
pub struct Headers<'b>(&'b [HeaderView]);

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'b> {
    /// Name.
    pub name: &'b str,
    /// Value; `None` for Kafka's null.
    pub value: Option<&'b [u8]>,
}

impl<'b> Header<'b> {
    /// The value as Kafka Connect's `SimpleHeaderConverter` reads it: null, a boolean, a number, a date or time, a list, a map,
    /// or else a string. Bytes that are not UTF-8 stay bytes.
    #[must_use]
    pub fn parse_simple(&self, arena: Arena<'b>) -> Value<'b> {
        let Some(bytes) = self.value else { return Value::NULL };
        std::str::from_utf8(bytes).map_or(Value::bytes(bytes), |text| Simple::parse(text).to_value(arena))
    }

    /// Writes the value as JSON, after reading it as [`Header::parse_simple`] does. For sinks, which have no arena.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_simple_json(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.value.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
            None => Value::NULL.write_json(out),
            Some(Ok(text)) => Simple::parse(text).write_json(out),
            Some(Err(bytes)) => Value::bytes(bytes).write_json(out),
        }
    }

    /// The value as text, or as bytes if it is not UTF-8.
    #[must_use]
    pub fn plain_value(&self) -> Value<'b> {
        let Some(bytes) = self.value else { return Value::NULL };
        std::str::from_utf8(bytes).map_or(Value::bytes(bytes), Value::string)
    }
}

impl<'b> Headers<'b> {
    /// Number of headers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Header<'b>> + use<'b> {
        self.0.iter().map(|view| {
            // SAFETY: headers live for `'b`, and their names are UTF-8.
            unsafe { Header { name: view.name.text(), value: view.value.get() } }
        })
    }

    /// The last header called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Header<'b>> {
        self.iter().filter(|header| header.name == name).last()
    }

    /// The headers, and one more.
    #[must_use]
    pub fn with(&self, arena: Arena<'b>, name: &str, value: &[u8]) -> Self {
        self.with_view(arena, name, Bytes::new(arena.slice(value)))
    }

    /// The headers, and one more with Kafka's null.
    #[must_use]
    pub fn with_null(&self, arena: Arena<'b>, name: &str) -> Self {
        self.with_view(arena, name, Bytes::ABSENT)
    }

    fn with_view(&self, arena: Arena<'b>, name: &str, value: Bytes) -> Self {
        let new = HeaderView { name: Bytes::new(arena.str(name).as_bytes()), value };
        Self(arena.collect((0..self.len() + 1).map(|index| self.0.get(index).copied().unwrap_or(new))))
    }

    /// The headers that have another name.
    #[must_use]
    pub fn without(&self, arena: Arena<'b>, name: &str) -> Self {
        // SAFETY: headers live for `'b`, and their names are UTF-8.
        Self(arena.filter(self.0, |view| unsafe { view.name.text() } != name))
    }

    /// The raw headers.
    #[must_use]
    pub const fn raw(&self) -> &'b [HeaderView] {
        self.0
    }
}
