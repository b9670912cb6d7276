//! The type of a new column.

use tidegate_plugin::{Decimal, Kind, Value, ValueRef};

use super::{
    ColumnType,
    fit::{exact_float, whole},
};

/// Every number of this many digits has 64 bits.
const DIGITS_OF_INTEGERS: u32 = 18;

/// The type for a value without a schema; none if the value has no type.
pub(super) fn of_value(value: Value<'_>) -> Option<ColumnType> {
    Some(match value.view() {
        ValueRef::Bool(_) => ColumnType::Boolean,
        ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Number(_) => of_number(value.view()),
        // SQLite stores NaN as NULL.
        ValueRef::Float(float) if float.is_nan() => ColumnType::Text,
        ValueRef::Float(_) => ColumnType::Real,
        ValueRef::Decimal(decimal) => of_decimal(decimal),
        ValueRef::Bytes(_) => ColumnType::Blob,
        ValueRef::String(_)
        | ValueRef::Date(_)
        | ValueRef::Time(_)
        | ValueRef::Timestamp(_)
        | ValueRef::Interval(_)
        | ValueRef::Uuid(_) => ColumnType::Text,
        ValueRef::Json(_) | ValueRef::List(_) | ValueRef::Struct(_) => ColumnType::Json,
        _ => return None,
    })
}

/// The type for a kind of value. JSON has neither dates nor times, so the type of such a column is known from a hint.
pub(super) fn of_kind(value: Value<'_>) -> Option<ColumnType> {
    match value.view() {
        ValueRef::Date(_) | ValueRef::Time(_) | ValueRef::Timestamp(_) => Some(ColumnType::Text),
        _ => None,
    }
}

/// Combines the inferred type of a new column with the type `other` of a value that does not fit. Earlier values are checked again.
/// Each step leads to a wider type, and the last ones are TEXT and JSON, so there are few steps.
pub(super) fn join(one: ColumnType, other: ColumnType) -> ColumnType {
    match (one, other) {
        (ColumnType::Json, _) | (_, ColumnType::Json) => ColumnType::Json,
        (ColumnType::Integer, ColumnType::Real) => ColumnType::Real,
        _ => ColumnType::Text,
    }
}

/// The type for a field of a schema.
pub(super) fn of_declared(kind: Kind, precision: Option<u32>, scale: Option<i32>) -> ColumnType {
    match kind {
        Kind::INT | Kind::UINT => ColumnType::Integer,
        Kind::DECIMAL | Kind::NUMBER => {
            let is_whole = scale == Some(0) && precision.is_some_and(|digits| digits <= DIGITS_OF_INTEGERS);
            if is_whole { ColumnType::Integer } else { ColumnType::Text }
        }
        Kind::FLOAT => ColumnType::Real,
        Kind::BOOL => ColumnType::Boolean,
        Kind::STRING | Kind::INTERVAL | Kind::UUID | Kind::DATE | Kind::TIME | Kind::TIMESTAMP => {
            ColumnType::Text
        }
        Kind::BYTES => ColumnType::Blob,
        _ => ColumnType::Json,
    }
}

/// A number whose type is not known: most are 64-bit integers or floats of the source.
fn of_number(number: ValueRef<'_>) -> ColumnType {
    if whole(number).is_some() {
        ColumnType::Integer
    } else if exact_float(number).is_some() {
        ColumnType::Real
    } else {
        ColumnType::Text
    }
}

/// A decimal: other values of the column may have more digits, so even a small one is text, unless it is whole.
fn of_decimal(decimal: Decimal<'_>) -> ColumnType {
    let is_whole = decimal.scale() == 0 && whole(ValueRef::Decimal(decimal)).is_some();
    if is_whole { ColumnType::Integer } else { ColumnType::Text }
}
