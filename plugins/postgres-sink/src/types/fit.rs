//! Whether a column can hold a value exactly.

use std::fmt::{self, Write};

use tidegate_cdc::types::number::{self, Size};
use tidegate_plugin::{Date, Timestamp, Value, ValueRef};

use super::{ColumnType, array};

type Fit = tidegate_cdc::types::Fit<ColumnType>;

const SECONDS_PER_DAY: i64 = 86_400;
/// -4712-01-01, which PostgreSQL writes as 4713-01-01 BC; the first days of its range are in the year before.
const FIRST_DAY: i64 = -2_440_550;
/// 5874897-12-31.
const LAST_DATE: i64 = 2_145_031_948;
/// 294276-12-31.
const LAST_TIMESTAMP: i64 = 106_751_991;
/// Floats can hold every integer up to this size.
const WHOLE_FLOATS: u64 = 1 << 53;
/// Digits before and after the decimal point of a numeric of any size.
const NUMERIC_DIGITS: (i64, i64) = (131_072, 16_383);

/// Whether a column of a type can hold a value without loss.
pub(super) fn fit(kind: &ColumnType, value: Value<'_>) -> Fit {
    let view = value.view();
    if matches!(view, ValueRef::Null | ValueRef::Unavailable) {
        return Fit::Fits;
    }
    match kind {
        ColumnType::SmallInt => whole(view, i16::MAX.into(), ColumnType::Integer),
        ColumnType::Integer => whole(view, i32::MAX.into(), ColumnType::BigInt),
        ColumnType::BigInt => whole(view, i64::MAX.into(), ColumnType::Numeric(None)),
        ColumnType::Numeric(size) => numeric(view, *size),
        ColumnType::Text(length) => text(value, *length),
        ColumnType::Array(element) => match view {
            ValueRef::List(list) => array::fit_elements(element, list),
            // As PostgreSQL reads it, such as {1,2}.
            ValueRef::String(text) if !text.contains('\0') => Fit::Fits,
            _ => Fit::Mismatch,
        },
        ColumnType::Real => match view {
            ValueRef::Float(float) if float.is_nan() || f64::from(float as f32) == float => Fit::Fits,
            view if double(view) => Fit::Widens(ColumnType::Double),
            _ => Fit::Mismatch,
        },
        kind if holds(kind, view) => Fit::Fits,
        _ => Fit::Mismatch,
    }
}

/// Whether a type without a size can hold a value.
fn holds(kind: &ColumnType, value: ValueRef<'_>) -> bool {
    match (kind, value) {
        (ColumnType::Double, value) => double(value),
        (ColumnType::Boolean, ValueRef::Bool(_)) => true,
        (ColumnType::Bytea, ValueRef::Bytes(_)) => true,
        (ColumnType::Date, ValueRef::Date(date)) => (FIRST_DAY..=LAST_DATE).contains(&date.days),
        (ColumnType::Timestamp, ValueRef::Date(date)) => has_day(date.days),
        (ColumnType::Time, ValueRef::Time(time)) => time.offset_seconds.is_none(),
        (ColumnType::TimeTz, ValueRef::Time(time)) => time.offset_seconds.is_some(),
        (ColumnType::Timestamp, ValueRef::Timestamp(timestamp)) => {
            timestamp.offset_seconds.is_none() && has_timestamp(timestamp)
        }
        (ColumnType::TimestampTz, ValueRef::Timestamp(timestamp)) => {
            timestamp.offset_seconds.is_some() && has_timestamp(timestamp)
        }
        (ColumnType::Interval, ValueRef::Interval(_)) => true,
        (ColumnType::Uuid, ValueRef::Uuid(_)) => true,
        (ColumnType::Uuid, ValueRef::String(text)) => is_uuid(text),
        (ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz, ValueRef::String(text)) => {
            matches!(text, "infinity" | "-infinity")
        }
        (ColumnType::Json | ColumnType::Jsonb, value) => document(value),
        (ColumnType::Native(_), ValueRef::String(text)) => !text.contains('\0'),
        (ColumnType::Native(_), ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Decimal(_)) => true,
        _ => false,
    }
}

