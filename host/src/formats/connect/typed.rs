//! Parsing steered by a compiled type: fields are met in the order of the schema, and become typed values at once.

use std::collections::HashSet;

use tidegate_abi::{Field, Value, ValueRef};

use super::{Shape, StructType, Type};
use crate::formats::{
    json::{Fault, FindingKind, JsonError, Open, Parser},
    types::{ArenaStore, Mismatch, Scalar, Unavailable, convert},
};

impl<'b> Parser<'b, '_> {
    /// Reads a value of the type `ty`.
    pub(super) fn typed(&mut self, ty: &Type<'b>) -> Result<Value<'b>, JsonError> {
        match (&ty.shape, self.lexer.peek()) {
            (Shape::Struct(row), Some(b'{')) => self.typed_struct(row),
            (Shape::List(item), Some(b'[')) => {
                let list = self.items(|parser| parser.typed(item))?;
                Ok(unless_unavailable(ty.in_row, list, &self.scratch.unavailable))
            }
            (Shape::Map(map), Some(b'{')) if map.is_object => {
                let object = self
                    .fields(|parser, name| parser.typed(&map.values).map_err(|error| error.inside(name)))?;
                Ok(unless_unavailable(ty.in_row, object, &self.scratch.unavailable))
            }
            (Shape::Map(map), Some(b'[')) if !map.is_object => self.pairs(&map.keys, &map.values),
            _ => {
                let value = self.value()?;
                self.finish(ty, value)
            }
        }
    }

    /// Types what was read as plain JSON.
    #[inline]
    fn finish(&mut self, ty: &Type<'b>, value: Value<'b>) -> Result<Value<'b>, JsonError> {
        if value.is_null() {
            return absent(ty);
        }
        if ty.in_row && value.as_str().is_some_and(|text| self.scratch.unavailable.is_text(text)) {
            return Ok(Value::UNAVAILABLE);
        }
        match &ty.shape {
            Shape::Scalar(scalar) => self.convert(*scalar, value),
            Shape::VariableScaleDecimal => self.variable_scale(value),
            _ if ty.is_lenient => Ok(unless_unavailable(ty.in_row, value, &self.scratch.unavailable)),
            Shape::List(_) => Err(mismatch("a list", value)),
            Shape::Map(map) if map.is_object => Err(mismatch("an object", value)),
            Shape::Map(_) => Err(mismatch("a list of pairs", value)),
            Shape::Struct(_) => Err(mismatch("an object", value)),
            Shape::Any(_) => Ok(unless_unavailable(ty.in_row, value, &self.scratch.unavailable)),
        }
    }

    #[inline]
    fn convert(&mut self, scalar: Scalar, value: Value<'b>) -> Result<Value<'b>, JsonError> {
        if let Scalar::Bits(Some(length)) = scalar {
            self.scratch.budget.take(length as usize, "the zeros of its bit strings")?;
        }
        let mut store = ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes };
        convert(scalar, value, &mut store).map_err(JsonError::Mismatch)
    }

    fn variable_scale(&mut self, value: Value<'b>) -> Result<Value<'b>, JsonError> {
        let scale =
            value.get("scale").and_then(|scale| scale.as_i64()).and_then(|scale| i32::try_from(scale).ok());
        let has_more = value.as_struct().is_some_and(|row| row.len() > 2);
        let unscaled = value.get("value").filter(|value| value.as_str().is_some() && !has_more);
        let (Some(scale), Some(unscaled)) = (scale, unscaled) else {
            return Err(mismatch("an object of scale and base64", value));
        };
        self.convert(Scalar::Decimal(scale), unscaled)
    }

    /// Reads an object whose fields should come in the order of `row`, all of them.
    fn typed_struct(&mut self, row: &StructType<'b>) -> Result<Value<'b>, JsonError> {
        self.lexer.open()?;
        let open = self.open_object();
        let mut in_order = 0;
        // As long as each field is the next of the schema, no name comes twice.
        let mut is_ordered = true;
        if self.lexer.take(b'}') {
            self.lexer.close();
            return self.complete(row, open, in_order, is_ordered);
        }
        loop {
            let expected = row.fields.get(in_order);
            self.lexer.peek();
            if let Some(field) = expected
                && self.lexer.take_exact(field.quoted)
            {
                let value = self.typed(&field.ty).map_err(|error| error.inside(field.name))?;
                if is_ordered {
                    self.scratch.fields.push(Field::new(field.name, value));
                } else {
                    self.put(open, field.name, value);
                }
                in_order += 1;
            } else {
                in_order = self.other_field(row, open, in_order, &mut is_ordered)?;
            }
            if !self.lexer.another(b'}', Fault::ObjectEnd)? {
                return self.complete(row, open, in_order, is_ordered);
            }
        }
    }

    /// Reads a field that is written in another way, or is not the one of its place. One that the schema does not know
    /// is read as it stands. Returns the place of the field that should come next.
    fn other_field(
        &mut self,
        row: &StructType<'b>,
        open: Open,
        place: usize,
        is_ordered: &mut bool,
    ) -> Result<usize, JsonError> {
        let name = self.name()?;
        let found = row.position(name);
        let value = match found.and_then(|index| row.fields.get(index)) {
            Some(field) => self.typed(&field.ty).map_err(|error| error.inside(name))?,
            None => {
                let value = self.value()?;
                unless_unavailable(row.in_row, value, &self.scratch.unavailable)
            }
        };
        // Where fields may be missing, one further on is in order, too, and so is what follows it.
        if let Some(found) = found
            && row.is_lenient
            && found >= place
        {
            if *is_ordered {
                self.scratch.fields.push(Field::new(name, value));
            } else {
                self.put(open, name, value);
            }
            return Ok(found + 1);
        }
        *is_ordered = false;
        self.put(open, name, value);
        Ok(place + usize::from(found == Some(place)))
    }

    /// The struct of the open fields, with defaults for those that did not come.
    fn complete(
        &mut self,
        row: &StructType<'b>,
        open: Open,
        in_order: usize,
        is_ordered: bool,
    ) -> Result<Value<'b>, JsonError> {
        if in_order < row.fields.len() && !row.is_lenient {
            // With many fields, looking at all of them for each would take long.
            let index: Option<HashSet<&str>> =
                row.is_wide().then(|| self.open_fields(open).iter().map(Field::name).collect());
            for field in &row.fields {
                let is_known = match &index {
                    Some(index) => index.contains(field.name),
                    None => self.open_fields(open).iter().any(|known| known.name() == field.name),
                };
                if !is_known {
                    let value = missing(&field.ty).map_err(|error| error.inside(field.name))?;
                    self.scratch.budget.take_field()?;
                    self.scratch.findings.add(FindingKind::Missing, field.name);
                    self.scratch.fields.push(Field::new(field.name, value));
                }
            }
        }
        Ok(self.finish_object(open, !is_ordered))
    }

    /// Reads Connect's form of a map whose keys are not text: an array of pairs.
    fn pairs(&mut self, keys: &Type<'b>, values: &Type<'b>) -> Result<Value<'b>, JsonError> {
        self.items(|parser| {
            if parser.lexer.peek() != Some(b'[') {
                return parser.entry(keys, values);
            }
            let mut side = 0;
            let pair = parser.items(|parser| {
                side += 1;
                parser.typed(if side == 1 { keys } else { values })
            })?;
            if side == 2 { Ok(pair) } else { Err(mismatch("a pair of key and value", pair)) }
        })
    }

    /// Reads an entry of a map as Confluent's `JsonSchemaConverter` writes it: an object of key and value.
    fn entry(&mut self, keys: &Type<'b>, values: &Type<'b>) -> Result<Value<'b>, JsonError> {
        let expected = |value| mismatch("a pair of key and value", value);
        if self.lexer.peek() != Some(b'{') {
            return Err(expected(self.value()?));
        }
        let entry = self.fields(|parser, name| match name {
            "key" => parser.typed(keys),
            "value" => parser.typed(values).map_err(|error| error.inside(name)),
            _ => parser.value(),
        })?;
        match (entry.get("key"), entry.get("value"), entry.as_struct().map(|entry| entry.len())) {
            (Some(key), Some(value), Some(2)) => Ok(self.arena.list(&[key, value])),
            _ => Err(expected(entry)),
        }
    }
}

