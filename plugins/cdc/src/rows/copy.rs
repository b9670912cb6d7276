//! Rows in the text format of PostgreSQL's COPY: a line for each row, with tabs between the values.
//!
//! Source: "File Formats, Text Format" of the COPY command in PostgreSQL's documentation.

use std::fmt::{Display, Write};

use super::RowFormat;

/// Lines for PostgreSQL's COPY in text format.
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

    fn null(out: &mut String) {
        out.push_str("\\N");
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
