//! The type of a column that does not exist yet.

use tidegate_plugin::{Decimal, Kind, SchemaField, Value, ValueRef};

use super::{ColumnType, MAX_PRECISION, MAX_SCALE, calendar, number};

const INTEGER: ColumnType = ColumnType::Number { precision: MAX_PRECISION, scale: 0 };
const TEXT: ColumnType = ColumnType::Text { length: None };

impl ColumnType {
    /// The type for the values of a field.
    pub(crate) fn of_field(field: SchemaField) -> Self {
        of_declared(field.kind(), field.semantic(), field.precision(), field.scale())
    }

    /// The type for a value whose source does not tell the field's; none for what says nothing about it.
    pub(crate) fn of_value(value: Value<'_>) -> Option<Self> {
        Some(match value.view() {
            ValueRef::Bool(_) => Self::Boolean,
            ValueRef::Int(_) | ValueRef::UInt(_) => INTEGER,
            ValueRef::Float(_) => Self::Float,
            ValueRef::Number(_) => of_number(value.view()),
            ValueRef::Decimal(decimal) => of_decimal(decimal),
            ValueRef::Bytes(_) => Self::Binary { length: None },
            ValueRef::Date(date) if calendar::has_date(date) => Self::Date,
            ValueRef::Time(time) if calendar::has_time(time) => Self::Time,
            ValueRef::Timestamp(timestamp) if calendar::has_timestamp(timestamp) => {
                if timestamp.offset_seconds.is_some() { Self::TimestampTz } else { Self::TimestampNtz }
            }
            ValueRef::String(_)
            | ValueRef::Date(_)
            | ValueRef::Time(_)
            | ValueRef::Timestamp(_)
            | ValueRef::Interval(_)
            | ValueRef::Uuid(_) => TEXT,
            ValueRef::Json(_) | ValueRef::List(_) | ValueRef::Struct(_) => Self::Variant,
            _ => return None,
        })
    }

    /// The type that a value's kind tells, whether or not the value is in its range: JSON has neither days nor times, so that
    /// somebody has said what the column is.
    pub(crate) fn of_kind(value: Value<'_>) -> Option<Self> {
        match value.view() {
            ValueRef::Date(_) => Some(Self::Date),
            ValueRef::Time(time) if time.offset_seconds.is_none() => Some(Self::Time),
            ValueRef::Timestamp(timestamp) if timestamp.offset_seconds.is_some() => Some(Self::TimestampTz),
            ValueRef::Timestamp(_) => Some(Self::TimestampNtz),
            _ => None,
        }
    }

    /// The type of a new column that was to be of this type, now that a value of the type `other` has come and does
    /// not fit. Earlier values have to be looked at again. Each step is to a wider type and the last ones are VARCHAR
    /// and VARIANT, so that there are few of them.
    pub(crate) fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Variant, _) | (_, Self::Variant) => Self::Variant,
            (Self::Number { scale, .. }, Self::Number { scale: larger, .. }) if larger > scale => {
                Self::Number { precision: MAX_PRECISION, scale: *larger }
            }
            (Self::Number { .. }, Self::Float) => Self::Float,
            (Self::Date, Self::TimestampNtz) => Self::TimestampNtz,
            _ => TEXT,
        }
    }
}

/// The type for what a schema says of a field.
pub(super) fn of_declared(
    kind: Kind,
    semantic: &str,
    precision: Option<u32>,
    scale: Option<i32>,
) -> ColumnType {
    match (kind, semantic) {
        (Kind::INT | Kind::UINT, _) => INTEGER,
        (Kind::DECIMAL | Kind::NUMBER, _) => of_decimals(precision, scale),
        (Kind::FLOAT, _) => ColumnType::Float,
        (Kind::BOOL, _) => ColumnType::Boolean,
        (Kind::STRING | Kind::INTERVAL | Kind::UUID, _) => TEXT,
        (Kind::BYTES, _) => ColumnType::Binary { length: None },
        (Kind::DATE, _) => ColumnType::Date,
        // Snowflake has no time of day with an offset.
        (Kind::TIME, "io.debezium.time.ZonedTime") => TEXT,
        (Kind::TIME, _) => ColumnType::Time,
        (Kind::TIMESTAMP, "io.debezium.time.ZonedTimestamp") => ColumnType::TimestampTz,
        (Kind::TIMESTAMP, _) => ColumnType::TimestampNtz,
        _ => ColumnType::Variant,
    }
}

/// A decimal that is declared to have so many digits.
fn of_decimals(precision: Option<u32>, scale: Option<i32>) -> ColumnType {
    let Some(scale) = scale else { return TEXT };
    // Zeros before the point that are not sent are digits of the number all the same.
    let precision = precision.map(|digits| i64::from(digits) + i64::from(scale.min(0).unsigned_abs()));
    let Ok(scale) = u8::try_from(scale.max(0)) else { return TEXT };
    let precision = precision.unwrap_or(MAX_PRECISION.into());
    if scale > MAX_SCALE || precision > MAX_PRECISION.into() {
        return TEXT;
    }
    // More digits behind the point than digits at all: 0.00012 as two digits, five behind the point.
    let precision = u8::try_from(precision).unwrap_or(MAX_PRECISION).max(scale);
    ColumnType::Number { precision, scale }
}

/// A decimal, with as many digits behind the point as its scale says: others of the column have the same.
fn of_decimal(decimal: Decimal<'_>) -> ColumnType {
    of_scale(ValueRef::Decimal(decimal), decimal.scale().max(0).into())
}

/// A number that nobody declared, with the digits that it has.
fn of_number(number: ValueRef<'_>) -> ColumnType {
    let fraction = number::size(number, 0).map(|size| size.fraction);
    fraction.map_or(TEXT, |fraction| of_scale(number, fraction))
}

fn of_scale(number: ValueRef<'_>, scale: i64) -> ColumnType {
    let Some(scale) = u8::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE) else { return TEXT };
    match number::size(number, scale) {
        Some(size) if size.integer.saturating_add(scale.into()) <= MAX_PRECISION.into() => {
            ColumnType::Number { precision: MAX_PRECISION, scale }
        }
        _ => TEXT,
    }
}
