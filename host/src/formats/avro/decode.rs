//! Executes a program: Avro data to values in a batch's arena.

use tidegate_abi::{Arena, Date, Field, Interval, Timestamp, Value};

use super::{
    program::{Program, RecordId, RecordType, Step, Symbol, Type},
    skip::skip,
};
use crate::formats::{
    binary::{Bounds, DataError, DecodeLimits, Fault, Source, widen},
    json::{InvalidUnicode, Scratch},
    read::Read,
    types::{
        ArenaStore, Mismatch, Scalar, Unavailable, Unit, convert, convert_bytes, parse_uuid,
        unscaled_of_bytes,
    },
};

type Result<T> = std::result::Result<T, Box<DataError>>;

/// How a value is encoded whose schema is just `bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RootBytes {
    /// Behind their length, as Avro says.
    Sized,
    /// As all of the data: Confluent's serializers write them so.
    Raw,
}

/// Decodes `data`. Text and bytes point into it.
///
/// # Errors
/// When it is not of the program's schema.
#[inline]
pub(crate) fn decode<'b>(
    program: &'b Program<'b>,
    data: &'b [u8],
    root_bytes: RootBytes,
    limits: DecodeLimits,
    arena: Arena<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Read<'b>> {
    let (fields, values) = (scratch.fields.len(), scratch.values.len());
    let mut decoder =
        Decoder { source: Source::new(data), program, arena, scratch, bounds: Bounds::new(limits) };
    let decoded = match program.root {
        Type::Bytes | Type::BytesAs(_) if root_bytes == RootBytes::Raw => {
            decoder.raw_root(&program.root, data)
        }
        _ => decoder.value(&program.root, false),
    };
    let decoded = decoded.and_then(|value| {
        decoder.source.end()?;
        Ok(value)
    });
    // Fields and items that an invalid value has left behind.
    scratch.fields.truncate(fields);
    scratch.values.truncate(values);
    Ok(Read {
        value: decoded?,
        typed: true,
        is_text: false,
        schema: program.schema,
        unknown: &program.unknown,
    })
}

struct Decoder<'b, 's> {
    source: Source<'b>,
    program: &'b Program<'b>,
    arena: Arena<'b>,
    scratch: &'s mut Scratch<'b>,
    bounds: Bounds,
}

