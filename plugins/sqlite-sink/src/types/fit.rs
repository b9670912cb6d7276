//! Whether a column can hold a value exactly.

use tidegate_cdc::types::number::{self, with_digits};
use tidegate_plugin::{Value, ValueRef};

use super::ColumnType;

/// Digits of the largest number of 64 bits with a sign.
const MOST_DIGITS: i64 = 19;

/// Whether a column of a type can hold a value without changing it. Null and unavailable values fit any type.
pub(super) fn fits(kind: ColumnType, value: Value<'_>) -> bool {
    let view = value.view();
    match (kind, view) {
        (_, ValueRef::Null | ValueRef::Unavailable) => true,
        (_, ValueRef::Unsupported(_)) => false,
        (ColumnType::Text | ColumnType::Json, _) => true,
        (ColumnType::Blob, view) => matches!(view, ValueRef::Bytes(_)),
        // SQLite has no type for booleans: they are 0 and 1 in any column for numbers.
        (ColumnType::Boolean | ColumnType::Integer | ColumnType::Numeric, ValueRef::Bool(_)) => true,
        (ColumnType::Boolean, view) => matches!(view, ValueRef::Int(0 | 1) | ValueRef::UInt(0 | 1)),
        (ColumnType::Integer, view) => whole(view).is_some(),
        (ColumnType::Real, view) => exact_float(view).is_some(),
        (ColumnType::Numeric, view) => {
            whole(view).is_some() || exact_float(view).is_some() || is_kept_text(value)
        }
        (ColumnType::Any, ValueRef::Float(float)) => !float.is_nan(),
        (ColumnType::Any, view) => !matches!(view, ValueRef::Bytes(_)),
    }
}

/// The whole number of 64 bits that the value is, if it is one.
pub(super) fn whole(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Int(number) => Some(number),
        ValueRef::UInt(number) => i64::try_from(number).ok(),
        _ => with_digits(value, |digits| {
            let may_be = digits.fraction() == 0 && digits.integer() <= MOST_DIGITS;
            may_be.then(|| digits.to_string().parse().ok())?
        })?,
    }
}

/// The float that the value is, if it is one. SQLite stores NaN as NULL, so that is none.
pub(super) fn exact_float(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Float(float) => (!float.is_nan()).then_some(float),
        // Debezium's text for floats that JSON cannot represent.
        ValueRef::String("Infinity") => Some(f64::INFINITY),
        ValueRef::String("-Infinity") => Some(f64::NEG_INFINITY),
        _ => number::exact_float(value),
    }
}

/// Whether the value is written as text that the affinity NUMERIC leaves as it is.
fn is_kept_text(value: Value<'_>) -> bool {
    match value.view() {
        ValueRef::Bytes(_) | ValueRef::Float(_) => false,
        ValueRef::String(text) => !looks_numeric(text),
        _ => !looks_numeric(&value.to_string()),
    }
}

/// Whether SQLite would convert text to a number. Rust reads some texts as numbers that SQLite does not, such as `inf`.
fn looks_numeric(text: &str) -> bool {
    let trimmed = text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\x0b');
    trimmed.parse::<f64>().is_ok()
}
