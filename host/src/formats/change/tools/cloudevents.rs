//! Debezium's events as CloudEvents, with all attributes in the value, as Debezium writes them. Other writers may put the
//! attributes into headers (`ce_`): the binary mode of CloudEvents, which Debezium does not have.
//!
//! Debezium's `CloudEventsConverter`: `iodebezium` begins the names of `op`, the fields of the source block and, with `tx`
//! behind it, those of the transaction block; characters other than letters and digits are left out, and numbers of 64
//! bits are texts. `data` has `before` and `after`, with or without a schema.

use tidegate_abi::{Arena, Field, Record, Struct, Value, host::Decoded};

use super::translate::{Found, Translator};
use crate::formats::{
    change::{
        envelope::Envelope,
        error::EventError,
        flattened::{SOURCE_FIELDS, is_unavailable},
        recognise::{RowTypes, row_schema},
    },
    connect::Envelopes,
    json::InvalidUnicode,
};

const PREFIX: &str = "iodebezium";
const HEADER_PREFIX: &str = "ce_";
const TRANSACTION_FIELDS: [(&str, &str); 3] =
    [("txid", "id"), ("txtotalorder", "total_order"), ("txdatacollectionorder", "data_collection_order")];

/// Reads CloudEvents; remembers the schemas of their data.
pub(in crate::formats::change) struct CloudEvents {
    envelopes: Envelopes,
}

/// The attributes of an event that Debezium has added.
#[derive(Clone, Copy, Default)]
struct Attributes<'b> {
    op: Value<'b>,
    source: Value<'b>,
    transaction: Value<'b>,
}

impl CloudEvents {
    pub(in crate::formats::change) fn new(invalid_unicode: InvalidUnicode, max_schema_bytes: usize) -> Self {
        Self { envelopes: Envelopes::new(invalid_unicode, max_schema_bytes) }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is no CloudEvent of Debezium.
    pub(super) fn read<'b>(
        &mut self,
        message: Struct<'b>,
        translator: &mut Translator<'b, '_, '_>,
    ) -> Result<Found, EventError> {
        let record = translator.record;
        let is_binary = record.headers().get("ce_specversion").is_some();
        if !is_binary && message.get("specversion").is_none() {
            return Err(translator.wrong(
                "specversion",
                None,
                "the version of CloudEvents, in the value or in the header ce_specversion",
            ));
        }
        let attributes =
            if is_binary { of_headers(record, translator) } else { of_fields(message, translator) };
        let (data, types) = if is_binary {
            translator.row_schema = translator.row_schema.and_then(row_schema);
            (message, RowTypes::AsValue)
        } else {
            self.data(message, translator)?
        };
        // A transform or another converter may have put the whole event into the data.
        let whole = Envelope::of(data);
        if whole.has_source_block() && whole.looks_like_event() {
            translator.work.events.push(Decoded::plain(translator.key, data.to_value()));
            return Ok(Found::Events(types));
        }
        if attributes.op.is_null() {
            return Err(translator.wrong(
                "iodebeziumop",
                None,
                "Debezium's operation; set extension.attributes.enable=true in the converter",
            ));
        }
        let event = [
            Field::new("before", marked(data.get("before").unwrap_or_default(), translator)),
            Field::new("after", marked(data.get("after").unwrap_or_default(), translator)),
            Field::new("source", attributes.source),
            Field::new("op", attributes.op),
            Field::new("ts_ms", Value::NULL),
            Field::new("transaction", attributes.transaction),
        ];
        let event = translator.work.arena.object(&event);
        translator.work.events.push(Decoded::plain(translator.key, event));
        Ok(Found::Events(types))
    }

