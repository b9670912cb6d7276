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
mod digits;
mod encode;
mod fit;
mod number;
mod show;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use encode::{has_nested_placeholder, loses_fraction, loses_offset};
pub(crate) use fit::Fit;
pub(crate) use show::kept_fraction;

/// Maximum precision of a NUMBER.
const MAX_PRECISION: u8 = 38;
/// Maximum scale of a NUMBER.
const MAX_SCALE: u8 = 37;

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
