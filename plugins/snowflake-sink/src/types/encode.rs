//! Encodes values as elements of bound rows.

use tidegate_cdc::{
    rows::{Escaped, plain, text},
    types::number::{exact_float, with_digits},
};
use tidegate_plugin::{Timestamp, Value, ValueRef};

use super::{ColumnType, fit::special_float};

/// UTC offsets are written in hours, below 24, and minutes.
const SECONDS_PER_MINUTE: i32 = 60;
const SECONDS_PER_DAY: i32 = 86_400;

/// Appends a value that fits as a JSON element. Unavailable values become null.
pub(super) fn encode(kind: &ColumnType, value: Value<'_>, out: &mut String) {
    match (kind, value.view()) {
        (_, ValueRef::Null | ValueRef::Unavailable) => out.push_str("null"),
        (ColumnType::Variant, _) => document(value, out),
        (ColumnType::Boolean, ValueRef::Bool(value)) => out.push_str(if value { "true" } else { "false" }),
        (ColumnType::Number { .. }, ValueRef::Int(number)) => plain(number, out),
        (ColumnType::Number { .. }, ValueRef::UInt(number)) => plain(number, out),
        (ColumnType::Number { .. }, number) => {
            if with_digits(number, |digits| plain(digits, out)).is_none() {
                text(value, out);
            }
        }
        (ColumnType::Float, number) => match to_float(number) {
            // Snowflake accepts NaN, inf and -inf as written by Rust.
            Some(float) => plain(format_args!("{float:?}"), out),
            None => text(value, out),
        },
        (ColumnType::TimestampNtz, ValueRef::Date(date)) => plain(format_args!("{date}T00:00:00"), out),
        (ColumnType::TimestampTz | ColumnType::TimestampLtz, ValueRef::Timestamp(timestamp)) => {
            plain(readable(timestamp), out);
        }
        _ => text(value, out),
    }
}

/// The JSON of a value in a JSON string, so that a document `null` is different from null.
fn document(value: Value<'_>, out: &mut String) {
    out.push('"');
    let _written = value.write_json(&mut Escaped(out)).is_ok();
    out.push('"');
}

fn to_float(number: ValueRef<'_>) -> Option<f64> {
    match number {
        ValueRef::Float(number) => Some(number),
        ValueRef::String(text) => special_float(text),
        _ => exact_float(number),
    }
}

/// Whether a column would change the UTC offset of a timestamp.
pub(super) fn loses_offset(kind: &ColumnType, timestamp: Timestamp) -> bool {
    *kind == ColumnType::TimestampTz && readable(timestamp).offset_seconds != timestamp.offset_seconds
}

/// Converts a timestamp to UTC if its offset cannot be written.
fn readable(timestamp: Timestamp) -> Timestamp {
    let is_readable = |offset: i32| {
        offset % SECONDS_PER_MINUTE == 0 && (-SECONDS_PER_DAY + 1..SECONDS_PER_DAY).contains(&offset)
    };
    let offset_seconds = timestamp.offset_seconds.map(|offset| if is_readable(offset) { offset } else { 0 });
    Timestamp { offset_seconds, ..timestamp }
}
