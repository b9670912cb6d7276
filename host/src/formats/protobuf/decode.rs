//! Decodes a message: Protobuf data to values in a batch's arena.

use std::{fmt::Write as _, ops::Range};

use tidegate_abi::{Arena, Field, Value};

use super::{
    compile::unsigned,
    error::ProtobufError,
    program::{FieldType, Label, MessageId, MessageType, Program, Type},
    reference,
    wire::{Tag, WireType},
};
use crate::formats::{
    binary::{Bounds, DataError, DecodeLimits, Fault, Part, Source, widen, zigzag},
    json::{FindingKind, InvalidUnicode, Scratch},
    read::Read,
    registry::MessageRef,
    types::{ArenaStore, Mismatch, Scalar, convert_bytes},
};

/// In front of it, the parts of a field do not count: another field of its oneof came after them.
const CLEARED: Part<'static> = Part { bytes: &[], at: usize::MAX };

pub(super) type Result<T> = std::result::Result<T, Box<DataError>>;

/// Decodes `data`; `message` tells where the message type is stated. Text and bytes point into the data.
///
/// # Errors
/// When it is not a message of the schema.
#[inline]
pub(crate) fn decode<'b>(
    program: &'b Program<'b>,
    data: &'b [u8],
    message: MessageRef<'b>,
    limits: DecodeLimits,
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> std::result::Result<Read<'b>, ProtobufError> {
    let (id, data) = reference::resolve(program, data, message)?;
    let (fields, values) = (scratch.fields.len(), scratch.values.len());
    let (items, parts, chosen) = (scratch.items.len(), scratch.parts.len(), scratch.chosen.len());
    let max_depth = limits.max_depth;
    let mut decoder = Decoder { program, arena, scratch, bounds: Bounds::new(limits), max_depth };
    let decoded = decoder.message(id, Source::new(data), false);
    // What an invalid value has left behind.
    scratch.fields.truncate(fields);
    scratch.values.truncate(values);
    scratch.items.truncate(items);
    scratch.parts.truncate(parts);
    scratch.chosen.truncate(chosen);
    let schema = program.messages[id as usize].schema;
    Ok(Read { value: decoded?, typed: true, is_text: false, schema, unknown: &[] })
}

pub(super) struct Decoder<'b, 's> {
    pub(super) program: &'b Program<'b>,
    pub(super) arena: Arena<'b>,
    pub(super) scratch: &'s mut Scratch<'b>,
    pub(super) bounds: Bounds,
    /// Of groups within each other that are skipped.
    pub(super) max_depth: u32,
}

