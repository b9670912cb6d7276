//! Messages that stand for a value: Google's well-known types, and those that Confluent's and Debezium's converters write.
//!
//! A value that the kind does not hold, such as a date without a day, stays a struct of the message's fields.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor, Value as ProtoValue};
use tidegate_abi::{Date, Field, Interval, Time, Timestamp, Value, raw::Kind as ValueKind};

use super::{
    decode::{Decoder, Result},
    program::{MessageId, Type},
    wire::WireType,
};
use crate::formats::{
    binary::{Fault, Source},
    types::Scalar,
};

/// What a message stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WellKnown {
    /// `google.protobuf.Timestamp`: seconds and nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// `google.protobuf.Duration`: seconds and nanoseconds.
    Duration,
    /// `google.protobuf.Int32Value` and the like: a scalar that may be null.
    Wrapper,
    /// `google.protobuf.Struct`: a JSON object.
    Struct,
    /// `google.protobuf.Value`: any JSON value.
    Value,
    /// `google.protobuf.ListValue`: a JSON list.
    ListValue,
    /// `google.type.Date`.
    Date,
    /// `google.type.TimeOfDay`.
    TimeOfDay,
    /// `confluent.type.Decimal`.
    Decimal,
    /// Debezium's struct of a scale and an unscaled value.
    VariableScaleDecimal,
}

impl WellKnown {
    /// Kind of the values; null if they have several.
    pub(super) const fn kind(self) -> ValueKind {
        match self {
            Self::Timestamp => ValueKind::TIMESTAMP,
            Self::Duration => ValueKind::INTERVAL,
            Self::Wrapper | Self::Value => ValueKind::NULL,
            Self::Struct => ValueKind::STRUCT,
            Self::ListValue => ValueKind::LIST,
            Self::Date => ValueKind::DATE,
            Self::TimeOfDay => ValueKind::TIME,
            Self::Decimal | Self::VariableScaleDecimal => ValueKind::DECIMAL,
        }
    }
}

/// Field numbers and kinds.
type Shape = [(u32, Kind)];

const SECONDS_AND_NANOS: &Shape = &[(1, Kind::Int64), (2, Kind::Int32)];
const THREE_NUMBERS: &Shape = &[(1, Kind::Int32), (2, Kind::Int32), (3, Kind::Int32)];
const FOUR_NUMBERS: &Shape = &[(1, Kind::Int32), (2, Kind::Int32), (3, Kind::Int32), (4, Kind::Int32)];
const DECIMAL: &Shape = &[(1, Kind::Bytes), (2, Kind::Uint32), (3, Kind::Int32)];
const SCALE_AND_VALUE: &Shape = &[(1, Kind::Int32), (2, Kind::Bytes)];

/// What a message stands for, by its name and fields: anybody may register a file of the same name with something else.
pub(super) fn of(message: &MessageDescriptor) -> Option<WellKnown> {
    let has_shape = |expected: &Shape| {
        message.fields().len() == expected.len()
            && expected.iter().all(|(number, kind)| {
                let field = message.get_field(*number);
                field.is_some_and(|field| field.kind() == *kind && is_single(&field))
            })
    };
    let (well_known, is_as_expected) = match message.full_name() {
        "google.protobuf.Timestamp" => (WellKnown::Timestamp, has_shape(SECONDS_AND_NANOS)),
        "google.protobuf.Duration" => (WellKnown::Duration, has_shape(SECONDS_AND_NANOS)),
        "google.type.Date" => (WellKnown::Date, has_shape(THREE_NUMBERS)),
        "google.type.TimeOfDay" => (WellKnown::TimeOfDay, has_shape(FOUR_NUMBERS)),
        "confluent.type.Decimal" => (WellKnown::Decimal, has_shape(DECIMAL)),
        "google.protobuf.Struct" => (WellKnown::Struct, is_json_struct(message)),
        "google.protobuf.Value" => (WellKnown::Value, is_json_value(message)),
        "google.protobuf.ListValue" => (WellKnown::ListValue, is_json_list(message)),
        "google.protobuf.DoubleValue" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Double)])),
        "google.protobuf.FloatValue" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Float)])),
        "google.protobuf.Int64Value" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Int64)])),
        "google.protobuf.UInt64Value" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Uint64)])),
        "google.protobuf.Int32Value" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Int32)])),
        "google.protobuf.UInt32Value" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Uint32)])),
        "google.protobuf.BoolValue" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Bool)])),
        "google.protobuf.StringValue" => (WellKnown::Wrapper, has_shape(&[(1, Kind::String)])),
        "google.protobuf.BytesValue" => (WellKnown::Wrapper, has_shape(&[(1, Kind::Bytes)])),
        // Confluent's converter nests the messages of structs in the message that has them.
        _ if message.name() == "VariableScaleDecimal" => {
            (WellKnown::VariableScaleDecimal, has_shape(SCALE_AND_VALUE))
        }
        _ => return None,
    };
    is_as_expected.then_some(well_known)
}

