//! Values as text: plain text or JSON.

use std::fmt::{self, Display, Write};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};

use super::{Value, ValueRef, scan::plain_text_end};

/// Debezium's placeholder for a value that the source did not send. Null would mean that the column was set to NULL.
const UNAVAILABLE: &str = "\"__debezium_unavailable_value\"";

/// How deep pretty-printed JSON is indented. Deeper lists and structs are on one line: otherwise, the indentation of a document that
/// is mostly brackets would be a hundred times longer than the document.
const INDENTED_LEVELS: usize = 16;

/// Writes `text` as a JSON string with quotes.
///
/// # Errors
/// Only those of `out`.
pub fn write_json_string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut start = 0;
    loop {
        // Every byte that ends the scan is ASCII, so the text is split at character boundaries.
        let end = plain_text_end::<true>(text.as_bytes(), start);
        out.write_str(text.get(start..end).unwrap_or_default())?;
        let Some(byte) = text.as_bytes().get(end) else { break };
        match byte {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            _ => write!(out, "\\u{byte:04x}")?,
        }
        start = end + 1;
    }
    out.write_char('"')
}

/// Integers as itoa writes them, which is several times faster than `Display`.
fn write_integer(out: &mut impl Write, value: impl itoa::Integer) -> fmt::Result {
    out.write_str(itoa::Buffer::new().format(value))
}

fn write_quoted(out: &mut impl Write, value: impl Display) -> fmt::Result {
    write!(out, "\"{value}\"")
}

/// Floats as JSON numbers. JSON has no NaN and infinities, which become the strings that Debezium uses.
fn write_float(out: &mut impl Write, value: f64) -> fmt::Result {
    if value.is_nan() {
        return out.write_str("\"NaN\"");
    }
    if value.is_infinite() {
        return out.write_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
    write!(out, "{value:?}")
}

fn write_base64(out: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    write!(out, "{}", Base64Display::new(bytes, &STANDARD))
}

fn write_uuid(out: &mut impl Write, bytes: [u8; 16]) -> fmt::Result {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.write_char('-')?;
        }
        write!(out, "{byte:02x}")?;
    }
    Ok(())
}

/// A JSON document on one line: in valid JSON, a raw line break is always white space between tokens.
fn write_document(out: &mut impl Write, text: &str) -> fmt::Result {
    let mut lines = text.split(['\n', '\r']);
    out.write_str(lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| {
        out.write_char(' ')?;
        out.write_str(line)
    })
}

/// Line breaks and indentation of pretty-printed JSON; `None` writes one line.
fn write_break(out: &mut impl Write, indent: Option<usize>) -> fmt::Result {
    let Some(depth) = indent else { return Ok(()) };
    write!(out, "\n{:width$}", "", width = depth * 2)
}

impl<'b> Value<'b> {
    /// Writes the value as JSON on one line. Decimals and exact numbers are written as numbers with all their
    /// digits, bytes as base64, dates and times as ISO 8601 strings, JSON documents unchanged except for line breaks
    /// between their tokens, and values that the source did not send as Debezium's placeholder.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> fmt::Result {
        self.write_json_at(out, None)
    }

    /// As [`Value::write_json`], over several lines indented by two spaces. Lists and structs that are more than 16 levels deep
    /// are on one line.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_json_pretty(&self, out: &mut impl Write) -> fmt::Result {
        self.write_json_at(out, Some(0))
    }

    fn write_json_at(&self, out: &mut impl Write, indent: Option<usize>) -> fmt::Result {
        match self.view() {
            ValueRef::Null => out.write_str("null"),
            ValueRef::Unavailable => out.write_str(UNAVAILABLE),
            ValueRef::Bool(value) => out.write_str(if value { "true" } else { "false" }),
            ValueRef::Int(value) => write_integer(out, value),
            ValueRef::UInt(value) => write_integer(out, value),
            ValueRef::Float(value) => write_float(out, value),
            ValueRef::Number(text) => out.write_str(text),
            ValueRef::Json(text) => write_document(out, text),
            ValueRef::Decimal(decimal) => write!(out, "{decimal}"),
            ValueRef::String(text) => write_json_string(out, text),
            ValueRef::Bytes(bytes) => {
                out.write_char('"')?;
                write_base64(out, bytes)?;
                out.write_char('"')
            }
            ValueRef::Date(value) => write_quoted(out, value),
            ValueRef::Time(value) => write_quoted(out, value),
            ValueRef::Timestamp(value) => write_quoted(out, value),
            ValueRef::Interval(value) => write_quoted(out, value),
            ValueRef::Uuid(bytes) => {
                out.write_char('"')?;
                write_uuid(out, bytes)?;
                out.write_char('"')
            }
            ValueRef::List(list) => write_items(out, indent, ['[', ']'], list.iter(), |out, item, indent| {
                item.write_json_at(out, indent)
            }),
            ValueRef::Struct(row) => {
                write_items(out, indent, ['{', '}'], row.iter(), |out, (name, value), indent| {
                    write_json_string(out, name)?;
                    out.write_str(if indent.is_some() { ": " } else { ":" })?;
                    value.write_json_at(out, indent)
                })
            }
            ValueRef::Unsupported(kind) => write!(out, "\"unsupported kind {kind}\""),
        }
    }
}