/// Whether a number is whole, and not larger than `max`, or than its negation minus one.
fn whole(value: ValueRef<'_>, max: i128, wider: ColumnType) -> Fit {
    let number = match value {
        ValueRef::Int(number) => i128::from(number),
        ValueRef::UInt(number) => number.into(),
        value => match number::with_digits(value, |digits| {
            (digits.fraction() == 0).then(|| digits.to_string().parse::<i128>().unwrap_or(i128::MAX))
        }) {
            Some(Some(number)) => number,
            _ => return Fit::Mismatch,
        },
    };
    if (-max - 1..=max).contains(&number) { Fit::Fits } else { Fit::Widens(wider) }
}

fn numeric(value: ValueRef<'_>, size: Option<(u16, u16)>) -> Fit {
    if let ValueRef::Float(float) = value
        && !float.is_finite()
    {
        // A numeric with a precision has no infinity.
        return if size.is_none() { Fit::Fits } else { Fit::Mismatch };
    }
    let scale = size.map_or(0, |(_, scale)| u8::try_from(scale).unwrap_or(u8::MAX));
    let Some(Size { integer, fraction }) = number::size(value, scale) else { return Fit::Mismatch };
    let fits = match size {
        Some((precision, scale)) => {
            fraction <= scale.into() && integer <= i64::from(precision) - i64::from(scale)
        }
        None => true,
    };
    let (max_integer, max_fraction) = NUMERIC_DIGITS;
    match fits {
        _ if integer > max_integer || fraction > max_fraction => Fit::Mismatch,
        true => Fit::Fits,
        false => Fit::Widens(ColumnType::Numeric(None)),
    }
}

fn double(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Float(_) => true,
        ValueRef::Int(number) => number.unsigned_abs() <= WHOLE_FLOATS,
        ValueRef::UInt(number) => number <= WHOLE_FLOATS,
        ValueRef::Number(_) | ValueRef::Decimal(_) => number::exact_float(value).is_some(),
        ValueRef::String(text) => matches!(text, "NaN" | "Infinity" | "-Infinity"),
        _ => false,
    }
}

/// PostgreSQL has no U+0000 in texts.
fn text(value: Value<'_>, length: Option<u32>) -> Fit {
    let mut found = Found::default();
    let is_read = match value.as_str() {
        Some(text) => found.write_str(text).is_ok(),
        None => write!(found, "{value}").is_ok(),
    };
    match length {
        _ if !is_read || found.has_nul => Fit::Mismatch,
        Some(length) if found.characters > length as usize => Fit::Widens(ColumnType::Text(None)),
        _ => Fit::Fits,
    }
}

/// What is in a text.
#[derive(Default)]
struct Found {
    characters: usize,
    has_nul: bool,
}

impl fmt::Write for Found {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.characters += text.chars().count();
        self.has_nul |= text.contains('\0');
        Ok(())
    }
}

/// A document may have U+0000 only as an escape, which `jsonb` rejects.
fn document(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Unsupported(_) => false,
        ValueRef::String(text) => !text.contains('\0'),
        ValueRef::Json(text) => !text.contains("\\u0000") && !text.contains('\0'),
        ValueRef::List(list) => list.iter().all(|value| document(value.view())),
        ValueRef::Struct(row) => {
            row.iter().all(|(name, value)| !name.contains('\0') && document(value.view()))
        }
        ValueRef::Float(float) => float.is_finite(),
        _ => true,
    }
}

fn has_day(days: i64) -> bool {
    (FIRST_DAY..=LAST_TIMESTAMP).contains(&days)
}

fn has_timestamp(timestamp: Timestamp) -> bool {
    let written = timestamp.seconds.saturating_add(timestamp.offset_seconds.unwrap_or(0).into());
    [timestamp.seconds, written]
        .into_iter()
        .all(|seconds| has_day(Date { days: seconds.div_euclid(SECONDS_PER_DAY) }.days))
}

fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    text.len() == 36 && digits == 32 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}
