//! What all translations need: names, keys, rows before and after, and the envelope that is made of them.

use tidegate_abi::{Field, Record, Schema, Struct, Value, ValueRef, host::Decoded};

use super::{Tool, table_columns::TableColumns};
use crate::formats::{
    change::{
        control::ControlEvent,
        error::{self, EventError},
        flattened::names_of,
        keys::KeyColumns,
        position::decimal_text,
        recognise::{RowContext, RowTypes, is_equal},
    },
    types::{ArenaStore, Scalar, convert},
};

/// What a message holds.
pub(super) enum Found {
    /// Events, which are in the list of the context, and where the types of their rows come from.
    Events(RowTypes),
    /// Something about the source itself.
    Control(ControlEvent),
}

/// Makes events of one message.
pub(super) struct Translator<'b, 't, 's> {
    pub(super) tool: Tool,
    pub(super) keys: &'t KeyColumns,
    pub(super) columns: &'t mut TableColumns,
    pub(super) record: Record<'b>,
    /// The key of the message.
    pub(super) key: Value<'b>,
    /// The schema of its value, and in the end that of its rows.
    pub(super) row_schema: Option<Schema<'b>>,
    pub(super) work: &'t mut RowContext<'b, 's>,
}

/// Database, schema and table; each may be empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'b> {
    pub(super) database: &'b str,
    pub(super) schema: &'b str,
    pub(super) table: &'b str,
}

/// What the events of a message have in common.
#[derive(Clone, Copy)]
pub(super) struct Origin<'b> {
    pub(super) names: Names<'b>,
    /// The source block.
    pub(super) source: Value<'b>,
    /// When the tool handled the change.
    pub(super) ts_ms: Value<'b>,
    /// The transaction block.
    pub(super) transaction: Value<'b>,
}

