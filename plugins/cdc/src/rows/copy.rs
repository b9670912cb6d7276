//! Rows in the text format of PostgreSQL's COPY: a line for each row, with tabs between the values.
//!
//! Source: "File Formats, Text Format" of the COPY command in PostgreSQL's documentation.

use std::fmt::{Display, Write};

use super::{Escaped, RowFormat};

/// Lines for PostgreSQL's COPY in text format. Statements that do not load them bind them as a JSON array of arrays of texts and
/// nulls.
#[derive(Clone, Copy, Debug)]
pub struct CopyRows;

impl RowFormat for CopyRows {
    const NAME: &'static str = "text for COPY";
    const OPEN: &'static str = "";
    const CLOSE: &'static str = "\n";
    const BETWEEN_ROWS: &'static str = "\n";
    const ROW_OPEN: &'static str = "";
    const ROW_CLOSE: &'static str = "";
    const BETWEEN: &'static str = "\t";

    fn bound(rows: String) -> String {
        let mut json = String::with_capacity(rows.len() * 5 / 4);
        json.push('[');
        for (number, row) in rows.lines().enumerate() {
            json.push_str(if number == 0 { "[" } else { ",[" });
            for (place, value) in row.split('\t').enumerate() {
                if place > 0 {
                    json.push(',');
                }
                to_json(value, &mut json);
            }
            json.push(']');
        }
        json.push(']');
        json
    }

    fn null(out: &mut String) {
        out.push_str(NULL);
    }

    fn bool(out: &mut String, value: bool) {
        out.push(if value { 't' } else { 'f' });
    }

    fn text(out: &mut String, text: &str) {
        // Writing to a String cannot fail, here and below.
        let _written = CopyText(out).write_str(text).is_ok();
    }

    fn plain(out: &mut String, value: impl Display) {
        let _written = write!(out, "{value}").is_ok();
    }
}

const NULL: &str = "\\N";

/// Appends a value of COPY as a JSON string, or as null.
fn to_json(value: &str, json: &mut String) {
    if value == NULL {
        json.push_str("null");
        return;
    }
    json.push('"');
    let (mut rest, mut out) = (value, Escaped(json));
    while let Some((before, after)) = rest.split_once('\\') {
        let mut characters = after.chars();
        let escaped = match characters.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            other => other.unwrap_or('\\'),
        };
        // Writing to a String cannot fail.
        let _written = out.write_str(before).is_ok() && out.write_char(escaped).is_ok();
        rest = characters.as_str();
    }
    let _written = out.write_str(rest).is_ok();
    json.push('"');
}

/// Writes text as a value of COPY, and escapes it.
#[derive(Debug)]
pub struct CopyText<'o>(pub &'o mut String);

impl Write for CopyText<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut start = 0;
        for (index, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'\\' => "\\\\",
                b'\t' => "\\t",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => continue,
            };
            // All of them are ASCII, so the text is split at character boundaries.
            self.0.push_str(text.get(start..index).unwrap_or_default());
            self.0.push_str(escape);
            start = index + 1;
        }
        self.0.push_str(text.get(start..).unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::texts;

    fn values() -> impl Strategy<Value = Option<String>> {
        let text =
            prop_oneof!["[\\\\tnrN\t\n\r\"'\u{1}\u{85}\u{2028}]{0,8}", "\\PC{0,8}", Just("\\N".to_owned())];
        prop::option::of(text)
    }

    proptest! {
        #[test]
        fn bound_rows_are_json_with_the_same_values(
            rows in (1..4_usize).prop_flat_map(|columns| {
                prop::collection::vec(prop::collection::vec(values(), columns), 1..5)
            }),
        ) {
            let encoded = texts::<CopyRows>(rows.iter().map(Vec::as_slice));
            let json = CopyRows::bound(encoded.payload(0..rows.len()));
            prop_assert_eq!(serde_json::from_str::<Vec<Vec<Option<String>>>>(&json).unwrap(), rows);
        }
    }
}
