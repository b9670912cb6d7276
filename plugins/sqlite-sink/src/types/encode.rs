//! Encodes values as elements of bound rows.
//!
//! Numbers are JSON numbers: SQLite reads those of 64 bits exactly, and the shortest decimal text of a float as that float.

use std::fmt::Write;

use tidegate_cdc::rows::{Escaped, text};
use tidegate_plugin::{Value, ValueRef};

use super::{
    ColumnType,
    fit::{exact_float, whole},
};

/// Appends a value that fits as a JSON element. Unavailable values become null.
pub(super) fn encode(kind: ColumnType, value: Value<'_>, out: &mut String) {
    use ColumnType::{Any, Blob, Boolean, Integer, Json, Numeric, Real, Text};
    match (kind, value.view()) {
        (_, ValueRef::Null | ValueRef::Unavailable) => out.push_str("null"),
        (Text, _) => text(value, out),
        (Json, _) => document(value, out),
        (Blob, ValueRef::Bytes(bytes)) => hexadecimal(bytes, out),
        (Boolean | Integer | Numeric | Any, ValueRef::Bool(value)) => {
            out.push_str(if value { "true" } else { "false" });
        }
        // A column without a type keeps the difference between a number and its text.
        (Any, ValueRef::String(_)) => text(value, out),
        (Real, number) => real(exact_float(number), value, out),
        (Boolean | Integer | Numeric | Any, number) => match whole(number) {
            Some(number) => append(format_args!("{number}"), out),
            None => real(exact_float(number), value, out),
        },
        (Blob, _) => text(value, out),
    }
}

fn real(float: Option<f64>, value: Value<'_>, out: &mut String) {
    match float {
        // JSON has no infinity. SQLite reads a number that is too large as one.
        Some(float) if float.is_infinite() => out.push_str(if float > 0.0 { "9e999" } else { "-9e999" }),
        Some(float) => append(format_args!("{float:?}"), out),
        None => text(value, out),
    }
}

/// The JSON of a value in a JSON string, so that a document `null` is different from null.
fn document(value: Value<'_>, out: &mut String) {
    out.push('"');
    // Writing to a String cannot fail, here and below.
    let _written = value.write_json(&mut Escaped(out)).is_ok();
    out.push('"');
}

fn hexadecimal(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.reserve(2 * bytes.len() + 2);
    out.push('"');
    out.extend(bytes.iter().flat_map(|byte| {
        [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or_default())
    }));
    out.push('"');
}

fn append(value: std::fmt::Arguments<'_>, out: &mut String) {
    let _written = out.write_fmt(value).is_ok();
}
