//! Encodes values as elements of bound rows.

use std::fmt::{self, Display, Write};

use tidegate_plugin::{Timestamp, Value, ValueRef, write_json_string};

use super::{
    ColumnType,
    fit::special_float,
    number::{exact_float, with_digits},
};

/// UTC offsets are written in hours, below 24, and minutes.
const SECONDS_PER_MINUTE: i32 = 60;
const SECONDS_PER_DAY: i32 = 86_400;

impl ColumnType {
    /// Appends a value that fits as a JSON element. Unavailable values become null.
    pub(crate) fn encode(&self, value: Value<'_>, out: &mut String) {
        match (self, value.view()) {
            (_, ValueRef::Null | ValueRef::Unavailable) => out.push_str("null"),
            (Self::Variant, _) => document(value, out),
            (Self::Boolean, ValueRef::Bool(value)) => out.push_str(if value { "true" } else { "false" }),
            (Self::Number { .. }, ValueRef::Int(number)) => plain(number, out),
            (Self::Number { .. }, ValueRef::UInt(number)) => plain(number, out),
            (Self::Number { .. }, number) => {
                if with_digits(number, |digits| plain(digits, out)).is_none() {
                    text(value, out);
                }
            }
            (Self::Float, number) => match to_float(number) {
                // Snowflake accepts NaN, inf and -inf as written by Rust.
                Some(float) => plain(format_args!("{float:?}"), out),
                None => text(value, out),
            },
            (Self::TimestampNtz, ValueRef::Date(date)) => plain(format_args!("{date}T00:00:00"), out),
            (Self::TimestampTz | Self::TimestampLtz, ValueRef::Timestamp(timestamp)) => {
                plain(readable(timestamp), out);
            }
            _ => text(value, out),
        }
    }
}

/// Text that needs no escaping, as a JSON string.
fn plain(value: impl Display, out: &mut String) {
    // Writing to a String cannot fail.
    let _written = write!(out, "\"{value}\"").is_ok();
}

/// The displayed value, as a JSON string.
fn text(value: Value<'_>, out: &mut String) {
    // Writing to a String cannot fail, here and below.
    if let Some(text) = value.as_str() {
        let _written = write_json_string(out, text).is_ok();
        return;
    }
    out.push('"');
    let _written = write!(Escaped(out), "{value}").is_ok();
    out.push('"');
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
pub(crate) fn loses_offset(kind: &ColumnType, timestamp: Timestamp) -> bool {
    *kind == ColumnType::TimestampTz && readable(timestamp).offset_seconds != timestamp.offset_seconds
}

/// Whether a time or a timestamp has more fractional digits than a column.
pub(crate) fn loses_fraction(kept: u8, value: ValueRef<'_>) -> bool {
    let nanoseconds = match value {
        ValueRef::Time(time) => time.nanoseconds,
        ValueRef::Timestamp(timestamp) => timestamp.nanoseconds.into(),
        _ => return false,
    };
    !nanoseconds.is_multiple_of(10_u64.pow(9_u32.saturating_sub(kept.into())))
}

/// Whether a list or a struct contains an unavailable value.
pub(crate) fn has_nested_placeholder(value: Value<'_>) -> bool {
    match value.view() {
        ValueRef::Unavailable => true,
        ValueRef::List(list) => list.iter().any(has_nested_placeholder),
        ValueRef::Struct(row) => row.iter().any(|(_, value)| has_nested_placeholder(value)),
        _ => false,
    }
}

/// Converts a timestamp to UTC if its offset cannot be written.
fn readable(timestamp: Timestamp) -> Timestamp {
    let is_readable = |offset: i32| {
        offset % SECONDS_PER_MINUTE == 0 && (-SECONDS_PER_DAY + 1..SECONDS_PER_DAY).contains(&offset)
    };
    let offset_seconds = timestamp.offset_seconds.map(|offset| if is_readable(offset) { offset } else { 0 });
    Timestamp { offset_seconds, ..timestamp }
}

/// Escapes text inside a JSON string.
struct Escaped<'o>(&'o mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut start = 0;
        for (index, byte) in text.bytes().enumerate() {
            if !matches!(byte, b'"' | b'\\' | 0..=0x1f) {
                continue;
            }
            // All of them are ASCII, so the text is split at character boundaries.
            self.0.push_str(text.get(start..index).unwrap_or_default());
            match byte {
                b'"' | b'\\' => self.0.extend(['\\', byte.into()]),
                _ => write!(self.0, "\\u{byte:04x}")?,
            }
            start = index + 1;
        }
        self.0.push_str(text.get(start..).unwrap_or_default());
        Ok(())
    }
}