fn is_single(field: &FieldDescriptor) -> bool {
    field.cardinality() != Cardinality::Repeated
}

fn is_message(field: Option<FieldDescriptor>, name: &str) -> bool {
    field.is_some_and(|field| matches!(field.kind(), Kind::Message(message) if message.full_name() == name))
}

fn is_json_struct(message: &MessageDescriptor) -> bool {
    let field = message.get_field(1).filter(|field| field.is_map() && message.fields().len() == 1);
    let entry = field.and_then(|field| match field.kind() {
        Kind::Message(entry) => Some(entry),
        _ => None,
    });
    entry.is_some_and(|entry| {
        entry.get_field(1).is_some_and(|key| key.kind() == Kind::String)
            && is_message(entry.get_field(2), "google.protobuf.Value")
    })
}

fn is_json_list(message: &MessageDescriptor) -> bool {
    let field = message.get_field(1).filter(|field| !is_single(field) && message.fields().len() == 1);
    is_message(field, "google.protobuf.Value")
}

fn is_json_value(message: &MessageDescriptor) -> bool {
    let has = |number, kind: &Kind| message.get_field(number).is_some_and(|field| field.kind() == *kind);
    let is_null = message.get_field(1).is_some_and(|field| matches!(field.kind(), Kind::Enum(_)));
    message.fields().len() == 6
        && is_null
        && has(2, &Kind::Double)
        && has(3, &Kind::String)
        && has(4, &Kind::Bool)
        && is_message(message.get_field(5), "google.protobuf.Struct")
        && is_message(message.get_field(6), "google.protobuf.ListValue")
        && message.fields().all(|field| is_single(&field))
}

/// A parameter of Confluent's option `confluent.field_meta`, in which its converter keeps what Protobuf has no place for.
pub(super) fn parameter(field: &FieldDescriptor, name: &str) -> Option<String> {
    let extension = field.parent_pool().get_extension_by_name("confluent.field_meta")?;
    let options = field.options();
    let meta = options.get_extension(&extension);
    let parameters = meta.as_message()?.get_field_by_name("params")?;
    let parameters = parameters.as_map()?;
    let key = prost_reflect::MapKey::String(name.to_owned());
    parameters.get(&key).and_then(ProtoValue::as_str).map(str::to_owned)
}