impl<'b> Decoder<'b, '_> {
    fn message(&mut self, id: MessageId, source: Source<'b>, in_row: bool) -> Result<Value<'b>> {
        match self.program.messages[id as usize].well_known {
            Some(well_known) => self.well_known(well_known, id, source, in_row),
            None => self.plain(id, source, in_row),
        }
    }

    /// Decodes a message to a struct of its fields.
    pub(super) fn plain(&mut self, id: MessageId, mut source: Source<'b>, in_row: bool) -> Result<Value<'b>> {
        let program = self.program;
        let message = &program.messages[id as usize];
        self.enter(&source, message.fields.len())?;
        let mut open = Open {
            message,
            fields: self.scratch.fields.len(),
            items: self.scratch.items.len(),
            parts: self.scratch.parts.len(),
            chosen: self.scratch.chosen.len(),
            in_row: in_row || message.is_row,
            seen: 0,
        };
        self.scratch.fields.extend_from_slice(&message.initial);
        self.scratch.chosen.resize(open.chosen + message.oneofs as usize, 0);
        let mut next = 0;
        while !source.is_empty() {
            let tag = source.tag()?;
            match message.slot(tag.number, &mut next) {
                Some(slot) => self.field(&mut open, slot, tag, &mut source)?,
                None => self.unknown_field(message, tag, &mut source)?,
            }
        }
        self.scratch.chosen.truncate(open.chosen);
        if self.scratch.parts.len() > open.parts {
            self.decode_parts(&open)?;
        }
        if message.required > 0 {
            check_required(&open, &source)?;
        }
        if self.scratch.items.len() > open.items {
            self.collect_items(&open);
        }
        let object = self.arena.object(&self.scratch.fields[open.fields..]);
        self.scratch.fields.truncate(open.fields);
        self.bounds.leave();
        Ok(object)
    }

    fn field(&mut self, open: &mut Open<'b>, slot: usize, tag: Tag, source: &mut Source<'b>) -> Result<()> {
        let field = &open.message.fields[slot];
        let in_row = open.in_row || field.is_row;
        match field.label {
            Label::Single => {
                self.single(open, slot, tag, source, in_row).map_err(|error| error.inside(field.name))
            }
            Label::Repeated if tag.wire_type == WireType::Bytes && field.ty.may_be_packed() => {
                let mut packed = source.nested().map_err(|error| error.inside(field.name))?;
                let tag = Tag { wire_type: wire_type(field.ty), ..tag };
                while !packed.is_empty() {
                    self.item(open, slot, tag, &mut packed, in_row)?;
                }
                Ok(())
            }
            Label::Repeated => self.item(open, slot, tag, source, in_row),
            Label::Map { .. } => self.entry(open, slot, tag, source, in_row),
        }
    }

    /// Reads a field that is neither a list nor a map. A nested message is decoded later, because its parts may be spread over
    /// several fields of the same number.
    fn single(
        &mut self,
        open: &mut Open<'b>,
        slot: usize,
        tag: Tag,
        source: &mut Source<'b>,
        in_row: bool,
    ) -> Result<()> {
        let field = &open.message.fields[slot];
        if let Some(oneof) = field.oneof {
            self.choose(open, oneof, slot);
        }
        if let Some(required) = field.required {
            open.seen |= 1u128.checked_shl(required).unwrap_or(0);
        }
        if field.ty.message().is_some() {
            let part = self.nested(field.ty, tag, source)?.part();
            self.scratch.parts.push((slot as u32, part));
            return Ok(());
        }
        let value = self.value(field.ty, tag, source, in_row)?;
        self.scratch.fields[open.fields + slot] = Field::new(field.name, value);
        Ok(())
    }

    /// Of a oneof, the field that comes last counts, so it clears the one before.
    fn choose(&mut self, open: &Open<'b>, oneof: u32, slot: usize) {
        let chosen = &mut self.scratch.chosen[open.chosen + oneof as usize];
        let before = std::mem::replace(chosen, slot as u32 + 1);
        if before == 0 || before == slot as u32 + 1 {
            return;
        }
        let before = before as usize - 1;
        self.scratch.fields[open.fields + before] = open.message.initial[before];
        if open.message.fields[before].ty.message().is_some() {
            self.scratch.parts.push((before as u32, CLEARED));
        }
    }

    /// Decodes the nested messages of a message, each from all of its parts.
    fn decode_parts(&mut self, open: &Open<'b>) -> Result<()> {
        sort_by_slot(&mut self.scratch.parts[open.parts..]);
        let mut begin = open.parts;
        while let Some((slot, _)) = self.scratch.parts.get(begin).copied() {
            let run = run_of(slot, &self.scratch.parts[begin..]);
            let end = begin + run;
            let cleared = self.scratch.parts[begin..end].iter().rposition(|(_, part)| part.at == CLEARED.at);
            let first = cleared.map_or(begin, |at| begin + at + 1);
            if first < end {
                let field = &open.message.fields[slot as usize];
                let in_row = open.in_row || field.is_row;
                let value =
                    self.of_parts(field.ty, first..end, in_row).map_err(|error| error.inside(field.name))?;
                self.scratch.fields[open.fields + slot as usize] = Field::new(field.name, value);
            }
            begin = end;
        }
        self.scratch.parts.truncate(open.parts);
        Ok(())
    }

    fn of_parts(&mut self, ty: Type, parts: Range<usize>, in_row: bool) -> Result<Value<'b>> {
        let Some(id) = ty.message() else { return Ok(Value::NULL) };
        let part = match self.scratch.parts.get(parts.clone()) {
            Some([(_, only)]) => *only,
            _ => self.merged(parts)?,
        };
        self.message(id, part.into(), in_row)
    }

    /// The data of several parts, one after the other: what a decoder makes of that is the merged message.
    #[cold]
    fn merged(&mut self, parts: Range<usize>) -> Result<Part<'b>> {
        let Scratch { parts: all, budget, .. } = &mut *self.scratch;
        let parts = all.get(parts).unwrap_or_default();
        let at = parts.first().map_or(0, |(_, part)| part.at);
        let length = parts.iter().map(|(_, part)| part.bytes.len()).sum();
        budget
            .take(length, "the parts of its messages")
            .map_err(|error| DataError::new(Fault::Budget(error), at))?;
        let mut bytes = Vec::with_capacity(length);
        parts.iter().for_each(|(_, part)| bytes.extend_from_slice(part.bytes));
        Ok(Part { bytes: self.arena.slice(&bytes), at })
    }

    /// The data of a nested message.
    fn nested(&self, ty: Type, tag: Tag, source: &mut Source<'b>) -> Result<Source<'b>> {
        match (ty, tag.wire_type) {
            (Type::Group(_), WireType::GroupStart) => source.group(tag.number, self.max_depth),
            (Type::Message(_), WireType::Bytes) => source.nested(),
            _ => Err(wrong_wire_type(ty, tag, source)),
        }
    }

    /// Reads one item of a list.
    fn item(
        &mut self,
        open: &Open<'b>,
        slot: usize,
        tag: Tag,
        source: &mut Source<'b>,
        in_row: bool,
    ) -> Result<()> {
        self.take_items(1, source)?;
        let field = &open.message.fields[slot];
        let value = self.value(field.ty, tag, source, in_row).map_err(|error| {
            let index = self.scratch.items[open.items..].iter().filter(|(of, _)| *of == slot as u32).count();
            error.inside_item(index).inside(field.name)
        })?;
        self.scratch.items.push((slot as u32, value));
        Ok(())
    }

    /// Reads one entry of a map: its key and its value become two items.
    fn entry(
        &mut self,
        open: &Open<'b>,
        slot: usize,
        tag: Tag,
        source: &mut Source<'b>,
        in_row: bool,
    ) -> Result<()> {
        let field = &open.message.fields[slot];
        let (Type::Message(id), WireType::Bytes) = (field.ty, tag.wire_type) else {
            return Err(wrong_wire_type(field.ty, tag, source).inside(field.name));
        };
        self.take_items(2, source)?;
        let (key, value) =
            self.key_and_value(id, source, in_row).map_err(|error| error.inside(field.name))?;
        self.scratch.items.push((slot as u32, key));
        self.scratch.items.push((slot as u32, value));
        Ok(())
    }

    fn key_and_value(
        &mut self,
        id: MessageId,
        source: &mut Source<'b>,
        in_row: bool,
    ) -> Result<(Value<'b>, Value<'b>)> {
        let mut entry = source.nested()?;
        let program = self.program;
        let message = &program.messages[id as usize];
        let (Some(key_type), Some(value_type)) = (message.fields.first(), message.fields.get(1)) else {
            return Ok((Value::NULL, Value::NULL));
        };
        let (mut key, mut value) = (message.initial[0].value(), message.initial[1].value());
        let parts = self.scratch.parts.len();
        while !entry.is_empty() {
            let tag = entry.tag()?;
            match (tag.number, value_type.ty) {
                (1, _) => key = self.value(key_type.ty, tag, &mut entry, false)?,
                (2, Type::Message(_) | Type::Group(_)) => {
                    let part = self.nested(value_type.ty, tag, &mut entry)?.part();
                    self.scratch.parts.push((0, part));
                }
                (2, ty) => {
                    value =
                        self.value(ty, tag, &mut entry, in_row).map_err(|error| inside_key(error, key))?;
                }
                _ => self.unknown_field(message, tag, &mut entry)?,
            }
        }
        if value_type.ty.message().is_some() {
            // A message without fields takes no bytes at all: then there is no part, and nothing is merged.
            let end = self.scratch.parts.len();
            value =
                self.of_parts(value_type.ty, parts..end, in_row).map_err(|error| inside_key(error, key))?;
            self.scratch.parts.truncate(parts);
        }
        Ok((key, value))
    }

    /// Makes lists and maps of the items that a message has brought.
    fn collect_items(&mut self, open: &Open<'b>) {
        sort_by_slot(&mut self.scratch.items[open.items..]);
        let mut begin = open.items;
        while let Some((slot, _)) = self.scratch.items.get(begin).copied() {
            let run = run_of(slot, &self.scratch.items[begin..]);
            let field = &open.message.fields[slot as usize];
            let value = match field.label {
                Label::Map { is_struct: true } => self.struct_of(begin, run),
                Label::Map { is_struct: false } => self.pairs_of(begin, run),
                Label::Repeated | Label::Single => self.list_of(begin, run),
            };
            let in_row = open.in_row || field.is_row;
            let unavailable = &self.scratch.unavailable;
            let is_placeholder = in_row
                && (value.as_list().is_some_and(|list| unavailable.is_list(list))
                    || value.as_struct().is_some_and(|map| unavailable.is_struct(map)));
            let value = if is_placeholder { Value::UNAVAILABLE } else { value };
            self.scratch.fields[open.fields + slot as usize] = Field::new(field.name, value);
            begin += run;
        }
        self.scratch.items.truncate(open.items);
    }

    fn list_of(&mut self, begin: usize, count: usize) -> Value<'b> {
        let base = self.scratch.values.len();
        let Scratch { values, items, .. } = &mut *self.scratch;
        values.extend(items[begin..begin + count].iter().map(|(_, value)| *value));
        self.close_list(base)
    }

    fn struct_of(&mut self, begin: usize, count: usize) -> Value<'b> {
        let base = self.scratch.fields.len();
        for at in (begin..begin + count).step_by(2) {
            let (key, value) = (self.scratch.items[at].1, self.scratch.items[at + 1].1);
            self.scratch.fields.push(Field::new(key.as_str().unwrap_or_default(), value));
        }
        self.scratch.finish_fields(base, self.arena)
    }

    fn pairs_of(&mut self, begin: usize, count: usize) -> Value<'b> {
        let base = self.scratch.values.len();
        for at in (begin..begin + count).step_by(2) {
            let pair = [self.scratch.items[at].1, self.scratch.items[at + 1].1];
            let pair = self.arena.list(&pair);
            self.scratch.values.push(pair);
        }
        self.close_list(base)
    }

    pub(super) fn close_list(&mut self, base: usize) -> Value<'b> {
        let list = self.arena.list(&self.scratch.values[base..]);
        self.scratch.values.truncate(base);
        list
    }

    /// Decodes one value of a type.
    #[inline]
    pub(super) fn value(
        &mut self,
        ty: Type,
        tag: Tag,
        source: &mut Source<'b>,
        in_row: bool,
    ) -> Result<Value<'b>> {
        if let Some(id) = ty.message() {
            let nested = self.nested(ty, tag, source)?;
            return self.message(id, nested, in_row);
        }
        if tag.wire_type != wire_type(ty) {
            return Err(wrong_wire_type(ty, tag, source));
        }
        Ok(match ty {
            Type::Text => {
                let bytes = source.varint_bytes()?;
                let text = self.str(source, bytes)?;
                let is_placeholder = in_row && self.scratch.unavailable.is_text(text);
                if is_placeholder { Value::UNAVAILABLE } else { Value::string(text) }
            }
            Type::Bytes => {
                let bytes = source.varint_bytes()?;
                let is_placeholder = in_row && self.scratch.unavailable.is_bytes(bytes);
                if is_placeholder { Value::UNAVAILABLE } else { Value::bytes(bytes) }
            }
            // Protobuf's own readers cut a number off at 32 bits as well.
            Type::Int32 => Value::int((source.varint()? as i32).into()),
            Type::Int64 => Value::int(source.varint()?.cast_signed()),
            Type::Uint32 => Value::int((source.varint()? as u32).into()),
            Type::Uint64 => unsigned(source.varint()?),
            Type::Sint32 => Value::int((zigzag((source.varint()? as u32).into()) as i32).into()),
            Type::Sint64 => Value::int(zigzag(source.varint()?)),
            Type::Bool => Value::bool(source.varint()? != 0),
            Type::Double => Value::float(f64::from_le_bytes(source.array()?)),
            Type::Float => Value::float(widen(f32::from_le_bytes(source.array()?))),
            Type::Fixed32 => Value::int(u32::from_le_bytes(source.array()?).into()),
            Type::Fixed64 => unsigned(u64::from_le_bytes(source.array()?)),
            Type::Sfixed32 => Value::int(i32::from_le_bytes(source.array()?).into()),
            Type::Sfixed64 => Value::int(i64::from_le_bytes(source.array()?)),
            Type::Enum(id) => {
                let number = source.varint()? as i32;
                let symbols = &self.program.enums[id as usize];
                match symbols.symbol(number) {
                    Some(symbol) => Value::string(symbol),
                    None => self.unknown_symbol(symbols.name, number),
                }
            }
            Type::Null => {
                source.varint()?;
                Value::NULL
            }
            Type::Message(_) | Type::Group(_) => Value::NULL,
        })
    }

    /// A number of an enum without a symbol stays a number.
    #[cold]
    fn unknown_symbol(&mut self, name: &str, number: i32) -> Value<'b> {
        self.note(FindingKind::UnknownSymbol, format_args!("{name}, number {number}"));
        Value::int(number.into())
    }

    /// Skips a field that the schema does not have, and notes it.
    #[cold]
    pub(super) fn unknown_field(
        &mut self,
        message: &MessageType<'b>,
        tag: Tag,
        source: &mut Source<'b>,
    ) -> Result<()> {
        source.skip(tag, self.max_depth)?;
        self.note(FindingKind::UnknownField, format_args!("{}, field {}", message.name, tag.number));
        Ok(())
    }

    #[cold]
    fn note(&mut self, what: FindingKind, about: std::fmt::Arguments<'_>) {
        // A message may have any number of them. Beyond the first ones, only their number is kept.
        if self.scratch.findings.is_full() {
            return self.scratch.findings.add(what, "");
        }
        let Scratch { text, findings, .. } = &mut *self.scratch;
        text.clear();
        // Writing to a String cannot fail.
        let _written = text.write_fmt(about).is_ok();
        findings.add(what, self.arena.str(text));
    }

    #[inline]
    pub(super) fn str(&mut self, source: &Source<'b>, bytes: &'b [u8]) -> Result<&'b str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) if self.scratch.invalid_unicode == InvalidUnicode::Reject => {
                Err(source.error(Fault::Utf8))
            }
            Err(_) => {
                let replaced = self.scratch.replace_invalid(bytes, self.arena);
                replaced.map_err(|error| source.error(Fault::Budget(error)))
            }
        }
    }

    pub(super) fn convert_bytes(
        &mut self,
        source: &Source<'b>,
        scalar: Scalar,
        bytes: &'b [u8],
    ) -> Result<Value<'b>> {
        let mut store = ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes };
        convert_bytes(scalar, bytes, &mut store)
            .ok_or_else(|| source.error(Fault::Mismatch(Mismatch::new("the bytes of a number", "none"))))
    }

    /// Enters a message with so many fields.
    #[inline]
    pub(super) fn enter(&mut self, source: &Source<'b>, fields: usize) -> Result<()> {
        self.bounds.enter().map_err(|fault| source.error(fault))?;
        match self.scratch.budget.take_fields(fields) {
            Ok(()) => Ok(()),
            Err(error) => Err(source.error(Fault::Budget(error))),
        }
    }

    /// Takes the room of items of a list, or of the key and value of a map's entry.
    #[inline]
    pub(super) fn take_items(&mut self, count: usize, source: &Source<'b>) -> Result<()> {
        self.bounds.take(1).map_err(|fault| source.error(fault))?;
        self.scratch.budget.take_items(count).map_err(|error| source.error(Fault::Budget(error)))
    }
}

