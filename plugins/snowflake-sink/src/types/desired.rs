//! The type of a new column.

use tidegate_cdc::types::number;
use tidegate_plugin::{Decimal, Kind, SchemaField, Value, ValueRef};

use super::{ColumnType, MAX_PRECISION, MAX_SCALE, calendar};

const INTEGER: ColumnType = ColumnType::Number { precision: MAX_PRECISION, scale: 0 };
const TEXT: ColumnType = ColumnType::Text { length: None };

/// The type for the values of a field.
pub(super) fn of_field(field: SchemaField<'_>) -> ColumnType {
    of_declared(field.kind(), field.semantic(), field.precision(), field.scale())
}

/// The type for a value without a schema; none if the value has no type.
pub(super) fn of_value(value: Value<'_>) -> Option<ColumnType> {
    Some(match value.view() {
        ValueRef::Bool(_) => ColumnType::Boolean,
        ValueRef::Int(_) | ValueRef::UInt(_) => INTEGER,
        ValueRef::Float(_) => ColumnType::Float,
        ValueRef::Number(_) => of_number(value.view()),
        ValueRef::Decimal(decimal) => of_decimal(decimal),
        ValueRef::Bytes(_) => ColumnType::Binary { length: None },
        ValueRef::Date(date) if calendar::has_date(date) => ColumnType::Date,
        ValueRef::Time(time) if calendar::has_time(time) => ColumnType::Time,
        ValueRef::Timestamp(timestamp) if calendar::has_timestamp(timestamp) => {
            if timestamp.offset_seconds.is_some() {
                ColumnType::TimestampTz
            } else {
                ColumnType::TimestampNtz
            }
        }
        ValueRef::String(_)
        | ValueRef::Date(_)
        | ValueRef::Time(_)
        | ValueRef::Timestamp(_)
        | ValueRef::Interval(_)
        | ValueRef::Uuid(_) => TEXT,
        ValueRef::Json(_) | ValueRef::List(_) | ValueRef::Struct(_) => ColumnType::Variant,
        _ => return None,
    })
}

/// The type for a kind of value, even if the value is out of range. JSON has neither dates nor times, so the type of the
/// column is known from a hint.
pub(super) fn of_kind(value: Value<'_>) -> Option<ColumnType> {
    match value.view() {
        ValueRef::Date(_) => Some(ColumnType::Date),
        ValueRef::Time(time) if time.offset_seconds.is_none() => Some(ColumnType::Time),
        ValueRef::Timestamp(timestamp) if timestamp.offset_seconds.is_some() => Some(ColumnType::TimestampTz),
        ValueRef::Timestamp(_) => Some(ColumnType::TimestampNtz),
        _ => None,
    }
}

/// Combines the inferred type of a new column with the type `other` of a value that does
/// not fit. Earlier values must be checked again. Each step leads to a wider type, and the last ones are VARCHAR
/// and VARIANT, so there are few steps.
pub(super) fn join(one: &ColumnType, other: &ColumnType) -> ColumnType {
    match (one, other) {
        (ColumnType::Variant, _) | (_, ColumnType::Variant) => ColumnType::Variant,
        (ColumnType::Number { scale, .. }, ColumnType::Number { scale: larger, .. }) if larger > scale => {
            ColumnType::Number { precision: MAX_PRECISION, scale: *larger }
        }
        (ColumnType::Number { .. }, ColumnType::Float) => ColumnType::Float,
        (ColumnType::Date, ColumnType::TimestampNtz) => ColumnType::TimestampNtz,
        _ => TEXT,
    }
}

/// The type for a field of a schema.
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
        // Snowflake has no time of day with a UTC offset.
        (Kind::TIME, "io.debezium.time.ZonedTime") => TEXT,
        (Kind::TIME, _) => ColumnType::Time,
        (Kind::TIMESTAMP, "io.debezium.time.ZonedTimestamp") => ColumnType::TimestampTz,
        // Avro's own timestamps are points in time, in UTC.
        (Kind::TIMESTAMP, "timestamp-millis" | "timestamp-micros" | "timestamp-nanos") => {
            ColumnType::TimestampTz
        }
        (Kind::TIMESTAMP, _) => ColumnType::TimestampNtz,
        _ => ColumnType::Variant,
    }
}

/// A decimal with declared precision and scale.
fn of_decimals(precision: Option<u32>, scale: Option<i32>) -> ColumnType {
    let Some(scale) = scale else { return TEXT };
    // Trailing zeros before the decimal point, of a negative scale, count as digits, too.
    let precision = precision.map(|digits| i64::from(digits) + i64::from(scale.min(0).unsigned_abs()));
    let Ok(scale) = u8::try_from(scale.max(0)) else { return TEXT };
    let precision = precision.unwrap_or(MAX_PRECISION.into());
    if scale > MAX_SCALE || precision > MAX_PRECISION.into() {
        return TEXT;
    }
    // The scale can be greater than the precision: 0.00012 has precision 2 and scale 5.
    let precision = u8::try_from(precision).unwrap_or(MAX_PRECISION).max(scale);
    ColumnType::Number { precision, scale }
}

/// A decimal value; other values of the column have the same scale.
fn of_decimal(decimal: Decimal<'_>) -> ColumnType {
    of_scale(ValueRef::Decimal(decimal), decimal.scale().max(0).into())
}

/// A number without a declared type, with the digits that it has.
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
