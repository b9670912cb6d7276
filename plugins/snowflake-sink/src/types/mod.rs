//! Snowflake's column types: which one a value wants, whether it fits, and its text in the rows that are bound.
//!
//! ```text
//! schema field or value ── desired: the type of a new column
//! value, column's type  ── fit: fits, fits a wider one, or not at all ── encode: its element ── cast: back, in SQL
//! ```
//!
//! An element is `null`, `true`, `false` or a JSON string, never a JSON number: what reads those may round them.

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

/// Most digits of a NUMBER.
const MAX_PRECISION: u8 = 38;
/// Most digits behind the point of a NUMBER.
const MAX_SCALE: u8 = 37;

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// An exact number.
    Number {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A binary floating point number.
    Float,
    /// True or false.
    Boolean,
    /// Text.
    Text {
        /// Most characters; none for the largest that there is.
        length: Option<u32>,
    },
    /// Bytes.
    Binary {
        /// Most bytes; none for the largest that there is.
        length: Option<u32>,
    },
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// What a wall clock shows.
    TimestampNtz,
    /// A point in time, and the offset that it was written with.
    TimestampTz,
    /// A point in time, shown in the time zone of whoever reads it.
    TimestampLtz,
    /// A JSON document.
    Variant,
    /// One that the sink does not write, by its name: nothing but null fits.
    Other(String),
}

impl ColumnType {
    /// SQL that turns an element, such as `f.value[3]`, into this type.
    ///
    /// PostgreSQL's `json` may hold a key twice, of which the last one counts: `'d'` says the same to Snowflake, which would
    /// refuse it otherwise. Text is cast without its length: a cast would cut what is too long, where the column refuses it.
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
    /// As a column is declared.
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