/// Columns of a primary key; none where it is not known.
pub(super) type KeyNames<'b> = Option<&'b [&'b str]>;

impl<'b> Translator<'b, '_, '_> {
    /// A field with a text; empty where there is none.
    pub(super) fn text(&self, message: Struct<'b>, field: &'static str) -> Result<&'b str, EventError> {
        match message.get(field) {
            None => Ok(""),
            Some(value) => match value.view() {
                ValueRef::Null => Ok(""),
                ValueRef::String(text) => Ok(text),
                _ => Err(self.wrong(field, Some(value), "text")),
            },
        }
    }

    /// A field with a row; nothing where there is none.
    pub(super) fn row(
        &self,
        message: Struct<'b>,
        field: &'static str,
    ) -> Result<Option<Struct<'b>>, EventError> {
        let Some(value) = message.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
        value.as_struct().map(Some).ok_or_else(|| self.wrong(field, Some(value), "an object with the row"))
    }

    #[cold]
    pub(super) fn wrong(
        &self,
        field: &'static str,
        found: Option<Value<'b>>,
        expected: &'static str,
    ) -> EventError {
        EventError::MessageField {
            tool: self.tool.name(),
            field,
            found: error::Found::of_field(found),
            expected,
        }
    }

    #[cold]
    pub(super) fn broken(&self, problem: impl Into<Box<str>>) -> EventError {
        EventError::Message { tool: self.tool.name(), problem: problem.into() }
    }

    /// The names, with those of the topic where the message names no table.
    pub(super) fn names(&self, names: Names<'b>) -> Names<'b> {
        if !names.table.is_empty() {
            return names;
        }
        let (schema, table) = names_of(self.record.topic());
        Names { schema, table, database: "" }
    }

    /// The source block of the fields that are not null, with the names in front.
    pub(super) fn source(
        &mut self,
        connector: &'static str,
        names: Names<'b>,
        fields: &[(&'static str, Value<'b>)],
    ) -> Value<'b> {
        let text = |text: &'b str| if text.is_empty() { Value::NULL } else { Value::string(text) };
        let common = [
            ("connector", text(connector)),
            ("db", text(names.database)),
            ("schema", text(names.schema)),
            ("table", text(names.table)),
        ];
        let scratch = &mut self.work.scratch.fields;
        let base = scratch.len();
        let all = common.iter().chain(fields).filter(|(_, value)| !value.is_null());
        scratch.extend(all.map(|(name, value)| Field::new(name, *value)));
        let source = self.work.arena.object(&scratch[base..]);
        scratch.truncate(base);
        source
    }

    /// The transaction block with an id.
    pub(super) fn transaction(&mut self, id: &'b str) -> Value<'b> {
        if id.is_empty() {
            Value::NULL
        } else {
            self.work.arena.object(&[Field::new("id", Value::string(id))])
        }
    }

    /// The columns of the primary key: as the connector file says of the table, else as the message does, else as the
    /// connector file says of all others.
    pub(super) fn key_names(&mut self, names: Names<'b>, own: KeyNames<'b>) -> KeyNames<'b> {
        let qualifier = if names.schema.is_empty() { names.database } else { names.schema };
        let arena = self.work.arena;
        let names_of = |columns: &[String]| arena.collect(columns.iter().map(|column| arena.str(column)));
        let named = self.keys.of_table(qualifier, names.table).map(names_of);
        named.or(own).or_else(|| self.keys.of_others().map(names_of))
    }

    /// Names out of a list of texts; none if it is missing or empty.
    pub(super) fn name_list(
        &self,
        message: Struct<'b>,
        field: &'static str,
    ) -> Result<KeyNames<'b>, EventError> {
        let value = message.get(field).unwrap_or_default();
        if value.is_null() {
            return Ok(None);
        }
        let error = || self.wrong(field, Some(value), "a list of column names");
        let items = value.as_list().ok_or_else(error)?;
        if items.iter().any(|item| item.as_str().is_none()) {
            return Err(error());
        }
        let names = self.work.arena.collect(items.iter().map(|item| item.as_str().unwrap_or_default()));
        Ok((!names.is_empty()).then_some(names))
    }

    /// The key of a row.
    ///
    /// # Errors
    /// The column that the row lacks.
    fn key_of(&mut self, row: Struct<'b>, names: &[&'b str]) -> Result<Value<'b>, &'b str> {
        let scratch = &mut self.work.scratch.fields;
        let base = scratch.len();
        for name in names {
            match row.get(name) {
                Some(value) => scratch.push(Field::new(name, value)),
                None => {
                    scratch.truncate(base);
                    return Err(name);
                }
            }
        }
        let key = self.work.arena.object(&scratch[base..]);
        scratch.truncate(base);
        Ok(key)
    }

    /// The key of a row that must have it; the message's own if it is not known which columns it has.
    fn key_or_own(
        &mut self,
        row: Struct<'b>,
        names: KeyNames<'b>,
        own: Value<'b>,
    ) -> Result<Value<'b>, EventError> {
        let Some(names) = names else { return Ok(own) };
        self.key_of(row, names)
            .map_err(|column| EventError::NoKeyColumn { tool: self.tool.name(), column: column.into() })
    }

    /// The row `after` with the columns of `old` as they were: what a tool that sends changed columns alone means.
    pub(super) fn row_before(&mut self, after: Struct<'b>, old: Struct<'b>) -> Value<'b> {
        let was =
            |field: &Field<'b>| Field::new(field.name(), old.get(field.name()).unwrap_or(field.value()));
        self.joined(after.fields().iter().map(was), old, after)
    }

    /// The fields of `row` and behind them those that only `other` has.
    pub(super) fn with_columns_of(&mut self, row: Struct<'b>, other: Struct<'b>) -> Value<'b> {
        if other.iter().all(|(name, _)| row.get(name).is_some()) {
            return row.to_value();
        }
        self.joined(row.fields().iter().copied(), other, row)
    }

    fn joined(
        &mut self,
        fields: impl Iterator<Item = Field<'b>>,
        other: Struct<'b>,
        known: Struct<'b>,
    ) -> Value<'b> {
        let scratch = &mut self.work.scratch.fields;
        let base = scratch.len();
        scratch.extend(fields);
        scratch.extend(other.fields().iter().filter(|field| known.get(field.name()).is_none()));
        let row = self.work.arena.object(&scratch[base..]);
        scratch.truncate(base);
        row
    }

    /// Adds an insert, or with `op` "r" a row that was read.
    pub(super) fn insert(
        &mut self,
        op: &'static str,
        origin: Origin<'b>,
        names: KeyNames<'b>,
        after: Struct<'b>,
        own_key: Value<'b>,
    ) -> Result<(), EventError> {
        let key = self.key_or_own(after, names, own_key)?;
        self.push(op, origin, key, [Value::NULL, after.to_value()]);
        Ok(())
    }

    /// Adds a delete.
    pub(super) fn delete(
        &mut self,
        origin: Origin<'b>,
        names: KeyNames<'b>,
        before: Struct<'b>,
        own_key: Value<'b>,
    ) -> Result<(), EventError> {
        let key = self.key_or_own(before, names, own_key)?;
        self.push("d", origin, key, [before.to_value(), Value::NULL]);
        Ok(())
    }

    /// Adds an update. One that changes the primary key becomes a delete of the old row and an insert of the new one, as
    /// Debezium sends it: sinks would keep the old row otherwise.
    pub(super) fn update(
        &mut self,
        origin: Origin<'b>,
        names: KeyNames<'b>,
        [before, after]: [Value<'b>; 2],
        own_key: Value<'b>,
    ) -> Result<(), EventError> {
        let row = |value: Value<'b>| value.as_struct().unwrap_or(Struct::EMPTY);
        let key = self.key_or_own(row(after), names, own_key)?;
        let old_key = names.and_then(|names| self.key_of(row(before), names).ok());
        match old_key {
            Some(old_key) if !is_equal(old_key, key, &mut self.work.scratch.text) => {
                self.push("d", origin, old_key, [before, Value::NULL]);
                self.push("c", origin, key, [Value::NULL, after]);
            }
            _ => self.push("u", origin, key, [before, after]),
        }
        Ok(())
    }

    /// Adds the truncate of a table.
    pub(super) fn truncate(&mut self, origin: Origin<'b>) {
        self.push("t", origin, Value::NULL, [Value::NULL; 2]);
    }

    /// Adds an event in Debezium's envelope.
    pub(super) fn push(
        &mut self,
        op: &'static str,
        origin: Origin<'b>,
        key: Value<'b>,
        [before, after]: [Value<'b>; 2],
    ) {
        let fields = [
            Field::new("before", before),
            Field::new("after", after),
            Field::new("source", origin.source),
            Field::new("op", Value::string(op)),
            Field::new("ts_ms", origin.ts_ms),
            Field::new("transaction", origin.transaction),
        ];
        let value = self.work.arena.object(&fields);
        self.work.events.push(Decoded::plain(key, value));
    }
}

/// The digits of a number, or a text.
pub(super) fn id_text<'b>(value: Option<Value<'b>>, translator: &Translator<'b, '_, '_>) -> &'b str {
    let Some(value) = value else { return "" };
    match value.view() {
        ValueRef::String(text) => text,
        _ => value.as_u64().map_or("", |id| decimal_text(id, translator.work.arena)),
    }
}

/// A time as text of ISO 8601, in UTC unless it says otherwise, as milliseconds since 1970.
pub(super) fn milliseconds<'b>(
    field: &'static str,
    value: Value<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Value<'b>, EventError> {
    if value.is_null() {
        return Ok(Value::NULL);
    }
    let buffer = &mut translator.work.scratch.bytes;
    let mut store = ArenaStore { arena: translator.work.arena, buffer };
    let at = convert(Scalar::ZonedTimestamp, value, &mut store).ok();
    let milliseconds = at.and_then(|at| match at.view() {
        ValueRef::Timestamp(at) => {
            at.seconds.checked_mul(1_000).map(|seconds| seconds + i64::from(at.nanoseconds / 1_000_000))
        }
        _ => None,
    });
    milliseconds.map(Value::int).ok_or_else(|| translator.wrong(field, Some(value), "a date and time"))
}
