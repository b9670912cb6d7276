//! User-configured types of columns, for formats that do not carry them: `[source.columns]`.

use serde::{Deserialize, Serialize};

use crate::formats::types::{Scalar, Unit};

/// The type of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ColumnHint {
    /// A decimal with `scale` digits after the point: base64 of the unscaled value, a number, or text with a point.
    Decimal {
        /// Digits after the point.
        scale: i32,
    },
    /// A whole number of 64 bits, with or without a sign.
    Integer,
    /// A floating point number.
    Float,
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since midnight.
    TimeMillis,
    /// Microseconds since midnight.
    TimeMicros,
    /// Nanoseconds since midnight.
    TimeNanos,
    /// Seconds since 1970-01-01T00:00:00.
    TimestampSeconds,
    /// Milliseconds since 1970-01-01T00:00:00.
    TimestampMillis,
    /// Microseconds since 1970-01-01T00:00:00.
    TimestampMicros,
    /// Nanoseconds since 1970-01-01T00:00:00.
    TimestampNanos,
    /// ISO 8601 date.
    IsoDate,
    /// ISO 8601 time of day, without an offset or with the offset 0.
    IsoTime,
    /// ISO 8601 date and time, without an offset or with the offset 0, which is not kept.
    IsoTimestamp,
    /// ISO 8601 date and time with an offset.
    ZonedTimestamp,
    /// A UUID as text.
    Uuid,
    /// A JSON document, as text or as a value of the record.
    Json,
    /// Bytes in base64.
    Bytes,
    /// Bits in base64, the lowest byte first: text of zeros and ones, with zeros in front up to `length`.
    Bits {
        /// Bits of the column; none for a column of varying length, whose text begins with the highest bit that is set.
        length: Option<u32>,
    },
}

impl ColumnHint {
    pub(super) const fn scalar(self) -> Scalar {
        match self {
            Self::Decimal { scale } => Scalar::Decimal(scale),
            Self::Integer => Scalar::Integer(64),
            Self::Float => Scalar::Float,
            Self::Date => Scalar::Date,
            Self::TimeMillis => Scalar::Time(Unit::Millis),
            Self::TimeMicros => Scalar::Time(Unit::Micros),
            Self::TimeNanos => Scalar::Time(Unit::Nanos),
            Self::TimestampSeconds => Scalar::Timestamp(Unit::Seconds),
            Self::TimestampMillis => Scalar::Timestamp(Unit::Millis),
            Self::TimestampMicros => Scalar::Timestamp(Unit::Micros),
            Self::TimestampNanos => Scalar::Timestamp(Unit::Nanos),
            Self::IsoDate => Scalar::IsoDate,
            Self::IsoTime => Scalar::IsoTime,
            Self::IsoTimestamp => Scalar::IsoTimestamp,
            Self::ZonedTimestamp => Scalar::ZonedTimestamp,
            Self::Uuid => Scalar::Uuid,
            Self::Json => Scalar::Json,
            Self::Bytes => Scalar::Bytes,
            Self::Bits { length } => Scalar::Bits(length),
        }
    }
}

/// Hints by column.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Hints(Vec<(String, ColumnHint)>);

/// A name that no column can have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} names no column: write \"table.column\" or \"schema.table.column\"")]
pub struct HintError(String);

impl Hints {
    /// Says what the column `table.column` or `schema.table.column` is. A source without schemas (MySQL) takes the
    /// database for one. A hint with a schema takes precedence over one without.
    ///
    /// # Errors
    /// When the name has fewer than two parts, or an empty one.
    pub fn insert(&mut self, column: &str, hint: ColumnHint) -> Result<(), HintError> {
        if !column.contains('.') || column.split('.').any(str::is_empty) {
            return Err(HintError(column.to_owned()));
        }
        self.0.push((column.to_owned(), hint));
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Columns of a table and their types. A name may hold dots: the names of the table decide where its column begins.
    pub(super) fn of_table(&self, qualifier: &str, table: &str) -> Vec<(Box<str>, Scalar)> {
        let full = format!("{qualifier}.{table}.");
        let short = format!("{table}.");
        let under = |prefix: &str| -> Vec<(Box<str>, Scalar)> {
            let columns = self
                .0
                .iter()
                .filter_map(|(name, hint)| Some((name.strip_prefix(prefix)?.into(), hint.scalar())));
            columns.collect()
        };
        [under(&full), under(&short)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_with_a_schema_goes_first() {
        let mut hints = Hints::default();
        hints.insert("products.price", ColumnHint::Decimal { scale: 2 }).unwrap();
        hints.insert("shop.products.price", ColumnHint::Decimal { scale: 4 }).unwrap();
        hints.insert("a.b.c", ColumnHint::Date).unwrap();
        let first = |qualifier, table| {
            hints.of_table(qualifier, table).first().map(|(name, scalar)| (name.to_string(), *scalar))
        };
        assert_eq!(first("shop", "products"), Some(("price".into(), Scalar::Decimal(4))));
        assert_eq!(first("public", "products"), Some(("price".into(), Scalar::Decimal(2))));
        assert_eq!(first("x", "a.b"), Some(("c".into(), Scalar::Date)));
        assert_eq!(first("shop", "orders"), None);
    }

    #[test]
    fn a_name_without_a_table_is_refused() {
        let mut hints = Hints::default();
        for name in ["price", "", ".price", "products."] {
            assert!(hints.insert(name, ColumnHint::Date).is_err(), "{name}");
        }
        assert!(hints.is_empty());
    }
}
