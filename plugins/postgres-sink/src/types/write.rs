//! The text of values in loaded rows.

use std::fmt::{self, Write};

use tidegate_cdc::{
    rows::{CopyRows, CopyText, RowFormat as _},
    types::number::with_digits,
};
use tidegate_plugin::{Date, Timestamp, Value, ValueRef};

use super::{ColumnType, array::write_elements};

/// Length of the date in an ISO 8601 text, for years of four digits.
const SECONDS_PER_DAY: i64 = 86_400;

/// Appends a value that fits, for COPY.
pub(super) fn write(kind: &ColumnType, value: Value<'_>, out: &mut String) {
    // Writing to a String cannot fail, here and below.
    let _written = match (kind, value.view()) {
        (_, ValueRef::Null | ValueRef::Unavailable) => {
            CopyRows::null(out);
            Ok(())
        }
        (ColumnType::Array(element), ValueRef::List(list)) => {
            write_elements(element, list, out);
            Ok(())
        }
        (ColumnType::Json | ColumnType::Jsonb, _) => value.write_json(&mut CopyText(out)),
        (_, ValueRef::Bool(value)) => {
            CopyRows::bool(out, value);
            Ok(())
        }
        (ColumnType::Bytea, ValueRef::Bytes(bytes)) => hex(bytes, out),
        (ColumnType::Text(_), _) => text(value, out),
        (_, ValueRef::Int(number)) => write!(out, "{number}"),
        (_, ValueRef::UInt(number)) => write!(out, "{number}"),
        (_, ValueRef::Float(float)) => write!(out, "{float:?}"),
        (
            ColumnType::SmallInt
            | ColumnType::Integer
            | ColumnType::BigInt
            | ColumnType::Numeric(_)
            | ColumnType::Real
            | ColumnType::Double,
            number,
        ) => with_digits(number, |digits| write!(out, "{digits}")).unwrap_or_else(|| text(value, out)),
        (_, ValueRef::Date(date)) => day(date, out),
        (_, ValueRef::Timestamp(timestamp)) => moment(timestamp, out),
        _ => text(value, out),
    };
}

fn text(value: Value<'_>, out: &mut String) -> fmt::Result {
    match value.as_str() {
        Some(text) => CopyText(out).write_str(text),
        None => write!(CopyText(out), "{value}"),
    }
}

/// `\x` and two digits per byte; the backslash is escaped for COPY.
fn hex(bytes: &[u8], out: &mut String) -> fmt::Result {
    out.push_str("\\\\x");
    out.reserve(bytes.len() * 2);
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// PostgreSQL has no year 0: the year before 1 is 1 BC.
fn day(date: Date, out: &mut String) -> fmt::Result {
    let (year, month, day) = date.civil();
    if year > 0 {
        return write!(out, "{year:04}-{month:02}-{day:02}");
    }
    write!(out, "{:04}-{month:02}-{day:02} BC", 1 - year)
}

fn moment(timestamp: Timestamp, out: &mut String) -> fmt::Result {
    let offset = i64::from(timestamp.offset_seconds.unwrap_or(0));
    let local = timestamp.seconds.saturating_add(offset);
    let (year, month, day) = Date { days: local.div_euclid(SECONDS_PER_DAY) }.civil();
    let clock = local.rem_euclid(SECONDS_PER_DAY);
    let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
    let shown = if year > 0 { year } else { 1 - year };
    write!(out, "{shown:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}")?;
    if timestamp.nanoseconds > 0 {
        // PostgreSQL would round what is below a microsecond.
        write!(out, ".{:06}", timestamp.nanoseconds / 1000)?;
    }
    if timestamp.offset_seconds.is_some() {
        let (sign, size) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
        write!(out, "{sign}{:02}:{:02}:{:02}", size / 3600, size / 60 % 60, size % 60)?;
    }
    if year > 0 { Ok(()) } else { out.write_str(" BC") }
}
