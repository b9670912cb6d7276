//! The type of a new column.

use tidegate_plugin::{Kind as Field, SchemaField, Value, ValueRef};

use super::{Kind, Size};

/// Maximum digits of a decimal, and of those behind the decimal point.
const DECIMAL_DIGITS: (u32, u32) = (65, 30);

/// Characters of a UUID.
const UUID: Kind = Kind::VarChar(36);
/// Text of any length.
const TEXT: Kind = Kind::Text(Size::Long);

/// The type for the values of a field.
pub(super) fn of_field(field: SchemaField<'_>) -> Kind {
    match (field.kind(), field.semantic()) {
        (Field::INT, _) => Kind::BIGINT,
        (Field::UINT, _) => Kind::Integer { bytes: 8, is_unsigned: true },
        (Field::NUMBER, _) => Kind::NUMBER,
        (Field::DECIMAL, _) => of_decimals(field.precision(), field.scale()),
        (Field::FLOAT, _) => Kind::DOUBLE,
        (Field::BOOL, _) => Kind::Boolean,
        (Field::BYTES, _) => Kind::Bytes(Size::Long),
        (Field::DATE, _) => Kind::Date,
        // MySQL has no time of day with an offset.
        (Field::TIME, "io.debezium.time.ZonedTime") => TEXT,
        (Field::TIME, _) => Kind::Time(6),
        (Field::TIMESTAMP, _) => Kind::DateTime(6),
        (Field::UUID, _) => UUID,
        (Field::STRING | Field::INTERVAL, _) => TEXT,
        _ => Kind::Document,
    }
}

fn of_decimals(precision: Option<u32>, scale: Option<i32>) -> Kind {
    let (Some(precision), Some(scale)) = (precision, scale) else { return Kind::NUMBER };
    let (most, most_behind) = DECIMAL_DIGITS;
    let Some(scale) = u32::try_from(scale).ok().filter(|scale| *scale <= precision.min(most_behind)) else {
        return Kind::NUMBER;
    };
    if !(1..=most).contains(&precision) {
        return Kind::NUMBER;
    }
    Kind::Decimal { precision: precision as u8, scale: scale as u8, is_unsigned: false }
}

/// The type for a value without a schema; none if the value has no type.
pub(super) fn of_value(value: Value<'_>) -> Option<Kind> {
    Some(match value.view() {
        ValueRef::Bool(_) => Kind::Boolean,
        ValueRef::Int(_) => Kind::BIGINT,
        ValueRef::UInt(_) | ValueRef::Number(_) | ValueRef::Decimal(_) => Kind::NUMBER,
        // MySQL has neither NaN nor infinities.
        ValueRef::Float(float) if !float.is_finite() => TEXT,
        ValueRef::Float(_) => Kind::DOUBLE,
        ValueRef::Bytes(_) => Kind::Bytes(Size::Long),
        ValueRef::Uuid(_) => UUID,
        ValueRef::String(_) | ValueRef::Interval(_) => TEXT,
        ValueRef::Json(_) | ValueRef::List(_) | ValueRef::Struct(_) => Kind::Document,
        _ => return of_kind(value),
    })
}

/// The type for a kind of value, even if the value is out of range.
pub(super) fn of_kind(value: Value<'_>) -> Option<Kind> {
    match value.view() {
        ValueRef::Date(_) => Some(Kind::Date),
        ValueRef::Time(time) if time.offset_seconds.is_some() => Some(TEXT),
        ValueRef::Time(_) => Some(Kind::Time(6)),
        ValueRef::Timestamp(_) => Some(Kind::DateTime(6)),
        _ => None,
    }
}

/// Combines the inferred type of a new column with that of a value that does not fit.
pub(super) fn join(one: &Kind, other: &Kind) -> Kind {
    let is_number =
        |kind: &Kind| matches!(kind, Kind::Integer { .. } | Kind::Double { .. } | Kind::Decimal { .. });
    match (one, other) {
        (Kind::Document, _) | (_, Kind::Document) => Kind::Document,
        (Kind::Integer { .. } | Kind::Double { .. }, other) if is_number(other) => Kind::NUMBER,
        (Kind::Date, Kind::DateTime(_)) => Kind::DateTime(6),
        _ => TEXT,
    }
}
