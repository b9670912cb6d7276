//! Snowflake's column types: the type for a value, whether it fits, and its encoding in bound rows.
//!
//! ```text
//! schema field or value ── desired: the type of a new column
//! value, column's type  ── fit: fits, fits a wider type, or does not fit ── encode: its element ── cast: converts it back in SQL
//! ```
//!
//! An element is `null`, `true`, `false` or a JSON string, never a JSON number, because numbers may be rounded.

mod calendar;
mod declared;
mod desired;
mod encode;
mod fit;
mod show;
#[cfg(test)]
mod tests;

use std::fmt;

use tidegate_cdc::types::{Fit, MetadataKind};
use tidegate_plugin::{SchemaField, Timestamp, Value};

pub(crate) use show::kept_fraction;

/// Maximum precision of a NUMBER.
const MAX_PRECISION: u8 = 38;
/// Maximum scale of a NUMBER.
const MAX_SCALE: u8 = 37;
/// Digits of the largest number of 64 bits with a sign.
const COUNT_PRECISION: u8 = 19;

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// An exact number.
    Number {
        /// Total number of digits.
        precision: u8,
        /// Digits after the decimal point.
        scale: u8,
    },
    /// A binary floating point number.
    Float,
    /// True or false.
    Boolean,
    /// Text.
    Text {
        /// Maximum characters; none for the largest length.
        length: Option<u32>,
    },
    /// Bytes.
    Binary {
        /// Maximum bytes; none for the largest length.
        length: Option<u32>,
    },
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A local time without a zone.
    TimestampNtz,
    /// A point in time with its UTC offset.
    TimestampTz,
    /// A point in time, shown in the time zone of the reader's session.
    TimestampLtz,
    /// A JSON document.
    Variant,
    /// A type that the sink does not support, by name: only null fits.
    Other(String),
}

impl ColumnType {
    /// SQL that converts an element, such as `f.value[3]`, to this type.
    ///
    /// PostgreSQL's `json` can contain a key twice, of which the last one is used. `'d'` makes Snowflake do the same, which would
    /// otherwise fail. Text is cast without its length: a cast would truncate text that is too long, while the column rejects it.
    pub(crate) fn cast(&self, element: &str) -> String {
        match self {
            Self::Text { .. } => format!("{element}::VARCHAR"),
            Self::Binary { .. } => format!("TO_BINARY({element}::VARCHAR, 'BASE64')"),
            Self::Variant => format!("PARSE_JSON({element}::VARCHAR, 'd')"),
            Self::Other(name) => format!("CAST(NULL AS {name})"),
            _ => format!("{element}::{self}"),
        }
    }
}

impl fmt::Display for ColumnType {
    /// As in a column definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Number { precision, scale } => return write!(formatter, "NUMBER({precision},{scale})"),
            Self::Text { length: Some(length) } => return write!(formatter, "VARCHAR({length})"),
            Self::Binary { length: Some(length) } => return write!(formatter, "BINARY({length})"),
            Self::Float => "FLOAT",
            Self::Boolean => "BOOLEAN",
            Self::Text { length: None } => "VARCHAR",
            Self::Binary { length: None } => "BINARY",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::TimestampTz => "TIMESTAMP_TZ",
            Self::TimestampLtz => "TIMESTAMP_LTZ",
            Self::Variant => "VARIANT",
            Self::Other(name) => name,
        };
        formatter.write_str(name)
    }
}

impl tidegate_cdc::types::ColumnType for ColumnType {
    fn of_field(field: SchemaField<'_>) -> Self {
        desired::of_field(field)
    }

    fn of_value(value: Value<'_>) -> Option<Self> {
        desired::of_value(value)
    }

    fn of_kind(value: Value<'_>) -> Option<Self> {
        desired::of_kind(value)
    }

    fn join(&self, other: &Self) -> Self {
        desired::join(self, other)
    }

    fn fit(&self, value: Value<'_>) -> Fit<Self> {
        fit::fit(self, value)
    }

    fn write(&self, value: Value<'_>, out: &mut String) {
        encode::encode(self, value, out);
    }

    fn of_metadata(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text => Self::Text { length: None },
            MetadataKind::Time => Self::TimestampTz,
            MetadataKind::Count => Self::Number { precision: MAX_PRECISION, scale: 0 },
        }
    }

    fn can_be(&self, kind: MetadataKind) -> bool {
        match (self, kind) {
            (Self::Text { .. }, MetadataKind::Text) => true,
            (Self::TimestampTz | Self::TimestampLtz, MetadataKind::Time) => true,
            (Self::Number { scale: 0, precision }, MetadataKind::Count) => *precision >= COUNT_PRECISION,
            _ => false,
        }
    }

    fn document() -> Option<Self> {
        Some(Self::Variant)
    }

    fn is_supported(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    fn max_bytes(&self, of_row: usize) -> Option<usize> {
        // A BINARY has half of what a text has.
        matches!(self, Self::Binary { .. }).then_some(of_row / 2)
    }

    fn loses_offset(&self, timestamp: Timestamp) -> bool {
        encode::loses_offset(self, timestamp)
    }
}
