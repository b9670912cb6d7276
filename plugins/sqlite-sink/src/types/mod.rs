//! SQLite's column types: the type for a value, whether it fits, and its encoding in bound rows.
//!
//! ```text
//! schema field or value ── desired: the type of a new column
//! declared type of a column ── declared: its affinity ── fit: fits or does not fit ── encode: its element ── element: SQL that reads it
//! ```
//!
//! SQLite stores any value in any column, but a column's affinity, which follows from its declared type, converts some of them: in a
//! column `DECIMAL(20,2)`, the text `12345678901234567.89` becomes a rounded float. Values that a column would change do not fit.

mod declared;
mod desired;
mod encode;
mod fit;
#[cfg(test)]
mod tests;

use std::fmt;

use tidegate_cdc::types::{Fit, MetadataKind};
use tidegate_plugin::{SchemaField, Value};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// A whole number of up to 64 bits with a sign.
    Integer,
    /// A binary floating point number.
    Real,
    /// True or false, as 1 and 0.
    Boolean,
    /// Text of any length. Dates, times and exact decimals are text, too.
    Text,
    /// A JSON document, as text.
    Json,
    /// Bytes.
    Blob,
    /// A column of the user's with the affinity NUMERIC, such as `DECIMAL(10,2)` or `DATETIME`: text that looks like a number becomes
    /// one.
    Numeric,
    /// A column of the user's without a type, which changes no value.
    Any,
}

impl ColumnType {
    /// SQL that reads element `index` of a row `r`.
    pub(crate) fn element(self, index: usize) -> String {
        match self {
            Self::Blob => format!("unhex(r.value ->> {index})"),
            _ => format!("r.value ->> {index}"),
        }
    }
}

impl fmt::Display for ColumnType {
    /// As in a column definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Boolean => "BOOLEAN",
            Self::Text => "TEXT",
            Self::Json => declared::JSON,
            Self::Blob => "BLOB",
            Self::Numeric => "NUMERIC",
            Self::Any => "ANY",
        })
    }
}

impl tidegate_cdc::types::ColumnType for ColumnType {
    fn of_field(field: SchemaField<'_>) -> Self {
        desired::of_declared(field.kind(), field.precision(), field.scale())
    }

    fn of_value(value: Value<'_>) -> Option<Self> {
        desired::of_value(value)
    }

    fn of_kind(value: Value<'_>) -> Option<Self> {
        desired::of_kind(value)
    }

    fn join(&self, other: &Self) -> Self {
        desired::join(*self, *other)
    }

    fn fit(&self, value: Value<'_>) -> Fit<Self> {
        // SQLite cannot change the type of a column, so there is none that could be widened.
        if fit::fits(*self, value) { Fit::Fits } else { Fit::Mismatch }
    }

    fn write(&self, value: Value<'_>, out: &mut String) {
        encode::encode(*self, value, out);
    }

    fn of_metadata(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text | MetadataKind::Time => Self::Text,
            MetadataKind::Count => Self::Integer,
        }
    }

    fn can_be(&self, kind: MetadataKind) -> bool {
        match kind {
            MetadataKind::Text | MetadataKind::Time => *self == Self::Text,
            MetadataKind::Count => *self == Self::Integer,
        }
    }

    fn document() -> Option<Self> {
        Some(Self::Json)
    }

    fn is_supported(&self) -> bool {
        true
    }

    fn max_bytes(&self, of_row: usize) -> Option<usize> {
        // Bytes are sent in hexadecimal.
        (*self == Self::Blob).then_some(of_row / 2)
    }
}