/// Null where the type allows it.
fn absent<'m>(ty: &Type<'m>) -> Result<Value<'m>, JsonError> {
    match ty.default {
        _ if ty.optional || ty.is_lenient || matches!(ty.shape, Shape::Any(_)) => Ok(Value::NULL),
        Some(default) => Ok(default),
        None => Err(JsonError::Mismatch(Box::new(Mismatch::new("a value", "null")))),
    }
}

/// The value of a field that did not come.
fn missing<'m>(ty: &Type<'m>) -> Result<Value<'m>, JsonError> {
    match ty.default {
        Some(default) => Ok(default),
        None if ty.optional => Ok(Value::NULL),
        None => Err(JsonError::Mismatch(Box::new(Mismatch::new("a value", "nothing")))),
    }
}

/// A value of a row, unless it is a mark for one that the source left out.
fn unless_unavailable<'b>(in_row: bool, value: Value<'b>, unavailable: &Unavailable) -> Value<'b> {
    let is_placeholder = in_row
        && match value.view() {
            ValueRef::String(text) => unavailable.is_text(text),
            ValueRef::List(list) => unavailable.is_list(list),
            ValueRef::Struct(row) => unavailable.is_struct(row),
            _ => false,
        };
    if is_placeholder { Value::UNAVAILABLE } else { value }
}

#[cold]
fn mismatch(expected: &'static str, value: Value<'_>) -> JsonError {
    JsonError::Mismatch(Box::new(Mismatch::of(expected, &value)))
}
