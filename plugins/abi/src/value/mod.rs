//! Safe access to value trees, and functions to build them.

mod civil;
mod decimal;
mod json;
mod scan;
mod temporal;

use std::{fmt, marker::PhantomData, slice};

pub use decimal::Decimal;
pub use json::write_json_string;
#[cfg(feature = "host")]
pub use scan::plain_text_end;
pub use temporal::{Date, Interval, Time, Timestamp};

use crate::{
    arena::Arena,
    raw::{Bytes, FieldNode, Kind, Node, node_flags},
};

/// A typed value, borrowed from a batch for `'b`. Copying it copies 24 bytes, never the tree.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Value<'b>(Node, PhantomData<&'b [u8]>);

/// A named value in a struct.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Field<'b>(FieldNode, PhantomData<&'b [u8]>);

/// The content of a [`Value`], for `match`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ValueRef<'b> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A binary floating point number, including NaN and infinities.
    Float(f64),
    /// A number in JSON notation that no other kind represents exactly.
    Number(&'b str),
    /// A decimal number of arbitrary length.
    Decimal(Decimal<'b>),
    /// Text.
    String(&'b str),
    /// Bytes.
    Bytes(&'b [u8]),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A point in time, or a local time without a zone.
    Timestamp(Timestamp),
    /// An interval.
    Interval(Interval),
    /// A UUID, big-endian.
    Uuid([u8; 16]),
    /// The text of a JSON document, as stored in the source.
    Json(&'b str),
    /// A list.
    List(List<'b>),
    /// A struct: named values, in order.
    Struct(Struct<'b>),
    /// The source did not send the value. Leave the existing value unchanged.
    Unavailable,
    /// A kind that this build does not know.
    Unsupported(u8),
}

impl<'b> Value<'b> {
    /// Null.
    pub const NULL: Self = Self(Node::NULL, PhantomData);
    /// The source did not send the value. Leave the existing value unchanged.
    pub const UNAVAILABLE: Self = Self(Node::number(Kind::UNAVAILABLE, 0), PhantomData);

    /// Wraps a node.
    ///
    /// # Safety
    /// The node and all that it points to live, unchanged, for `'b`.
    #[must_use]
    #[inline]
    pub const unsafe fn from_node(node: Node) -> Self {
        Self(node, PhantomData)
    }

    /// The raw node.
    #[must_use]
    #[inline]
    pub const fn node(self) -> Node {
        self.0
    }

    /// Whether both are the same value in the same memory.
    #[must_use]
    pub fn is_same_node(self, other: &Self) -> bool {
        let parts = |node: &Node| (node.kind, node.flags, node.len, node.word0, node.word1);
        parts(&self.0) == parts(&other.0)
    }

    /// A boolean.
    #[must_use]
    #[inline]
    pub const fn bool(value: bool) -> Self {
        Self(Node::number(Kind::BOOL, value as u64), PhantomData)
    }

    /// An integer.
    #[must_use]
    #[inline]
    pub const fn int(value: i64) -> Self {
        Self(Node::number(Kind::INT, value.cast_unsigned()), PhantomData)
    }

    /// An unsigned integer; it has the kind of `i64` if it fits.
    #[must_use]
    #[inline]
    pub const fn uint(value: u64) -> Self {
        let kind = if value <= i64::MAX as u64 { Kind::INT } else { Kind::UINT };
        Self(Node::number(kind, value), PhantomData)
    }

    /// A floating point number.
    #[must_use]
    #[inline]
    pub const fn float(value: f64) -> Self {
        Self(Node::number(Kind::FLOAT, value.to_bits()), PhantomData)
    }

    /// A number in JSON notation, stored as text.
    #[must_use]
    #[inline]
    pub const fn number(text: &'b str) -> Self {
        Self::text(Kind::NUMBER, text)
    }

    /// Text.
    #[must_use]
    #[inline]
    pub const fn string(text: &'b str) -> Self {
        Self::text(Kind::STRING, text)
    }

    /// The text of a JSON document.
    #[must_use]
    #[inline]
    pub const fn json(text: &'b str) -> Self {
        Self::text(Kind::JSON, text)
    }

    /// Bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(bytes: &'b [u8]) -> Self {
        Self::pointer(Kind::BYTES, bytes.as_ptr(), bytes.len())
    }

    /// A decimal: `unscaled` is big-endian two's complement; the value is unscaled / 10^scale.
    #[must_use]
    #[inline]
    pub const fn decimal(unscaled: &'b [u8], scale: i32) -> Self {
        let mut value = Self::pointer(Kind::DECIMAL, unscaled.as_ptr(), unscaled.len());
        value.0.word1 = (scale as i64).cast_unsigned();
        value
    }

    /// A day.
    #[must_use]
    #[inline]
    pub const fn date(date: Date) -> Self {
        Self(Node::number(Kind::DATE, date.days.cast_unsigned()), PhantomData)
    }

    /// A time of day.
    #[must_use]
    #[inline]
    pub const fn time(time: Time) -> Self {
        Self(Node::number(Kind::TIME, time.nanoseconds), PhantomData).with_offset(time.offset_seconds)
    }

    /// A point in time, or a local time without a zone.
    #[must_use]
    #[inline]
    pub const fn timestamp(timestamp: Timestamp) -> Self {
        let mut node = Node::number(Kind::TIMESTAMP, timestamp.seconds.cast_unsigned());
        node.len = timestamp.nanoseconds;
        Self(node, PhantomData).with_offset(timestamp.offset_seconds)
    }

    /// An interval.
    #[must_use]
    #[inline]
    pub const fn interval(interval: Interval) -> Self {
        let mut node = Node::number(Kind::INTERVAL, (interval.days as i64).cast_unsigned());
        node.len = interval.months.cast_unsigned();
        node.word1 = interval.microseconds.cast_unsigned();
        Self(node, PhantomData)
    }

    /// A UUID.
    #[must_use]
    #[inline]
    pub const fn uuid(bytes: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(bytes);
        let mut node = Node::number(Kind::UUID, (bits >> 64) as u64);
        node.word1 = bits as u64;
        Self(node, PhantomData)
    }

    /// A list of items that are already in the arena.
    #[must_use]
    #[inline]
    pub const fn list(items: &'b [Value<'b>]) -> Self {
        Self::pointer(Kind::LIST, items.as_ptr().cast(), items.len())
    }

    /// A struct of fields that are already in the arena.
    #[must_use]
    #[inline]
    pub const fn object(fields: &'b [Field<'b>]) -> Self {
        Self::pointer(Kind::STRUCT, fields.as_ptr().cast(), fields.len())
    }

    #[inline]
    const fn text(kind: Kind, text: &'b str) -> Self {
        Self::pointer(kind, text.as_ptr(), text.len())
    }

    #[inline]
    const fn pointer(kind: Kind, pointer: *const u8, len: usize) -> Self {
        // 4 GiB is far above the largest record that Kafka carries.
        assert!(len <= u32::MAX as usize, "a value holds at most 4 GiB");
        Self(Node::pointer(kind, pointer, len as u32), PhantomData)
    }

    #[inline]
    const fn with_offset(mut self, offset: Option<i32>) -> Self {
        if let Some(seconds) = offset {
            self.0.flags |= node_flags::HAS_OFFSET;
            self.0.word1 = (seconds as i64).cast_unsigned();
        }
        self
    }

    /// The kind byte, also for kinds that this build does not know.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The content, for `match`.
    #[must_use]
    #[inline]
    pub fn view(&self) -> ValueRef<'b> {
        match self.0.kind {
            Kind::NULL => ValueRef::Null,
            Kind::BOOL => ValueRef::Bool(self.0.bits() != 0),
            Kind::INT => ValueRef::Int(self.0.bits().cast_signed()),
            Kind::UINT => ValueRef::UInt(self.0.bits()),
            Kind::FLOAT => ValueRef::Float(f64::from_bits(self.0.bits())),
            Kind::NUMBER => ValueRef::Number(self.raw_text()),
            Kind::DECIMAL => {
                ValueRef::Decimal(Decimal::new(self.raw_bytes(), self.0.word1.cast_signed() as i32))
            }
            Kind::STRING => ValueRef::String(self.raw_text()),
            Kind::BYTES => ValueRef::Bytes(self.raw_bytes()),
            Kind::DATE => ValueRef::Date(Date { days: self.0.bits().cast_signed() }),
            Kind::TIME => ValueRef::Time(Time { nanoseconds: self.0.bits(), offset_seconds: self.offset() }),
            Kind::TIMESTAMP => ValueRef::Timestamp(Timestamp {
                seconds: self.0.bits().cast_signed(),
                nanoseconds: self.0.len,
                offset_seconds: self.offset(),
            }),
            Kind::INTERVAL => ValueRef::Interval(Interval {
                months: self.0.len.cast_signed(),
                days: self.0.bits().cast_signed() as i32,
                microseconds: self.0.word1.cast_signed(),
            }),
            Kind::UUID => {
                ValueRef::Uuid(((u128::from(self.0.bits()) << 64) | u128::from(self.0.word1)).to_be_bytes())
            }
            Kind::JSON => ValueRef::Json(self.raw_text()),
            Kind::LIST => ValueRef::List(List(self.raw_items())),
            Kind::STRUCT => ValueRef::Struct(Struct(self.raw_items())),
            Kind::UNAVAILABLE => ValueRef::Unavailable,
            Kind(other) => ValueRef::Unsupported(other),
        }
    }

    #[inline]
    fn offset(&self) -> Option<i32> {
        (self.0.flags & node_flags::HAS_OFFSET != 0).then_some(self.0.word1.cast_signed() as i32)
    }

    #[inline]
    fn raw_items<T>(&self) -> &'b [T] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: only called for kinds whose payload is `len` items of `T` (see `Node`), alive for `'b`.
        unsafe { slice::from_raw_parts(self.0.word0.cast(), self.0.len as usize) }
    }

    #[inline]
    fn raw_bytes(&self) -> &'b [u8] {
        self.raw_items()
    }

    #[inline]
    fn raw_text(&self) -> &'b str {
        // SAFETY: only called for kinds whose payload is UTF-8 (see `Node`).
        unsafe { std::str::from_utf8_unchecked(self.raw_bytes()) }
    }

    /// Whether the value is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self) -> bool {
        self.0.kind == Kind::NULL
    }

    /// Whether the source did not send the value (an unchanged large value).
    #[must_use]
    #[inline]
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == Kind::UNAVAILABLE
    }

    /// The boolean, if the value is one.
    #[must_use]
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        if let ValueRef::Bool(value) = self.view() { Some(value) } else { None }
    }

    /// The integer, if the value is one that fits `i64`.
    #[must_use]
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        if self.0.kind == Kind::INT { Some(self.0.bits().cast_signed()) } else { None }
    }

    /// The integer, if the value is one that is not negative.
    #[must_use]
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        match self.view() {
            ValueRef::Int(value) => u64::try_from(value).ok(),
            ValueRef::UInt(value) => Some(value),
            _ => None,
        }
    }

    /// The number, rounded to the nearest float; `None` if the value is not a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.view() {
            ValueRef::Int(value) => Some(value as f64),
            ValueRef::UInt(value) => Some(value as f64),
            ValueRef::Float(value) => Some(value),
            ValueRef::Number(text) => text.parse().ok(),
            ValueRef::Decimal(decimal) => decimal.to_string().parse().ok(),
            _ => None,
        }
    }

    /// The string, if the value is one.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> Option<&'b str> {
        if self.0.kind == Kind::STRING { Some(self.raw_text()) } else { None }
    }

    /// The bytes, if the value is bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> Option<&'b [u8]> {
        if self.0.kind == Kind::BYTES { Some(self.raw_bytes()) } else { None }
    }

    /// The list, if the value is one.
    #[must_use]
    #[inline]
    pub fn as_list(&self) -> Option<List<'b>> {
        if self.0.kind == Kind::LIST { Some(List(self.raw_items())) } else { None }
    }

    /// The struct, if the value is one.
    #[must_use]
    #[inline]
    pub fn as_struct(&self) -> Option<Struct<'b>> {
        if self.0.kind == Kind::STRUCT { Some(Struct(self.raw_items())) } else { None }
    }

    /// The field `name` of a struct; `None` if there is no such field or the value is not a struct.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'b>> {
        self.as_struct()?.get(name)
    }

    /// The value at a path of field names, such as `["address", "city"]`.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<Value<'b>> {
        path.iter().try_fold(*self, |value, name| value.get(name))
    }
}

impl Default for Value<'_> {
    fn default() -> Self {
        Self::NULL
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(formatter)
    }
}

impl<'b> Field<'b> {
    /// A field whose name is already in the arena, or static.
    #[must_use]
    #[inline]
    pub const fn new(name: &'b str, value: Value<'b>) -> Self {
        assert!(name.len() <= u32::MAX as usize, "a name holds at most 4 GiB");
        let (pointer, len) = (name.as_ptr(), name.len() as u32);
        Self(FieldNode { name: pointer, name_len: len, reserved: 0, value: value.0 }, PhantomData)
    }

    /// Name.
    #[must_use]
    #[inline]
    pub const fn name(&self) -> &'b str {
        // SAFETY: created from a `&'b str` in `new`, on this side or the other.
        unsafe { Bytes::new(slice::from_raw_parts(self.0.name, self.0.name_len as usize)).text() }
    }

    /// Value.
    #[must_use]
    #[inline]
    pub const fn value(&self) -> Value<'b> {
        Value(self.0.value, PhantomData)
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?}", self.name(), self.value())
    }
}

