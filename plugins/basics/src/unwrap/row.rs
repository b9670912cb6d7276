//! The row that `unwrap` makes of an event: columns, added fields, and without the fields that a header names.

use tidegate_plugin::{Arena, Field, Schema, Struct, prelude::*};

/// Name of the field that tells deletes from other rows in the rewriting modes.
pub(super) const DELETED: &str = "__deleted";

/// A field to add to a row; without a value, the event does not have it.
pub(super) type Added<'b> = (&'b str, Option<Value<'b>>);

/// The row with further fields at the end.
///
/// # Errors
/// If it has a column of the same name.
pub(super) fn with_fields<'b>(row: Struct<'b>, added: &[Added<'b>], arena: Arena<'b>) -> Result<Struct<'b>> {
    let found = |(name, value): &Added<'b>| value.map(|value| Field::new(name, value));
    if let Some(field) = added.iter().filter_map(found).find(|field| row.get(field.name()).is_some()) {
        return Err(Error::rejected(format_args!(
            "the row has a column {:?} already: set add.fields.prefix, or add the field under a new name",
            field.name()
        )));
    }
    let count = added.iter().filter_map(found).count();
    if count == 0 {
        return Ok(row);
    }
    let mut fields = row.fields().iter().copied().chain(added.iter().filter_map(found));
    let fields = (0..row.len() + count).map(|_| fields.next().unwrap_or(Field::new("", Value::NULL)));
    Ok(as_struct(arena.collect(fields)))
}

/// The row in which null is replaced by the default of the column, if the schema has one.
pub(super) fn with_defaults<'b>(row: Struct<'b>, schema: Option<Schema<'b>>, arena: Arena<'b>) -> Struct<'b> {
    let Some(schema) = schema else { return row };
    let default = |field: &Field<'b>| {
        let declared = field.value().is_null().then(|| schema.get(field.name()))?;
        declared?.default_value().filter(|default| !default.is_null())
    };
    if row.fields().iter().all(|field| default(field).is_none()) {
        return row;
    }
    let fields = row.fields().iter();
    as_struct(
        arena.collect(
            fields.map(|field| default(field).map_or(*field, |value| Field::new(field.name(), value))),
        ),
    )
}

/// Names of fields to drop, from a header.
pub(super) struct Drops<'b> {
    names: Value<'b>,
    only_optional: bool,
}

impl<'b> Drops<'b> {
    /// The names in the first header called `name`: a list, or text with commas.
    ///
    /// # Errors
    /// If it has anything else.
    pub(super) fn of(
        record: Record<'b>,
        name: &str,
        only_optional: bool,
        arena: Arena<'b>,
    ) -> Result<Option<Self>> {
        let header = record.headers().iter().find(|header| header.name == name);
        let Some(header) = header.filter(|_| !name.trim().is_empty()) else { return Ok(None) };
        let value = header.parse_simple(arena);
        // A JSON converter may have written it with its schema.
        let names = value.get("payload").unwrap_or(value);
        match names.view() {
            ValueRef::Null => Ok(None),
            ValueRef::String(_) => Ok(Some(Self { names, only_optional })),
            ValueRef::List(list) if list.iter().all(|name| name.as_str().is_some() || name.is_null()) => {
                Ok(Some(Self { names, only_optional }))
            }
            _ => Err(Error::rejected(format_args!(
                "header {name:?} does not hold a list of field names, such as [\"a\",\"b\"]"
            ))),
        }
    }

    /// The struct without these fields. With a schema, only optional fields are dropped, if so configured.
    pub(super) fn apply(&self, row: Struct<'b>, schema: Option<Schema<'b>>, arena: Arena<'b>) -> Struct<'b> {
        let declared = |name: &str| schema.filter(|_| self.only_optional).and_then(|schema| schema.get(name));
        let stays = |field: &Field<'b>| {
            !self.names(field.name())
                || declared(field.name()).is_some_and(|declared| !declared.is_optional())
        };
        as_struct(arena.filter(row.fields(), stays))
    }

    fn names(&self, field: &str) -> bool {
        match self.names.view() {
            ValueRef::String(text) => text.split(',').any(|name| name.trim() == field),
            ValueRef::List(list) => list.iter().any(|name| name.as_str() == Some(field)),
            _ => false,
        }
    }
}

fn as_struct<'b>(fields: &'b [Field<'b>]) -> Struct<'b> {
    Value::object(fields).as_struct().unwrap_or(Struct::EMPTY)
}
