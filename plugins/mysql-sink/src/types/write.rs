//! The text of values in loaded rows.

use std::fmt::{self, Display, Write};

use tidegate_cdc::{
    rows::{CopyRows, CopyText, RowFormat},
    types::number::with_digits,
};
use tidegate_plugin::{Date, Time, Timestamp, Value, ValueRef};

use super::Kind;

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Lines for LOAD DATA, which has the escapes of PostgreSQL's COPY. Booleans are numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadRows;

impl RowFormat for LoadRows {
    const NAME: &'static str = "text for LOAD DATA";
    const OPEN: &'static str = CopyRows::OPEN;
    const CLOSE: &'static str = CopyRows::CLOSE;
    const BETWEEN_ROWS: &'static str = CopyRows::BETWEEN_ROWS;
    const ROW_OPEN: &'static str = CopyRows::ROW_OPEN;
    const ROW_CLOSE: &'static str = CopyRows::ROW_CLOSE;
    const BETWEEN: &'static str = CopyRows::BETWEEN;

    fn null(out: &mut String) {
        CopyRows::null(out);
    }

    fn bool(out: &mut String, value: bool) {
        out.push(if value { '1' } else { '0' });
    }

    fn text(out: &mut String, text: &str) {
        CopyRows::text(out, text);
    }

    fn plain(out: &mut String, value: impl Display) {
        CopyRows::plain(out, value);
    }
}

/// Appends a value that fits. Unavailable values become null.
pub(super) fn write(kind: &Kind, value: Value<'_>, out: &mut String) {
    // Writing to a String cannot fail, here and below.
    let _written = match (kind, value.view()) {
        (_, ValueRef::Null | ValueRef::Unavailable) => {
            LoadRows::null(out);
            Ok(())
        }
        (Kind::Document | Kind::Json, _) => value.write_json(&mut CopyText(out)),
        (Kind::Binary(_) | Kind::VarBinary(_) | Kind::Bytes(_), ValueRef::Bytes(bytes)) => hex(bytes, out),
        (
            Kind::Char(_) | Kind::VarChar(_) | Kind::Text(_) | Kind::Enum(_) | Kind::Set(_) | Kind::Native(_),
            _,
        ) => text(value, out),
        (_, ValueRef::Bool(value)) => {
            LoadRows::bool(out, value);
            Ok(())
        }
        (_, ValueRef::Int(number)) => write!(out, "{number}"),
        (_, ValueRef::UInt(number)) => write!(out, "{number}"),
        (Kind::Float { .. } | Kind::Double { .. }, ValueRef::Float(float)) => write!(out, "{float:?}"),
        (_, ValueRef::Date(date)) => day(date, out),
        (Kind::Time(digits), ValueRef::Time(time)) => clock(time, *digits, out),
        (Kind::DateTime(digits) | Kind::Timestamp(digits), ValueRef::Timestamp(timestamp)) => {
            moment(timestamp, *digits, out)
        }
        (_, number) => {
            with_digits(number, |digits| write!(out, "{digits}")).unwrap_or_else(|| text(value, out))
        }
    };
}

fn text(value: Value<'_>, out: &mut String) -> fmt::Result {
    match value.as_str() {
        Some(text) => CopyText(out).write_str(text),
        None => write!(CopyText(out), "{value}"),
    }
}

fn hex(bytes: &[u8], out: &mut String) -> fmt::Result {
    out.reserve(bytes.len() * 2);
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

fn day(date: Date, out: &mut String) -> fmt::Result {
    let (year, month, day) = date.civil();
    write!(out, "{year:04}-{month:02}-{day:02}")
}

fn clock(time: Time, digits: u8, out: &mut String) -> fmt::Result {
    let seconds = time.nanoseconds / NANOS_PER_SECOND;
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    fraction(time.nanoseconds % NANOS_PER_SECOND, digits, out)
}

/// In UTC, if it is a point in time.
fn moment(timestamp: Timestamp, digits: u8, out: &mut String) -> fmt::Result {
    day(Date { days: timestamp.seconds.div_euclid(SECONDS_PER_DAY) }, out)?;
    let clock = timestamp.seconds.rem_euclid(SECONDS_PER_DAY);
    write!(out, " {:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60)?;
    fraction(timestamp.nanoseconds.into(), digits, out)
}

/// The digits that the column keeps: MySQL would round.
fn fraction(nanoseconds: u64, digits: u8, out: &mut String) -> fmt::Result {
    if nanoseconds == 0 || digits == 0 {
        return Ok(());
    }
    let text = format!("{nanoseconds:09}");
    write!(out, ".{}", text.get(..digits.min(6).into()).unwrap_or(&text))
}