impl<'b> Decoder<'b, '_> {
    #[cold]
    fn raw_root(&mut self, ty: &Type<'_>, data: &'b [u8]) -> Result<Value<'b>> {
        let bytes = self.source.take(data.len())?;
        match ty {
            Type::BytesAs(scalar) => self.convert_bytes(*scalar, bytes, false),
            _ => Ok(Value::bytes(bytes)),
        }
    }

    /// Decodes a value. In a row of a change event, placeholders for unavailable values are recognised.
    ///
    /// Types that contain others are decoded here, all others in [`Self::leaf`]: what recursion needs of the stack stays small.
    fn value(&mut self, ty: &Type<'b>, in_row: bool) -> Result<Value<'b>> {
        match ty {
            Type::Optional { null_at, some } => match self.source.long()? {
                index if index == i64::from(*null_at) => Ok(Value::NULL),
                0 | 1 => self.value(some, in_row),
                index => Err(self.source.error(Fault::Union { index, branches: 2 })),
            },
            Type::Record(id) => self.record(*id, in_row),
            Type::List(item) => self.list(item, in_row),
            Type::Map(values) => self.map(values, in_row),
            Type::Entries { record, is_object } => self.entries(*record, *is_object, in_row),
            Type::Union(branches) => {
                let index = self.source.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                match branch {
                    Some(branch) => self.value(branch, in_row),
                    None => Err(self.source.error(Fault::Union { index, branches: branches.len() })),
                }
            }
            leaf => self.leaf(leaf, in_row),
        }
    }

    /// Decodes a value that contains no others.
    fn leaf(&mut self, ty: &Type<'b>, in_row: bool) -> Result<Value<'b>> {
        Ok(match ty {
            Type::Int => Value::int(self.source.int()?),
            Type::Long => Value::int(self.source.long()?),
            Type::Text => self.text(in_row)?,
            Type::Boolean => Value::bool(self.source.boolean()?),
            Type::Double => Value::float(f64::from_le_bytes(self.source.array()?)),
            Type::Float => Value::float(widen(f32::from_le_bytes(self.source.array()?))),
            Type::LongAs(scalar) => {
                let number = self.source.long()?;
                self.convert(*scalar, Value::int(number))?
            }
            Type::IntAs(scalar) => {
                let number = self.source.int()?;
                self.convert(*scalar, Value::int(number))?
            }
            Type::TextAs(scalar) => match self.text(in_row)? {
                value if value.is_unavailable() => value,
                value => self.convert(*scalar, value)?,
            },
            Type::Document => match self.text(in_row)? {
                value if in_row && !value.is_unavailable() => self.convert(Scalar::Json, value)?,
                value => value,
            },
            Type::Bytes | Type::TextAsBytes => {
                bytes_value(self.source.long_bytes()?, in_row, &self.scratch.unavailable)
            }
            Type::BytesAs(scalar) => {
                let bytes = self.source.long_bytes()?;
                self.convert_bytes(*scalar, bytes, in_row)?
            }
            Type::Fixed(size) => Value::bytes(self.source.take(*size)?),
            Type::FixedAs(size, scalar) => {
                let bytes = self.source.take(*size)?;
                self.convert_bytes(*scalar, bytes, in_row)?
            }
            Type::Enum(symbols) => self.symbol(symbols)?,
            Type::Date => temporal(ty, self.source.int()?),
            Type::Timestamp { .. } => temporal(ty, self.source.long()?),
            Type::UuidText => match self.text(in_row)? {
                value if value.is_unavailable() => value,
                value => uuid_or_text(value.as_str().unwrap_or_default()),
            },
            Type::Uuid => Value::uuid(self.source.array()?),
            Type::Duration => {
                let bytes = self.source.take(12)?;
                // Exactly 12 bytes were taken.
                bytes.try_into().map_or(Value::bytes(bytes), duration)
            }
            Type::IntAsFloat => Value::float(self.source.int()? as f64),
            Type::LongAsFloat => Value::float(self.source.long()? as f64),
            Type::BytesAsText => self.text(in_row)?,
            Type::VariableScaleDecimal(id) => self.variable_scale(*id)?,
            Type::Incompatible(reason) => {
                return Err(self.source.error(Fault::Incompatible((*reason).into())));
            }
            // All but null are decoded by `value`.
            Type::Null
            | Type::Optional { .. }
            | Type::Union(_)
            | Type::Record(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Entries { .. } => Value::NULL,
        })
    }

    #[inline]
    fn text(&mut self, in_row: bool) -> Result<Value<'b>> {
        let text = self.str()?;
        if in_row && self.scratch.unavailable.is_text(text) {
            return Ok(Value::UNAVAILABLE);
        }
        Ok(Value::string(text))
    }

    #[inline]
    fn str(&mut self) -> Result<&'b str> {
        let bytes = self.source.long_bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => self.invalid(bytes),
        }
    }

    #[cold]
    fn invalid(&mut self, bytes: &'b [u8]) -> Result<&'b str> {
        if self.scratch.invalid_unicode == InvalidUnicode::Reject {
            return Err(self.source.error(Fault::Utf8));
        }
        let replaced = self.scratch.replace_invalid(bytes, self.arena);
        replaced.map_err(|error| self.source.error(Fault::Budget(error)))
    }

    fn record(&mut self, id: RecordId, in_row: bool) -> Result<Value<'b>> {
        let program = self.program;
        let record = &program.records[id as usize];
        self.open(record.width)?;
        let in_row = in_row || record.is_row;
        let base = self.scratch.fields.len();
        if record.is_plain {
            for step in &record.steps {
                let Step::Read { name, ty, is_row, .. } = step else { continue };
                let value = self.value(ty, in_row || *is_row).map_err(|error| error.inside(name))?;
                self.scratch.fields.push(Field::new(name, value));
            }
        } else {
            self.resolved(record, base, in_row)?;
        }
        let object = self.arena.object(&self.scratch.fields[base..]);
        self.scratch.fields.truncate(base);
        self.bounds.leave();
        Ok(object)
    }

    /// Reads the fields of a record in the writer's order, and puts them where the reader has them.
    fn resolved(&mut self, record: &RecordType<'b>, base: usize, in_row: bool) -> Result<()> {
        self.scratch.fields.resize(base + record.width, Field::new("", Value::NULL));
        for (slot, name, value) in &record.defaults {
            self.scratch.fields[base + *slot as usize] = Field::new(name, *value);
        }
        for step in &record.steps {
            match step {
                Step::Read { name, slot, ty, is_row } => {
                    let value = self.value(ty, in_row || *is_row).map_err(|error| error.inside(name))?;
                    self.scratch.fields[base + *slot as usize] = Field::new(name, value);
                }
                Step::Skip(ty) => skip(self.program, ty, &mut self.source, &mut self.bounds)?,
            }
        }
        Ok(())
    }

    /// Enters a record with so many fields, a list or a map.
    #[inline]
    fn open(&mut self, fields: usize) -> Result<()> {
        self.bounds.enter().map_err(|fault| self.source.error(fault))?;
        match self.scratch.budget.take_fields(fields) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.source.error(Fault::Budget(error))),
        }
    }

    fn list(&mut self, item: &Type<'b>, in_row: bool) -> Result<Value<'b>> {
        self.open(0)?;
        let base = self.scratch.values.len();
        self.blocks(|decoder| {
            let index = decoder.scratch.values.len() - base;
            let value = decoder.value(item, in_row).map_err(|error| error.inside_item(index))?;
            decoder.scratch.values.push(value);
            Ok(())
        })?;
        self.bounds.leave();
        let list = self.close_list(base);
        let is_placeholder =
            in_row && list.as_list().is_some_and(|list| self.scratch.unavailable.is_list(list));
        Ok(if is_placeholder { Value::UNAVAILABLE } else { list })
    }

    fn close_list(&mut self, base: usize) -> Value<'b> {
        let list = self.arena.list(&self.scratch.values[base..]);
        self.scratch.values.truncate(base);
        list
    }

    fn map(&mut self, values: &Type<'b>, in_row: bool) -> Result<Value<'b>> {
        self.open(0)?;
        let base = self.scratch.fields.len();
        self.blocks(|decoder| {
            let name = decoder.str()?;
            let value = decoder.value(values, in_row).map_err(|error| error.inside(name))?;
            decoder.scratch.fields.push(Field::new(name, value));
            Ok(())
        })?;
        Ok(self.close_map(base, in_row))
    }

    fn close_map(&mut self, base: usize, in_row: bool) -> Value<'b> {
        self.bounds.leave();
        let object = self.scratch.finish_fields(base, self.arena);
        let is_placeholder =
            in_row && object.as_struct().is_some_and(|map| self.scratch.unavailable.is_struct(map));
        if is_placeholder { Value::UNAVAILABLE } else { object }
    }

    /// Connect's list of the entries of a map: a struct if the keys are text, else a list of pairs.
    fn entries(&mut self, record: RecordId, is_object: bool, in_row: bool) -> Result<Value<'b>> {
        self.open(0)?;
        if is_object {
            let base = self.scratch.fields.len();
            self.blocks(|decoder| {
                let [key, value] = decoder.entry(record, in_row)?;
                decoder.scratch.fields.push(Field::new(key.as_str().unwrap_or("null"), value));
                Ok(())
            })?;
            return Ok(self.close_map(base, in_row));
        }
        let base = self.scratch.values.len();
        self.blocks(|decoder| {
            let pair = decoder.entry(record, in_row)?;
            let pair = decoder.arena.list(&pair);
            decoder.scratch.values.push(pair);
            Ok(())
        })?;
        self.bounds.leave();
        Ok(self.close_list(base))
    }

    fn entry(&mut self, record: RecordId, in_row: bool) -> Result<[Value<'b>; 2]> {
        let entry = self.record(record, in_row)?;
        let fields = entry.as_struct().map(|entry| entry.fields()).unwrap_or_default();
        let field = |index: usize| fields.get(index).map(Field::value).unwrap_or_default();
        Ok([field(0), field(1)])
    }

    /// Calls `read` for each item of an array or a map.
    fn blocks(&mut self, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let (count, _) = self.source.block()?;
            if count == 0 {
                return Ok(());
            }
            self.bounds.take(count).map_err(|fault| self.source.error(fault))?;
            for _ in 0..count {
                if let Err(error) = self.scratch.budget.take_items(1) {
                    return Err(self.source.error(Fault::Budget(error)));
                }
                read(self)?;
            }
        }
    }

    fn symbol(&mut self, symbols: &[Symbol<'b>]) -> Result<Value<'b>> {
        let index = self.source.int()?;
        match usize::try_from(index).ok().and_then(|index| symbols.get(index)) {
            Some(Symbol::Known(symbol)) => Ok(Value::string(symbol)),
            Some(Symbol::Incompatible(reason)) => {
                Err(self.source.error(Fault::Incompatible((*reason).into())))
            }
            None => Err(self.source.error(Fault::Enum { index, symbols: symbols.len() })),
        }
    }

    fn variable_scale(&mut self, id: RecordId) -> Result<Value<'b>> {
        let value = self.record(id, false)?;
        let scale =
            value.get("scale").and_then(|scale| scale.as_i64()).and_then(|scale| scale.try_into().ok());
        let unscaled = value.get("value").and_then(|value| value.as_bytes()).and_then(unscaled_of_bytes);
        match (scale, unscaled) {
            (Some(scale), Some(unscaled)) => Ok(Value::decimal(unscaled, scale)),
            _ => Err(self.mismatch(Mismatch::of("a record of scale and bytes", &value))),
        }
    }

    #[inline]
    fn convert(&mut self, scalar: Scalar, value: Value<'b>) -> Result<Value<'b>> {
        let mut store = ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes };
        convert(scalar, value, &mut store).map_err(|mismatch| self.mismatch(*mismatch))
    }

    fn convert_bytes(&mut self, scalar: Scalar, bytes: &'b [u8], in_row: bool) -> Result<Value<'b>> {
        if in_row && self.scratch.unavailable.is_bytes(bytes) {
            return Ok(Value::UNAVAILABLE);
        }
        if let Scalar::Bits(Some(length)) = scalar
            && let Err(error) = self.scratch.budget.take(length as usize, "the zeros of its bit strings")
        {
            return Err(self.source.error(Fault::Budget(error)));
        }
        let mut store = ArenaStore { arena: self.arena, buffer: &mut self.scratch.bytes };
        convert_bytes(scalar, bytes, &mut store)
            .ok_or_else(|| self.mismatch(Mismatch::new("the bytes of a number", "none")))
    }

    #[cold]
    fn mismatch(&self, mismatch: Mismatch) -> Box<DataError> {
        self.source.error(Fault::Mismatch(mismatch))
    }
}

#[inline]
fn bytes_value<'b>(bytes: &'b [u8], in_row: bool, unavailable: &Unavailable) -> Value<'b> {
    if in_row && unavailable.is_bytes(bytes) { Value::UNAVAILABLE } else { Value::bytes(bytes) }
}

/// A date or a timestamp from its count.
pub(super) fn temporal<'b>(ty: &Type<'_>, count: i64) -> Value<'b> {
    match ty {
        Type::Timestamp { unit, is_utc } => {
            let offset = is_utc.then_some(0);
            Value::timestamp(Timestamp::from_parts(count, unit.per_second(), offset))
        }
        _ => Value::date(Date { days: count }),
    }
}

/// Text that is no UUID stays text.
pub(super) fn uuid_or_text(text: &str) -> Value<'_> {
    parse_uuid(text).map_or(Value::string(text), Value::uuid)
}

/// Months, days and milliseconds, each of 32 bits without a sign. More than an interval holds stays as it is.
pub(super) fn duration(bytes: &[u8; 12]) -> Value<'_> {
    let part = |at: usize| {
        bytes.get(at..at + 4).and_then(<[u8]>::first_chunk).map_or(0, |part| u32::from_le_bytes(*part))
    };
    match (i32::try_from(part(0)), i32::try_from(part(4))) {
        (Ok(months), Ok(days)) => {
            let microseconds = i64::from(part(8)) * (1_000_000 / Unit::Millis.per_second());
            Value::interval(Interval { months, days, microseconds })
        }
        _ => Value::bytes(bytes),
    }
}
