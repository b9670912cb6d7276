//! Types of columns, and what decides which values fit them exactly.

pub mod digits;
pub mod number;

use std::fmt::{Debug, Display};

use tidegate_plugin::{SchemaField, Timestamp, Value, ValueRef};

/// The type of a column in a database.
///
/// `Display` writes it as in a column definition.
pub trait ColumnType: Clone + Debug + Display + Eq + 'static {
    /// The type for the values of a field of a schema.
    fn of_field(field: SchemaField<'_>) -> Self;

    /// The type for a value without a schema; none if the value has no type.
    fn of_value(value: Value<'_>) -> Option<Self>;

    /// The type for a kind of value, even if the value is out of range; none if a value of this kind can be of several types. JSON
    /// has neither dates nor times, so the type of such a column is known from a hint.
    fn of_kind(value: Value<'_>) -> Option<Self>;

    /// Combines the inferred type of a new column with the type `other` of a value that does not fit. Earlier values are checked
    /// again. Each step must lead to a wider type, of which there are few.
    #[must_use]
    fn join(&self, other: &Self) -> Self;

    /// Whether a column of this type can hold a value without loss. Null and unavailable values fit any type.
    fn fit(&self, value: Value<'_>) -> Fit<Self>;

    /// Appends a value that fits as an element of a row, in the format of the dialect. Unavailable values become null.
    fn write(&self, value: Value<'_>, out: &mut String);

    /// The type of a metadata column.
    fn of_metadata(kind: MetadataKind) -> Self;

    /// Whether a column of this type, which exists, can be a metadata column of this kind.
    fn can_be(&self, kind: MetadataKind) -> bool;

    /// The type of a fallback column for documents of any kind; none if the database has no such type.
    fn document() -> Option<Self>;

    /// Whether the sink can write a column of this type.
    fn is_supported(&self) -> bool;

    /// Maximum bytes of a value of this type, of those that a row may have; `None` if the type has no limit of its own.
    fn max_bytes(&self, _of_row: usize) -> Option<usize> {
        None
    }

    /// Whether a column of this type changes the UTC offset of a timestamp, but not the point in time.
    fn loses_offset(&self, _timestamp: Timestamp) -> bool {
        false
    }
}

/// What a metadata column contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetadataKind {
    /// Text of any length.
    Text,
    /// A point in time.
    Time,
    /// A whole number of up to 64 bits.
    Count,
}

/// Whether a value fits a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit<T> {
    /// It fits.
    Fits,
    /// It fits if the column is widened to this type.
    Widens(T),
    /// It does not fit, and the database cannot widen the column.
    Mismatch,
}

/// Whether a time or a timestamp has more fractional digits of a second than a column.
#[must_use]
pub fn loses_fraction(kept: u8, value: ValueRef<'_>) -> bool {
    let nanoseconds = match value {
        ValueRef::Time(time) => time.nanoseconds,
        ValueRef::Timestamp(timestamp) => timestamp.nanoseconds.into(),
        _ => return false,
    };
    !nanoseconds.is_multiple_of(10_u64.pow(9_u32.saturating_sub(kept.into())))
}

/// Whether a list or a struct contains an unavailable value.
#[must_use]
pub fn has_nested_placeholder(value: Value<'_>) -> bool {
    match value.view() {
        ValueRef::Unavailable => true,
        ValueRef::List(list) => list.iter().any(has_nested_placeholder),
        ValueRef::Struct(row) => row.iter().any(|(_, value)| has_nested_placeholder(value)),
        _ => false,
    }
}
