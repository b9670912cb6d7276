//! Rows as a JSON array with an array for each row, of `null`, `true`, `false` and strings, never numbers: those may be rounded.

use std::fmt::{self, Display, Write};

use tidegate_plugin::{Value, write_json_string};

use super::RowFormat;

/// A JSON array with an array for each row.
#[derive(Clone, Copy, Debug)]
pub struct JsonRows;

impl RowFormat for JsonRows {
    const NAME: &'static str = "JSON";
    const OPEN: &'static str = "[";
    const CLOSE: &'static str = "]";
    const BETWEEN_ROWS: &'static str = ",";
    const ROW_OPEN: &'static str = "[";
    const ROW_CLOSE: &'static str = "]";
    const BETWEEN: &'static str = ",";

    fn null(out: &mut String) {
        out.push_str("null");
    }

    fn bool(out: &mut String, value: bool) {
        out.push_str(if value { "true" } else { "false" });
    }

    fn text(out: &mut String, text: &str) {
        // Writing to a String cannot fail, here and below.
        let _written = write_json_string(out, text).is_ok();
    }

    fn plain(out: &mut String, value: impl Display) {
        plain(value, out);
    }
}

/// Appends text that needs no escaping, as a JSON string.
pub fn plain(value: impl Display, out: &mut String) {
    let _written = write!(out, "\"{value}\"").is_ok();
}

/// Appends the displayed value, as a JSON string.
pub fn text(value: Value<'_>, out: &mut String) {
    if let Some(text) = value.as_str() {
        let _written = write_json_string(out, text).is_ok();
        return;
    }
    out.push('"');
    let _written = write!(Escaped(out), "{value}").is_ok();
    out.push('"');
}

/// Writes text inside a JSON string, and escapes it.
#[derive(Debug)]
pub struct Escaped<'o>(pub &'o mut String);

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
