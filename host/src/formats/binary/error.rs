//! Why data of a binary format cannot be decoded.

use std::fmt;

use crate::formats::{json::BudgetExceeded, types::Mismatch};

/// Characters of a name in a path.
const MAX_NAME: usize = 64;

/// Why data cannot be decoded: what is wrong, where. Of the data itself, it has at most keys of maps.
#[derive(Debug, thiserror::Error)]
#[error("{}{fault} at byte {at}", InField(path))]
pub(crate) struct DataError {
    /// The field, such as `after.tags[2]`; empty for the value as a whole.
    path: String,
    /// Counted from the start of the data, behind the schema id and message indexes.
    at: usize,
    pub(crate) fault: Fault,
}

/// What is wrong with data.
#[derive(Debug)]
pub(crate) enum Fault {
    /// So many bytes are needed, so many are left.
    End {
        needed: u64,
        left: usize,
    },
    /// So many bytes follow the value.
    Trailing(usize),
    /// More than 10 bytes, or more than 64 bits.
    Varint,
    /// An int of more than 32 bits.
    Int,
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// A length or a count below 0.
    Negative(i64),
    /// A union has no such branch.
    Union {
        index: i64,
        branches: usize,
    },
    /// An enum has no such symbol.
    Enum {
        index: i64,
        symbols: usize,
    },
    Utf8,
    /// Protobuf: a field number of 0, or above 2^29 - 1.
    FieldNumber(u64),
    /// Protobuf: a wire type that does not exist.
    WireType(u8),
    /// Protobuf: a field that is encoded in another way than its type.
    FieldWireType {
        found: u8,
        expected: &'static str,
    },
    /// Protobuf: the end of a group that did not begin.
    GroupEnd,
    /// Protobuf: a required field is missing.
    Required(Box<str>),
    /// Too many levels.
    Depth(u32),
    /// Too many records and items of arrays and maps.
    Items(u64),
    /// The value is not what its schema says.
    Mismatch(Mismatch),
    /// The reader's schema cannot take the value.
    Incompatible(Box<str>),
    Budget(BudgetExceeded),
}

impl DataError {
    #[cold]
    pub(crate) fn new(fault: Fault, at: usize) -> Box<Self> {
        Box::new(Self { path: String::new(), at, fault })
    }

    /// The same error inside the field `name`.
    #[cold]
    pub(crate) fn inside(mut self: Box<Self>, name: &str) -> Box<Self> {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        // A key of a map is data: long ones are cut.
        let end = name.char_indices().nth(MAX_NAME).map_or(name.len(), |(at, _)| at);
        self.path.insert_str(0, dot);
        self.path.insert_str(0, &name[..end]);
        self
    }

    /// The same error inside an item of a list.
    #[cold]
    pub(crate) fn inside_item(self: Box<Self>, index: usize) -> Box<Self> {
        self.inside(&format!("[{index}]"))
    }

    pub(crate) const fn is_too_large(&self) -> bool {
        matches!(self.fault, Fault::Budget(_))
    }
}

/// A field's path in front of what is wrong with it.
struct InField<'p>(&'p str);

impl fmt::Display for InField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End { needed, left } => write!(f, "unexpected end: {needed} bytes expected, {left} left"),
            Self::Trailing(bytes) => write!(f, "unexpected data after the value, {bytes} bytes"),
            Self::Varint => f.write_str("a number of more than 64 bits"),
            Self::Int => f.write_str("an int of more than 32 bits"),
            Self::Boolean(byte) => write!(f, "a boolean that is neither 0 nor 1 but {byte}"),
            Self::Negative(length) => write!(f, "a negative length, {length}"),
            Self::Union { index, branches } => {
                write!(f, "union branch {index} is out of range (the union has {branches})")
            }
            Self::Enum { index, symbols } => {
                write!(f, "enum symbol {index} is out of range (the enum has {symbols})")
            }
            Self::Utf8 => f.write_str("invalid UTF-8"),
            Self::FieldNumber(number) => write!(f, "invalid field number {number}"),
            Self::WireType(wire_type) => write!(f, "invalid wire type {wire_type}"),
            Self::FieldWireType { found, expected } => {
                write!(f, "wire type {found} for a field of type {expected}")
            }
            Self::GroupEnd => f.write_str("end-group tag without a matching start-group tag"),
            Self::Required(name) => write!(f, "the required field {name:?} is missing"),
            Self::Depth(limit) => write!(f, "nested deeper than {limit} levels (source.max_depth)"),
            Self::Items(limit) => {
                write!(
                    f,
                    "more than {limit} records and items of arrays and maps in one value (source.max_items)"
                )
            }
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Incompatible(reason) => f.write_str(reason),
            Self::Budget(error) => error.fmt(f),
        }
    }
}
