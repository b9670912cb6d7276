//! Rows that came without a schema: marks for unavailable values, decimals that carry their scale, and hints.

use tidegate_abi::{Arena, ChangeParts, Field, Struct, Value, ValueRef, raw::Kind};

use super::{columns::Columns, hints::Hints};
use crate::formats::{
    Cause,
    json::Scratch,
    memory::{MAX_NAME, Memory},
    notices::Notices,
    types::{ArenaStore, Mismatch, Scalar, Unavailable, convert, convert_written},
};

/// A value that does not fit its column's hint.
#[derive(Debug, thiserror::Error)]
#[error("{table}.{column} does not fit its hint in [source.columns]: {mismatch}")]
pub(crate) struct RowError {
    table: String,
    column: String,
    mismatch: Box<Mismatch>,
    /// It stands in the record's key.
    pub(crate) in_key: bool,
}

impl RowError {
    fn in_key(self) -> Self {
        Self { in_key: true, ..self }
    }
}

/// Tables that are remembered. What is forgotten is looked up in the hints again.
const MAX_TABLES: usize = 10_000;

/// Types the rows of change events that came without a schema.
pub(crate) struct Rows {
    hints: Hints,
    tables: Memory<Box<str>, Columns>,
}

/// Key and value of a record with an event.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'b> {
    pub(crate) key: Value<'b>,
    pub(crate) value: Value<'b>,
    /// What rows hold is typed, as in MongoDB's documents, save where a hint says more.
    pub(crate) has_types: bool,
    /// Text is as people write it, see [`convert_written`].
    pub(crate) has_written_text: bool,
}

/// What is needed to make new values.
struct RowBuilder<'b, 's> {
    has_types: bool,
    has_written_text: bool,
    notices: &'s mut Notices,
    arena: Arena<'b>,
    scratch: &'s mut Scratch<'b>,
}

impl Rows {
    pub(crate) fn new(hints: Hints) -> Self {
        Self { hints, tables: Memory::bounded(MAX_TABLES) }
    }

    /// Types both rows of the event and the columns of its key. Gives the key and the record's value.
    ///
    /// # Errors
    /// When a value does not fit its column's hint.
    pub(crate) fn refine<'b>(
        &mut self,
        parts: &mut ChangeParts<'b>,
        payload: Payload<'b>,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
        notices: &mut Notices,
    ) -> Result<(Value<'b>, Value<'b>), RowError> {
        let Payload { key, value, has_types, has_written_text } = payload;
        let qualifier = if parts.schema.is_empty() { parts.database } else { parts.schema };
        let columns = self.columns(qualifier, parts.table);
        let mut maker = RowBuilder { has_types, has_written_text, notices, arena, scratch };
        let before = maker.row(parts.before, columns, parts.table)?;
        let after = maker.row(parts.after, columns, parts.table)?;
        let key = maker.row(key, columns, parts.table).map_err(RowError::in_key)?.unwrap_or(key);
        if before.is_none() && after.is_none() {
            return Ok((key, value));
        }
        parts.before = before.unwrap_or(parts.before);
        parts.after = after.unwrap_or(parts.after);
        let fields = value.as_struct().unwrap_or(Struct::EMPTY).fields();
        let fields = arena.collect(fields.iter().map(|field| match field.name() {
            "before" => Field::new("before", parts.before),
            "after" => Field::new("after", parts.after),
            _ => *field,
        }));
        Ok((key, Value::object(fields)))
    }

    /// Types the key of a tombstone, whose table only the topic names (`<prefix>.<schema>.<table>`).
    ///
    /// # Errors
    /// When a value does not fit its column's hint.
    pub(crate) fn refine_key<'b>(
        &mut self,
        topic: &str,
        key: Value<'b>,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
        notices: &mut Notices,
    ) -> Result<Value<'b>, RowError> {
        let (rest, table) = topic.rsplit_once('.').unwrap_or(("", topic));
        let qualifier = rest.rsplit_once('.').map_or(rest, |(_, qualifier)| qualifier);
        let columns = self.columns(qualifier, table);
        let mut maker = RowBuilder { has_types: false, has_written_text: false, notices, arena, scratch };
        let row = maker.row(key, columns, table).map_err(RowError::in_key)?;
        Ok(row.unwrap_or(key))
    }

    fn columns(&mut self, qualifier: &str, table: &str) -> &mut Columns {
        let hints = &self.hints;
        if qualifier.len() > MAX_NAME {
            return self.tables.unremembered(Columns::new(hints.of_table(qualifier, table)));
        }
        let make = || (Box::from(qualifier), Columns::new(hints.of_table(qualifier, table)));
        self.tables.entry(table, |known| known.as_ref() == qualifier, make)
    }
}

