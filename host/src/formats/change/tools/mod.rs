//! Change events of other tools than Debezium, and topics of rows by key. Each message becomes events in Debezium's
//! envelope, so that rules, transforms and sinks need to know one form alone.
//!
//! Formats: Maxwell's documentation, "Data Format"; Canal's `FlatMessage`; TiCDC's documentation, "Canal-JSON Protocol"
//! and "Simple Protocol"; AWS DMS, "Using Apache Kafka as a target"; GoldenGate for Big Data, "Using the JSON Formatter";
//! Debezium's documentation, "Exporting CloudEvents".

mod canal;
mod cloudevents;
mod dms;
mod goldengate;
mod maxwell;
mod mysql;
mod table_columns;
mod ticdc;
mod translate;
mod upsert;

use tidegate_abi::{ChangeParts, Operation, Record, Schema, Struct, Value, host::Decoded};

use self::translate::{Found, Translator};
use super::{
    control::{self, ControlEvent},
    envelope::Envelope,
    error::{self, EventError},
    recognise::{Recogniser, RowContext, RowTypes},
    width,
};

pub(super) use cloudevents::CloudEvents;
pub(super) use table_columns::TableColumns;

/// A tool or convention whose messages are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tool {
    Canal,
    CloudEvents,
    Dms,
    GoldenGate,
    Maxwell,
    TiCdc,
    Upsert,
}

impl Tool {
    /// Its name in errors and notices.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Canal => "Canal",
            Self::CloudEvents => "CloudEvents",
            Self::Dms => "AWS DMS",
            Self::GoldenGate => "GoldenGate",
            Self::Maxwell => "Maxwell",
            Self::TiCdc => "TiCDC",
            Self::Upsert => "upsert",
        }
    }
}

impl Tool {
    /// What each of its messages is, in errors.
    const fn message(self) -> &'static str {
        match self {
            Self::Canal => "a Canal message",
            Self::CloudEvents => "a CloudEvents message",
            Self::Dms => "an AWS DMS message",
            Self::GoldenGate => "a GoldenGate message",
            Self::Maxwell => "a Maxwell message",
            Self::TiCdc => "a TiCDC message",
            Self::Upsert => "a row",
        }
    }
}

impl Recogniser {
    /// Finds the events in a message of `tool`.
    ///
    /// # Errors
    /// When it is not what the tool sends, or cannot be applied.
    #[inline(never)]
    pub(super) fn read_tool<'b>(
        &mut self,
        tool: Tool,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<RowTypes, EventError> {
        let is_tombstone = decoded.value.is_null();
        // Elsewhere than in topics of rows it only repeats a delete.
        if is_tombstone && tool != Tool::Upsert {
            return Ok(RowTypes::AsValue);
        }
        let message = if is_tombstone { Some(Struct::EMPTY) } else { decoded.value.as_struct() };
        let no_message =
            || EventError::NoMessage { what: tool.message(), found: error::Found::of(decoded.value) };
        let message = message.ok_or_else(no_message)?;
        width::check_message(decoded.value)?;
        width::check(decoded.key)?;
        let (keys, key, row_schema) = (&self.keys, decoded.key, decoded.value_schema);
        let columns = &mut self.table_columns;
        let mut translator = Translator { tool, keys, columns, record, key, row_schema, work: &mut *work };
        let found = match tool {
            Tool::TiCdc if ticdc::is_simple(message) => ticdc::read(message, &mut translator)?,
            Tool::Canal | Tool::TiCdc => canal::read(message, &mut translator)?,
            Tool::CloudEvents => self.cloud_events.read(message, &mut translator)?,
            Tool::Dms => dms::read(message, &mut translator)?,
            Tool::GoldenGate => goldengate::read(message, &mut translator)?,
            Tool::Maxwell => maxwell::read(message, &mut translator)?,
            Tool::Upsert => upsert::read(message, decoded, is_tombstone, &mut translator)?,
        };
        let row_schema = translator.row_schema;
        let types = match found {
            Found::Control(kind) => {
                self.control_event(kind, tool.name(), message, decoded, record, work);
                return Ok(RowTypes::AsValue);
            }
            Found::Events(types) => types,
        };
        let key_schema = decoded.key_schema.filter(|_| tool == Tool::CloudEvents);
        let has_documents = self.take_events(decoded, row_schema, work)?;
        decoded.key_schema = key_schema.filter(|_| !has_documents).or(decoded.key_schema);
        if is_tombstone {
            // It stays the tombstone that Kafka carries.
            decoded.value = Value::NULL;
        }
        Ok(if has_documents { RowTypes::HintsOnly } else { types })
    }

    /// Reads the envelopes that were made; the first is the record, the others stay in the list. Whether they have
    /// documents.
    fn take_events<'b>(
        &self,
        decoded: &mut Decoded<'b>,
        row_schema: Option<Schema<'b>>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<bool, EventError> {
        let mut has_documents = false;
        for index in 0..work.events.len() {
            let mut event = work.events[index];
            let envelope = Envelope::of(event.value.as_struct().unwrap_or(Struct::EMPTY));
            has_documents |= self.event(envelope, &mut event, work)?;
            if let Some(parts) = &mut event.change {
                parts.row_schema = row_schema.filter(|schema| describes(*schema, parts, event.key));
            }
            work.events[index] = event;
        }
        if !work.events.is_empty() {
            *decoded = work.events.remove(0);
        }
        Ok(has_documents)
    }

    /// A record that the source sends about itself.
    pub(super) fn control_event<'b>(
        &self,
        kind: ControlEvent,
        tool: &str,
        fields: Struct<'b>,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) {
        control::note(kind, tool, record.source_topic(), self.passes_control_events, work.notices);
        decoded.change = Some(control_parts(kind, fields));
        decoded.is_filtered = !self.passes_control_events;
    }
}

pub(super) fn control_parts<'b>(kind: ControlEvent, fields: Struct<'b>) -> ChangeParts<'b> {
    let mut parts = ChangeParts::new(Operation::Message);
    parts.event_ms = fields.get("ts_ms").or(fields.get("timestamp")).and_then(|time| time.as_i64());
    if kind == ControlEvent::Transaction {
        parts.transaction = fields.get("id").and_then(|id| id.as_str()).unwrap_or_default();
    }
    if let Some(source) = fields.get("source").filter(|source| source.as_struct().is_some()) {
        let text = |name| source.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        (parts.connector, parts.database) = (text("connector"), text("db"));
        parts.source = source;
    }
    parts
}

/// Whether a schema has all columns of an event's row, except for those that the key has.
fn describes(schema: Schema<'_>, parts: &ChangeParts<'_>, key: Value<'_>) -> bool {
    let row = if parts.after.is_null() { parts.before } else { parts.after };
    let is_known = |name: &str| schema.get(name).is_some() || key.get(name).is_some();
    row.as_struct().is_some_and(|row| row.iter().all(|(name, _)| is_known(name)))
}