/// A list of values.
#[derive(Clone, Copy, Debug)]
pub struct List<'b>(&'b [Value<'b>]);

impl<'b> List<'b> {
    /// The items.
    #[must_use]
    #[inline]
    pub const fn items(&self) -> &'b [Value<'b>] {
        self.0
    }

    /// Number of items.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the items.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'b>> + use<'b> {
        self.0.iter().copied()
    }
}

/// Named values, in the order of the source.
#[derive(Clone, Copy, Debug)]
pub struct Struct<'b>(&'b [Field<'b>]);

impl<'b> Struct<'b> {
    /// The struct without fields.
    pub const EMPTY: Self = Self(&[]);

    /// The fields.
    #[must_use]
    #[inline]
    pub const fn fields(&self) -> &'b [Field<'b>] {
        self.0
    }

    /// Number of fields.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The field `name`; the last one if the name occurs several times.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'b>> {
        self.0.iter().rev().find(|field| field.name() == name).map(Field::value)
    }

    /// Names and values, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b str, Value<'b>)> + use<'b> {
        self.0.iter().map(|field| (field.name(), field.value()))
    }

    /// The same struct with the field `name` set to `value`, in its place or at the end.
    #[must_use]
    pub fn with_field(&self, arena: Arena<'b>, name: &str, value: Value<'b>) -> Self {
        if self.get(name).is_some() {
            return self.map_field(arena, name, |_| value);
        }
        let new = Field::new(arena.str(name), value);
        let fields = (0..self.len() + 1).map(|index| self.0.get(index).copied().unwrap_or(new));
        Self(arena.collect(fields))
    }

    /// The same struct with the value of the field `name` replaced; without such a field, the same struct.
    #[must_use]
    pub fn map_field(&self, arena: Arena<'b>, name: &str, map: impl Fn(Value<'b>) -> Value<'b>) -> Self {
        if self.get(name).is_none() {
            return *self;
        }
        Self(arena.collect(self.0.iter().map(|field| match field.name() == name {
            true => Field::new(field.name(), map(field.value())),
            false => *field,
        })))
    }

    /// The same struct without the field `name`.
    #[must_use]
    pub fn without_field(&self, arena: Arena<'b>, name: &str) -> Self {
        Self(arena.filter(self.0, |field| field.name() != name))
    }

    /// The same struct as a value.
    #[must_use]
    pub const fn to_value(self) -> Value<'b> {
        Value::object(self.0)
    }
}