impl<'b> RowBuilder<'b, '_> {
    /// The row with typed values, if that changes anything.
    fn row(
        &mut self,
        value: Value<'b>,
        columns: &mut Columns,
        table: &str,
    ) -> Result<Option<Value<'b>>, RowError> {
        let Some(row) = value.as_struct() else {
            return Ok(None);
        };
        if !self.has_types {
            columns.look_for_decimals(row, |column| note_decimal(self.notices, table, column));
        }
        if !columns.has_hints() && !row.fields().iter().any(|field| self.may_change(field.value())) {
            return Ok(None);
        }
        let base = self.scratch.fields.len();
        let mut changed = false;
        for (name, value) in row.iter() {
            let hint = columns.hint(name);
            if !self.has_written_text
                && matches!(hint, Some(Scalar::Decimal(_)))
                && value.as_str().is_some_and(is_digits_and_base64)
            {
                note_digits(self.notices, table, name);
            }
            let new = self.column(hint, value).map_err(|mismatch| RowError {
                table: table.to_owned(),
                column: name.to_owned(),
                mismatch,
                in_key: false,
            })?;
            changed |= new.is_some();
            self.scratch.fields.push(Field::new(name, new.unwrap_or(value)));
        }
        Ok(self.finish(base, changed))
    }

    fn finish(&mut self, base: usize, changed: bool) -> Option<Value<'b>> {
        let object = changed.then(|| self.arena.object(&self.scratch.fields[base..]));
        self.scratch.fields.truncate(base);
        object
    }

    #[inline]
    fn may_change(&self, value: Value<'_>) -> bool {
        may_change(value, &self.scratch.unavailable)
    }

    /// The new value of a column, if it is another.
    fn column(&mut self, hint: Option<Scalar>, value: Value<'b>) -> Result<Option<Value<'b>>, Box<Mismatch>> {
        if !self.has_types
            && let Some(plain) = self.plain(value)
        {
            return Ok(Some(plain));
        }
        let Some(scalar) = hint.filter(|_| !value.is_null() && !value.is_unavailable()) else {
            return Ok(None);
        };
        // The source has said as much.
        if self.has_types && value.kind() == scalar.kind() && value.kind() != Kind::STRING {
            return Ok(None);
        }
        let Some(list) = value.as_list() else {
            return self.convert(scalar, value).map(Some);
        };
        let base = self.scratch.values.len();
        for item in list.iter() {
            let typed = if item.is_null() { item } else { self.convert(scalar, item)? };
            self.scratch.values.push(typed);
        }
        Ok(Some(self.finish_list(base)))
    }

    fn finish_list(&mut self, base: usize) -> Value<'b> {
        let list = self.arena.list(&self.scratch.values[base..]);
        self.scratch.values.truncate(base);
        list
    }

    fn convert(&mut self, scalar: Scalar, value: Value<'b>) -> Result<Value<'b>, Box<Mismatch>> {
        // Columns without a sign are integers as well.
        if matches!((scalar, value.view()), (Scalar::Integer(64), ValueRef::UInt(_))) {
            return Ok(value);
        }
        // A document that the source has not written as text.
        if matches!(scalar, Scalar::Json) && value.as_str().is_none() {
            return Ok(value);
        }
        let is_iso = matches!(scalar, Scalar::IsoDate | Scalar::IsoTime | Scalar::IsoTimestamp);
        let store = &mut ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes };
        if self.has_written_text || is_iso {
            convert_written(scalar, value, store)
        } else {
            convert(scalar, value, store)
        }
    }

    /// What a value says of itself without a schema: that it is unavailable, or a decimal with its scale. At any depth.
    fn plain(&mut self, value: Value<'b>) -> Option<Value<'b>> {
        match value.view() {
            ValueRef::String(text) => self.scratch.unavailable.is_text(text).then_some(Value::UNAVAILABLE),
            ValueRef::List(list) if self.scratch.unavailable.is_list(list) => Some(Value::UNAVAILABLE),
            ValueRef::Struct(row) if self.scratch.unavailable.is_struct(row) => Some(Value::UNAVAILABLE),
            ValueRef::Struct(row) => self.variable_scale(row).or_else(|| self.plain_fields(row)),
            ValueRef::List(list) if list.iter().any(|item| self.may_change(item)) => {
                let base = self.scratch.values.len();
                let mut changed = false;
                for item in list.iter() {
                    let new = self.plain(item);
                    changed |= new.is_some();
                    self.scratch.values.push(new.unwrap_or(item));
                }
                if !changed {
                    self.scratch.values.truncate(base);
                    return None;
                }
                Some(self.finish_list(base))
            }
            _ => None,
        }
    }

    fn plain_fields(&mut self, row: Struct<'b>) -> Option<Value<'b>> {
        if !row.iter().any(|(_, value)| self.may_change(value)) {
            return None;
        }
        let base = self.scratch.fields.len();
        let mut changed = false;
        for (name, value) in row.iter() {
            let new = self.plain(value);
            changed |= new.is_some();
            self.scratch.fields.push(Field::new(name, new.unwrap_or(value)));
        }
        self.finish(base, changed)
    }

    /// Debezium's `{"scale":2,"value":"<base64>"}`, of exactly these two fields.
    fn variable_scale(&mut self, row: Struct<'b>) -> Option<Value<'b>> {
        let [first, second] = row.fields() else {
            return None;
        };
        let (scale, unscaled) = match (first.name(), second.name()) {
            ("scale", "value") => (first, second),
            ("value", "scale") => (second, first),
            _ => return None,
        };
        let scale = scale.value().as_i64().and_then(|scale| i32::try_from(scale).ok())?;
        unscaled.value().as_str().filter(|text| !text.contains('.'))?;
        self.convert(Scalar::Decimal(scale), unscaled.value()).ok()
    }
}

/// Whether [`RowBuilder::plain`] could have something to say: it is asked of every value of every row.
#[inline]
fn may_change(value: Value<'_>, unavailable: &Unavailable) -> bool {
    match value.view() {
        ValueRef::String(text) => unavailable.is_text(text),
        ValueRef::List(_) | ValueRef::Struct(_) => true,
        _ => false,
    }
}

/// Whether a text of digits alone, which could be a whole number, is base64 as well.
fn is_digits_and_base64(text: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(4) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cold]
fn note_digits(notices: &mut Notices, table: &str, column: &str) {
    let name = format!("{table}.{column}");
    notices.note(Cause("decimal_of_digits"), &name, || {
        format!(
            "{name} holds text of digits alone, which was read as the base64 that its hint in [source.columns] stands for: \
             if the source sends decimals as text (decimal.handling.mode=string), remove the hint"
        )
    });
}

#[cold]
fn note_decimal(notices: &mut Notices, table: &str, column: &str) {
    let name = format!("{table}.{column}");
    notices.note(Cause("decimal_without_scale"), &name, || {
        format!(
            "{name} holds text that looks like a decimal in base64, whose scale JSON without a schema does not carry: if \
             it is one, add \"{name}\" = {{ decimal = <scale> }} to [source.columns], or let the source send it with a \
             schema or as text (decimal.handling.mode=string)"
        )
    });
}