/// Brings together what belongs to one field, in its order. Most serializers write fields in order already.
fn sort_by_slot<T>(entries: &mut [(u32, T)]) {
    if !entries.is_sorted_by_key(|(slot, _)| *slot) {
        entries.sort_by_key(|(slot, _)| *slot);
    }
}

/// How many of the first entries belong to the field at `slot`.
fn run_of<T>(slot: u32, entries: &[(u32, T)]) -> usize {
    entries.iter().take_while(|(of, _)| *of == slot).count()
}

fn inside_key(error: Box<DataError>, key: Value<'_>) -> Box<DataError> {
    match key.as_str() {
        Some(name) => error.inside(name),
        None => error,
    }
}

fn check_required(open: &Open<'_>, source: &Source<'_>) -> Result<()> {
    let is_missing = |field: &&FieldType<'_>| {
        let bit = field.required.and_then(|required| 1u128.checked_shl(required));
        bit.is_some_and(|bit| open.seen & bit == 0)
    };
    match open.message.fields.iter().find(is_missing) {
        Some(field) => Err(source.error(Fault::Required(field.name.into()))),
        None => Ok(()),
    }
}

/// A message whose fields are being read.
struct Open<'b> {
    message: &'b MessageType<'b>,
    /// Where its fields begin in the scratch memory.
    fields: usize,
    /// Where the items of its lists and maps begin.
    items: usize,
    /// Where the parts of its nested messages begin.
    parts: usize,
    /// Where the choices of its oneofs begin.
    chosen: usize,
    in_row: bool,
    /// The required fields that were read, up to 128: one bit each.
    seen: u128,
}

/// How values of a type are encoded when they are not packed.
const fn wire_type(ty: Type) -> WireType {
    match ty {
        Type::Int32
        | Type::Int64
        | Type::Uint32
        | Type::Uint64
        | Type::Sint32
        | Type::Sint64
        | Type::Bool
        | Type::Enum(_)
        | Type::Null => WireType::Varint,
        Type::Double | Type::Fixed64 | Type::Sfixed64 => WireType::Fixed64,
        Type::Float | Type::Fixed32 | Type::Sfixed32 => WireType::Fixed32,
        Type::Text | Type::Bytes | Type::Message(_) => WireType::Bytes,
        Type::Group(_) => WireType::GroupStart,
    }
}

#[cold]
fn wrong_wire_type(ty: Type, tag: Tag, source: &Source<'_>) -> Box<DataError> {
    source.error(Fault::FieldWireType { found: tag.wire_type.number(), expected: ty.name() })
}
