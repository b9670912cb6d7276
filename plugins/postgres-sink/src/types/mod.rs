//! PostgreSQL's column types: the type for a value, whether it fits, and its text in loaded rows.
//!
//! ```text
//! schema field or value ── desired: the type of a new column
//! value, column's type  ── fit: fits, fits a wider type, or does not fit ── write: its text for COPY
//! ```

mod array;
mod desired;
mod fit;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use parse::kept_fraction;

use std::fmt;

use tidegate_cdc::types::{Fit, MetadataKind};
use tidegate_plugin::{SchemaField, Value};

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// A whole number of 16 bits.
    SmallInt,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInt,
    /// An exact number: its precision and scale, or of any size.
    Numeric(Option<(u16, u16)>),
    /// A binary floating point number of 32 bits.
    Real,
    /// A binary floating point number of 64 bits.
    Double,
    /// True or false.
    Boolean,
    /// Text, and its maximum characters.
    Text(Option<u32>),
    /// Bytes.
    Bytea,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A time of day with a UTC offset.
    TimeTz,
    /// A local time without a zone.
    Timestamp,
    /// A point in time.
    TimestampTz,
    /// An interval.
    Interval,
    /// A UUID.
    Uuid,
    /// The text of a JSON document.
    Json,
    /// A JSON document.
    Jsonb,
    /// An array with elements of a type, in any number of dimensions.
    Array(Box<ColumnType>),
    /// Another type, as in a definition: it is given the text of a value, and decides whether it accepts it.
    Native(String),
}

impl ColumnType {
    /// The type of the column in the temporary table that rows are loaded into. Text has no length there, because the column of
    /// the table rejects longer texts, and blanks at the end would be cut.
    pub(crate) fn loaded(&self) -> String {
        match self {
            Self::Text(_) => "text".to_owned(),
            Self::Array(element) => format!("{}[]", element.loaded()),
            kind => kind.to_string(),
        }
    }
}

impl fmt::Display for ColumnType {
    /// As in a column definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Numeric(Some((precision, scale))) => {
                return write!(formatter, "numeric({precision},{scale})");
            }
            Self::Text(Some(length)) => return write!(formatter, "varchar({length})"),
            Self::SmallInt => "smallint",
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Numeric(None) => "numeric",
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Boolean => "boolean",
            Self::Text(None) => "text",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::TimeTz => "timetz",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Array(element) => return write!(formatter, "{element}[]"),
            Self::Native(name) => name,
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
        write::write(self, value, out);
    }

    fn of_metadata(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text => Self::Text(None),
            MetadataKind::Time => Self::TimestampTz,
            MetadataKind::Count => Self::BigInt,
        }
    }

    fn can_be(&self, kind: MetadataKind) -> bool {
        matches!(
            (self, kind),
            (Self::Text(_), MetadataKind::Text)
                | (Self::TimestampTz, MetadataKind::Time)
                | (Self::BigInt | Self::Numeric(None), MetadataKind::Count)
        )
    }

    fn document() -> Option<Self> {
        Some(Self::Jsonb)
    }

    fn is_supported(&self) -> bool {
        true
    }
}