fn write_items<W: Write, T>(
    out: &mut W,
    indent: Option<usize>,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = T>,
    write_item: impl Fn(&mut W, T, Option<usize>) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    if items.len() == 0 {
        return out.write_char(close);
    }
    let inner = indent.filter(|depth| *depth < INDENTED_LEVELS).map(|depth| depth + 1);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_break(out, inner)?;
        write_item(out, item, inner)?;
    }
    write_break(out, inner.and(indent))?;
    out.write_char(close)
}

impl Display for Value<'_> {
    /// Text, dates and the like without quotes; lists and structs as JSON.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            ValueRef::String(text) => out.write_str(text),
            ValueRef::Float(value) if !value.is_finite() => write!(out, "{value}"),
            ValueRef::Bytes(bytes) => write_base64(out, bytes),
            ValueRef::Date(value) => value.fmt(out),
            ValueRef::Time(value) => value.fmt(out),
            ValueRef::Timestamp(value) => value.fmt(out),
            ValueRef::Interval(value) => value.fmt(out),
            ValueRef::Uuid(bytes) => write_uuid(out, bytes),
            ValueRef::Unavailable => out.write_str("(unavailable)"),
            _ => self.write_json(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Field, Time};

    fn json(value: Value<'_>) -> String {
        let mut text = String::new();
        value.write_json(&mut text).unwrap();
        text
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(json(Value::string("a\"b\\c\nd\u{1}€😀")), "\"a\\\"b\\\\c\\nd\\u0001€😀\"");
        assert_eq!(json(Value::string("")), "\"\"");
    }

    #[test]
    fn every_kind_has_a_form() {
        assert_eq!(json(Value::uint(u64::MAX)), "18446744073709551615");
        assert_eq!(json(Value::float(1.0)), "1.0");
        assert_eq!(json(Value::float(f64::NAN)), "\"NaN\"");
        assert_eq!(json(Value::number("1.000000000000000000001")), "1.000000000000000000001");
        assert_eq!(json(Value::bytes(&[0xde, 0xad, 0xbe, 0xef])), "\"3q2+7w==\"");
        assert_eq!(
            json(Value::time(Time { nanoseconds: 1, offset_seconds: Some(-3600) })),
            "\"00:00:00.000000001-01:00\""
        );
        assert_eq!(json(Value::uuid([0xab; 16])), "\"abababab-abab-abab-abab-abababababab\"");
        assert_eq!(json(Value::json("{\"a\": 1}")), "{\"a\": 1}");
        assert_eq!(json(Value::json("{\r\n\"a\": \"\\n\"\n}")), "{  \"a\": \"\\n\" }");
        assert_eq!(json(Value::UNAVAILABLE), "\"__debezium_unavailable_value\"");
        assert_eq!(json(Value::list(&[Value::NULL, Value::bool(true)])), "[null,true]");
    }

    #[test]
    fn pretty_json_is_what_people_expect() {
        let fields = [Field::new("a", Value::int(1)), Field::new("b", Value::object(&[]))];
        let mut text = String::new();
        Value::object(&fields).write_json_pretty(&mut text).unwrap();
        assert_eq!(text, "{\n  \"a\": 1,\n  \"b\": {}\n}");
    }

    #[test]
    fn deep_json_is_not_mostly_indentation() {
        let mut levels = vec![vec![Value::int(1), Value::int(2)]];
        for _ in 0..40 {
            let inner = Value::list(levels.last().expect("a level").clone().leak());
            levels.push(vec![inner]);
        }
        let mut text = String::new();
        Value::list(levels.last().expect("a level")).write_json_pretty(&mut text).unwrap();
        assert!(text.starts_with("[\n  [\n    ["), "{text}");
        let deepest = text.lines().find(|line| line.contains('1')).expect("the items");
        assert_eq!(deepest.trim_start(), format!("{}1,2{}", "[".repeat(25), "]".repeat(25)));
        assert!(text.ends_with("]\n  ]\n]"), "{text}");
        assert_eq!(text.replace([' ', '\n'], ""), format!("{}1,2{}", "[".repeat(41), "]".repeat(41)));
    }
}