    /// The data of a structured event, typed by its schema if it has one.
    fn data<'b>(
        &mut self,
        message: Struct<'b>,
        translator: &mut Translator<'b, '_, '_>,
    ) -> Result<(Struct<'b>, RowTypes), EventError> {
        translator.row_schema = None;
        let value = message.get("data").or(message.get("data_base64"));
        let expected = "an object; set data.serializer.type=json in the converter";
        let data = value
            .and_then(|data| data.as_struct())
            .ok_or_else(|| translator.wrong("data", value, expected))?;
        let [first, second] = data.fields() else { return Ok((data, RowTypes::AsValue)) };
        if ![[first.name(), second.name()], [second.name(), first.name()]].contains(&["schema", "payload"]) {
            return Ok((data, RowTypes::AsValue));
        }
        // The schema has to be read from its text.
        let text = &mut translator.work.scratch.text;
        text.clear();
        let _written = data.to_value().write_json(text).is_ok();
        let text = translator.work.arena.str(text);
        let work = &mut *translator.work;
        let read = self.envelopes.read(text.as_bytes(), work.arena, work.kept, work.scratch);
        let read = read.map_err(|error| translator.broken(format!("its `data` {error}")))?;
        translator.row_schema = read.schema.and_then(row_schema);
        let data = read
            .value
            .as_struct()
            .ok_or_else(|| translator.wrong("data.payload", Some(read.value), "an object"))?;
        Ok((data, if read.typed { RowTypes::BySchema } else { RowTypes::AsValue }))
    }
}

/// The row with its placeholders marked. A schema of `before` and `after` alone does not say that they are rows of an event,
/// so that they were read as any other values.
fn marked<'b>(row: Value<'b>, translator: &mut Translator<'b, '_, '_>) -> Value<'b> {
    let Some(fields) = row.as_struct() else { return row };
    let placeholder = &translator.work.scratch.unavailable;
    if !fields.iter().any(|(_, value)| is_unavailable(value, placeholder)) {
        return row;
    }
    let marked = fields.fields().iter().map(|field| match is_unavailable(field.value(), placeholder) {
        true => Field::new(field.name(), Value::UNAVAILABLE),
        false => *field,
    });
    Value::object(translator.work.arena.collect(marked))
}

fn of_fields<'b>(message: Struct<'b>, translator: &mut Translator<'b, '_, '_>) -> Attributes<'b> {
    let attribute = |field: &Field<'b>| Some(Field::new(field.name().strip_prefix(PREFIX)?, field.value()));
    sorted(message.fields().iter().filter_map(attribute), translator)
}

fn of_headers<'b>(record: Record<'b>, translator: &mut Translator<'b, '_, '_>) -> Attributes<'b> {
    let headers = record.headers();
    let attributes = headers.iter().filter_map(|header| {
        let name = header.name.strip_prefix(HEADER_PREFIX)?.strip_prefix(PREFIX)?;
        let text = str::from_utf8(header.value?).ok()?;
        Some(Field::new(name, Value::string(text)))
    });
    sorted(attributes, translator)
}

/// Puts each attribute where it was in the event.
fn sorted<'b>(
    attributes: impl Iterator<Item = Field<'b>>,
    translator: &mut Translator<'b, '_, '_>,
) -> Attributes<'b> {
    let arena = translator.work.arena;
    let scratch = &mut translator.work.scratch.fields;
    let base = scratch.len();
    scratch.extend(attributes.filter(|attribute| !attribute.value().is_null()));
    let all = arena.slice(&scratch[base..]);
    scratch.truncate(base);
    let mut part = |place: fn(&'b str) -> Option<&'b str>| {
        scratch.extend(
            all.iter().filter_map(|attribute| Some(Field::new(place(attribute.name())?, attribute.value()))),
        );
        let part = object(&scratch[base..], arena);
        scratch.truncate(base);
        part
    };
    let source = part(|name| (name != "op" && transaction_field(name).is_none()).then(|| source_field(name)));
    let transaction = part(transaction_field);
    let op = all.iter().find(|attribute| attribute.name() == "op").map(Field::value);
    Attributes { op: op.unwrap_or_default(), source, transaction }
}

fn transaction_field(short: &str) -> Option<&'static str> {
    TRANSACTION_FIELDS.iter().find(|(name, _)| *name == short).map(|(_, field)| *field)
}

fn object<'b>(fields: &[Field<'b>], arena: Arena<'b>) -> Value<'b> {
    if fields.is_empty() { Value::NULL } else { arena.object(fields) }
}

/// The name of a source block's field whose underscores were left out.
fn source_field(short: &str) -> &str {
    let is_it = |name: &&&str| name.bytes().filter(|byte| *byte != b'_').eq(short.bytes());
    SOURCE_FIELDS.iter().find(is_it).copied().unwrap_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_underscores_back() {
        for (short, name) in
            [("tsms", "ts_ms"), ("commitlsn", "commit_lsn"), ("txId", "txId"), ("lsn", "lsn"), ("new", "new")]
        {
            assert_eq!(source_field(short), name);
        }
    }
}
