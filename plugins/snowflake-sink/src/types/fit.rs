//! Whether a column can hold a value exactly.

use std::fmt::{self, Write};

use tidegate_cdc::types::number::{self, Size};
use tidegate_plugin::{Value, ValueRef};

use super::{ColumnType, MAX_PRECISION, calendar};

/// Floats can hold every integer up to this size.
const WHOLE_FLOATS: u64 = 1 << 53;

type Fit = tidegate_cdc::types::Fit<ColumnType>;

/// Whether a column of a type can hold a value without loss. Null and unavailable values fit any type.
pub(super) fn fit(kind: &ColumnType, value: Value<'_>) -> Fit {
    let view = value.view();
    match (kind, view) {
        (_, ValueRef::Null | ValueRef::Unavailable) => Fit::Fits,
        (_, ValueRef::Unsupported(_)) | (ColumnType::Other(_), _) => Fit::Mismatch,
        (ColumnType::Variant | ColumnType::Text { length: None }, _) => Fit::Fits,
        (ColumnType::Text { length: Some(length) }, _) => fit_text(value, *length),
        (ColumnType::Binary { length }, ValueRef::Bytes(bytes)) => fit_bytes(bytes, *length),
        (ColumnType::Number { precision, scale }, view) => {
            number::size(view, *scale).map_or(Fit::Mismatch, |size| fit_number(size, *precision, *scale))
        }
        (kind, view) if kind.holds(view) => Fit::Fits,
        _ => Fit::Mismatch,
    }
}

impl ColumnType {
    /// Whether a type without a length or a precision can hold a value.
    fn holds(&self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Float, value) => is_float(value),
            (Self::Boolean, ValueRef::Bool(_)) => true,
            (Self::Date | Self::TimestampNtz, ValueRef::Date(date)) => calendar::has_date(date),
            (Self::Time, ValueRef::Time(time)) => calendar::has_time(time),
            (Self::TimestampNtz, ValueRef::Timestamp(timestamp)) => {
                timestamp.offset_seconds.is_none() && calendar::has_timestamp(timestamp)
            }
            (Self::TimestampTz | Self::TimestampLtz, ValueRef::Timestamp(timestamp)) => {
                timestamp.offset_seconds.is_some() && calendar::has_timestamp(timestamp)
            }
            (kind, ValueRef::String(text)) => {
                kind.is_temporal() && may_be_temporal(text) && !kind.drops_part_of(text)
            }
            _ => false,
        }
    }

    /// Whether Snowflake would drop a part of a text: the time in a DATE, the UTC offset in a type without one.
    fn drops_part_of(&self, text: &str) -> bool {
        let Some((_, clock)) = text.split_once(':') else { return false };
        let has_offset = clock.ends_with(['Z', 'z']) || clock.contains(['+', '-']);
        match self {
            Self::Date => true,
            Self::Time | Self::TimestampNtz => has_offset,
            _ => false,
        }
    }

    fn is_temporal(&self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::TimestampNtz | Self::TimestampTz | Self::TimestampLtz)
    }
}

fn fit_number(size: Size, precision: u8, scale: u8) -> Fit {
    let (precision, scale_digits) = (i64::from(precision), i64::from(scale));
    if size.fraction > scale_digits {
        return Fit::Mismatch;
    }
    let needed = size.integer.saturating_add(scale_digits);
    if needed <= precision {
        return Fit::Fits;
    }
    match u8::try_from(needed) {
        Ok(precision) if precision <= MAX_PRECISION => Fit::Widens(ColumnType::Number { precision, scale }),
        _ => Fit::Mismatch,
    }
}

/// Snowflake accepts many formats of dates and times. All start with a digit, unlike `infinity`.
fn may_be_temporal(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

fn is_float(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Float(_) => true,
        ValueRef::Int(number) => number.unsigned_abs() <= WHOLE_FLOATS,
        ValueRef::UInt(number) => number <= WHOLE_FLOATS,
        ValueRef::Number(_) | ValueRef::Decimal(_) => number::exact_float(value).is_some(),
        ValueRef::String(text) => special_float(text).is_some(),
        _ => false,
    }
}

/// Debezium's text for floats that JSON cannot represent.
pub(super) fn special_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn fit_bytes(bytes: &[u8], length: Option<u32>) -> Fit {
    match length {
        Some(length) if exceeds(bytes.len(), length) => Fit::Widens(ColumnType::Binary { length: None }),
        _ => Fit::Fits,
    }
}

fn fit_text(value: Value<'_>, length: u32) -> Fit {
    // A text has at most as many characters as bytes.
    if value.as_str().is_some_and(|text| !exceeds(text.len(), length)) {
        return Fit::Fits;
    }
    let mut characters = Characters(0);
    let is_counted = write!(characters, "{value}").is_ok();
    if is_counted && !exceeds(characters.0, length) {
        return Fit::Fits;
    }
    Fit::Widens(ColumnType::Text { length: None })
}

fn exceeds(size: usize, length: u32) -> bool {
    u32::try_from(size).map_or(true, |size| size > length)
}

/// Counts the written characters.
struct Characters(usize);

impl fmt::Write for Characters {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count();
        Ok(())
    }
}