impl<'b> Decoder<'b, '_> {
    /// Decodes a message that stands for a value.
    pub(super) fn well_known(
        &mut self,
        well_known: WellKnown,
        id: MessageId,
        source: Source<'b>,
        in_row: bool,
    ) -> Result<Value<'b>> {
        let value = match well_known {
            WellKnown::Timestamp => timestamp(self.integers(id, source)?),
            WellKnown::Duration => duration(self.integers(id, source)?),
            WellKnown::Date => date(self.integers(id, source)?),
            WellKnown::TimeOfDay => time_of_day(self.integers(id, source)?),
            WellKnown::Decimal => {
                let (unscaled, scale) = self.bytes_and_integer(id, source, 1, 3)?;
                return self.decimal(&source, unscaled, scale);
            }
            WellKnown::VariableScaleDecimal => {
                let (unscaled, scale) = self.bytes_and_integer(id, source, 2, 1)?;
                return self.decimal(&source, unscaled, scale);
            }
            WellKnown::Wrapper => return self.wrapper(id, source, in_row),
            WellKnown::Struct => return self.json_struct(source),
            WellKnown::Value => return self.json_value(source),
            WellKnown::ListValue => return self.json_list(source),
        };
        match value {
            Some(value) => Ok(value),
            None => self.plain(id, source, in_row),
        }
    }

    fn decimal(&mut self, source: &Source<'b>, unscaled: &'b [u8], scale: i64) -> Result<Value<'b>> {
        // An unset field has no bytes. Some serializers also encode zero this way.
        let unscaled = if unscaled.is_empty() { &[0] } else { unscaled };
        // Numbers of 32 bits are cut off as Protobuf's own readers do.
        self.convert_bytes(source, Scalar::Decimal(scale as i32), unscaled)
    }

    /// The only field of the message.
    fn wrapper(&mut self, id: MessageId, mut source: Source<'b>, in_row: bool) -> Result<Value<'b>> {
        let program = self.program;
        let message = &program.messages[id as usize];
        let Some((field, initial)) = message.fields.first().zip(message.initial.first()) else {
            return self.plain(id, source, in_row);
        };
        let mut value = initial.value();
        while !source.is_empty() {
            let tag = source.tag()?;
            if tag.number == 1 {
                value = self.value(field.ty, tag, &mut source, in_row)?;
            } else {
                self.unknown_field(message, tag, &mut source)?;
            }
        }
        Ok(value)
    }

    fn json_struct(&mut self, mut source: Source<'b>) -> Result<Value<'b>> {
        self.enter(&source, 0)?;
        let base = self.scratch.fields.len();
        while !source.is_empty() {
            let tag = source.tag()?;
            if (tag.number, tag.wire_type) != (1, WireType::Bytes) {
                source.skip(tag, self.max_depth)?;
                continue;
            }
            self.take_items(1, &source)?;
            let mut entry = source.nested()?;
            let (mut name, mut value) = ("", Value::NULL);
            while !entry.is_empty() {
                let tag = entry.tag()?;
                match (tag.number, tag.wire_type) {
                    (1, WireType::Bytes) => {
                        let text = entry.varint_bytes()?;
                        name = self.str(&entry, text)?;
                    }
                    (2, WireType::Bytes) => {
                        let nested = entry.nested()?;
                        value = self.json_value(nested).map_err(|error| error.inside(name))?;
                    }
                    _ => entry.skip(tag, self.max_depth)?,
                }
            }
            self.scratch.fields.push(Field::new(name, value));
        }
        self.bounds.leave();
        Ok(self.scratch.finish_fields(base, self.arena))
    }

    fn json_list(&mut self, mut source: Source<'b>) -> Result<Value<'b>> {
        self.enter(&source, 0)?;
        let base = self.scratch.values.len();
        while !source.is_empty() {
            let tag = source.tag()?;
            if (tag.number, tag.wire_type) != (1, WireType::Bytes) {
                source.skip(tag, self.max_depth)?;
                continue;
            }
            self.take_items(1, &source)?;
            let nested = source.nested()?;
            let index = self.scratch.values.len() - base;
            let value = self.json_value(nested).map_err(|error| error.inside_item(index))?;
            self.scratch.values.push(value);
        }
        self.bounds.leave();
        Ok(self.close_list(base))
    }

    /// A message with one field of several: the last one counts. Without any, it is null.
    fn json_value(&mut self, mut source: Source<'b>) -> Result<Value<'b>> {
        self.enter(&source, 0)?;
        let mut value = Value::NULL;
        while !source.is_empty() {
            let tag = source.tag()?;
            value = match (tag.number, tag.wire_type) {
                (1, WireType::Varint) => {
                    source.varint()?;
                    Value::NULL
                }
                (2, WireType::Fixed64) => Value::float(f64::from_le_bytes(source.array()?)),
                (3, WireType::Bytes) => self.value(Type::Text, tag, &mut source, false)?,
                (4, WireType::Varint) => Value::bool(source.varint()? != 0),
                (5, WireType::Bytes) => {
                    let nested = source.nested()?;
                    self.json_struct(nested)?
                }
                (6, WireType::Bytes) => {
                    let nested = source.nested()?;
                    self.json_list(nested)?
                }
                _ => {
                    source.skip(tag, self.max_depth)?;
                    value
                }
            };
        }
        self.bounds.leave();
        Ok(value)
    }

    /// The whole numbers in the fields 1 to `N`; 0 for one that is missing.
    fn integers<const N: usize>(&mut self, id: MessageId, mut source: Source<'b>) -> Result<[i64; N]> {
        let program = self.program;
        let message = &program.messages[id as usize];
        let mut numbers = [0; N];
        while !source.is_empty() {
            let tag = source.tag()?;
            let slot = (tag.number as usize).checked_sub(1).and_then(|slot| numbers.get_mut(slot));
            match slot {
                Some(slot) if tag.wire_type == WireType::Varint => *slot = source.varint()?.cast_signed(),
                Some(_) => {
                    let found = tag.wire_type.number();
                    return Err(source.error(Fault::FieldWireType { found, expected: "a whole number" }));
                }
                None => self.unknown_field(message, tag, &mut source)?,
            }
        }
        Ok(numbers)
    }

    /// The bytes in one field and the number in another. The precision of a decimal is not needed.
    fn bytes_and_integer(
        &mut self,
        id: MessageId,
        mut source: Source<'b>,
        bytes_at: u32,
        number_at: u32,
    ) -> Result<(&'b [u8], i64)> {
        let program = self.program;
        let message = &program.messages[id as usize];
        let (mut bytes, mut number): (&[u8], i64) = (&[], 0);
        while !source.is_empty() {
            let tag = source.tag()?;
            match (tag.number, tag.wire_type) {
                (at, WireType::Bytes) if at == bytes_at => bytes = source.varint_bytes()?,
                (at, WireType::Varint) if at == number_at => number = source.varint()?.cast_signed(),
                (2, WireType::Varint) if bytes_at == 1 => drop(source.varint()?),
                (at, wire_type) if at <= 3 => {
                    let found = wire_type.number();
                    return Err(source.error(Fault::FieldWireType { found, expected: "a decimal" }));
                }
                _ => self.unknown_field(message, tag, &mut source)?,
            }
        }
        Ok((bytes, number))
    }
}

fn nanoseconds(nanos: i64) -> Option<u32> {
    u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)
}

fn timestamp<'b>([seconds, nanos]: [i64; 2]) -> Option<Value<'b>> {
    let nanoseconds = nanoseconds(nanos)?;
    Some(Value::timestamp(Timestamp { seconds, nanoseconds, offset_seconds: Some(0) }))
}

/// Both parts have the same sign. An interval has no nanoseconds.
fn duration<'b>([seconds, nanos]: [i64; 2]) -> Option<Value<'b>> {
    if nanos % 1_000 != 0 || nanos.abs() >= 1_000_000_000 {
        return None;
    }
    let microseconds = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?;
    Some(Value::interval(Interval { months: 0, days: 0, microseconds }))
}

/// A date without a year, month or day has 0 there.
fn date<'b>([year, month, day]: [i64; 3]) -> Option<Value<'b>> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    let date = Date::from_civil(year, month, day);
    // The 30th of February would become a day in March.
    (date.civil() == (year, month, day)).then(|| Value::date(date))
}

/// From 00:00 to 24:00; a leap second stays a struct.
fn time_of_day<'b>([hours, minutes, seconds, nanos]: [i64; 4]) -> Option<Value<'b>> {
    let nanos = nanoseconds(nanos)?;
    let in_range = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    if !in_range && (hours, minutes, seconds, nanos) != (24, 0, 0, 0) {
        return None;
    }
    let seconds = u64::try_from(hours * 3_600 + minutes * 60 + seconds).ok()?;
    Some(Value::time(Time { nanoseconds: seconds * 1_000_000_000 + u64::from(nanos), offset_seconds: None }))
}
