//! Content of a line.

use std::fmt::{self, Write};

use serde::Serialize;
use tidegate_plugin::{prelude::*, write_event_line, write_record_line};

/// Content of a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Style {
    /// `{"topic","partition","offset","timestamp","key","operation","table","before","after"}` for a change event. A message has
    /// `value` instead of the rows, and any other record, also a row of the `unwrap` transform, is
    /// `{"topic","partition","offset","timestamp","key","value"}`.
    #[default]
    Event,
    /// `{"topic","partition","offset","timestamp","headers","key","value"}`: the complete Kafka record.
    Record,
    /// `{"operation","key","row"}`: the row after the change, null for a delete. For messages, rows of the `unwrap` transform
    /// and records that are not change events, the row is the value; for the latter, the operation is null.
    Row,
    /// Only the value, as JSON on one line: the text from Kafka, or what its format, types or a transform make of it.
    Value,
    /// Only the bytes of the value, unchanged; an empty line if there is none. A value that a transform has replaced is written
    /// as JSON. A value with line breaks takes several lines.
    Raw,
}

/// Lines of one file.
#[derive(Default)]
pub(crate) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Write for LineBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        // Most are punctuation of JSON.
        if char.is_ascii() {
            self.0.push(char as u8);
            return Ok(());
        }
        self.write_str(char.encode_utf8(&mut [0; 4]))
    }
}

/// Writes the line of a record, with a line break.
pub(crate) fn write(out: &mut LineBuffer, style: Style, record: Record<'_>) -> fmt::Result {
    match style {
        Style::Event => write_event_line(out, record)?,
        Style::Record => write_record_line(out, record)?,
        Style::Row => write_row(out, record)?,
        Style::Value => record.write_value_json(out)?,
        Style::Raw => write_raw(out, record)?,
    }
    out.write_char('\n')
}

fn write_raw(out: &mut LineBuffer, record: Record<'_>) -> fmt::Result {
    if record.has_original_value() {
        out.0.extend_from_slice(record.value_bytes().unwrap_or_default());
        return Ok(());
    }
    if record.is_tombstone() {
        return Ok(());
    }
    record.value().write_json(out)
}

fn write_row(out: &mut LineBuffer, record: Record<'_>) -> fmt::Result {
    let change = record.change();
    match change {
        Some(change) => write!(out, "{{\"operation\":\"{}\"", change.operation())?,
        None => out.write_str("{\"operation\":null")?,
    }
    out.write_str(",\"key\":")?;
    record.key().write_json(out)?;
    out.write_str(",\"row\":")?;
    let change = change.filter(|change| change.operation() != Operation::Message && !record.is_unwrapped());
    change.map_or(record.value(), |change| change.after_value()).write_json(out)?;
    out.write_char('}')
}
