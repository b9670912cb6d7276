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
    /// Only the value.
    Value,
}

/// Writes the line of a record, with a line break.
pub(crate) fn write(out: &mut String, style: Style, record: Record<'_>) -> fmt::Result {
    match style {
        Style::Event => write_event_line(out, record)?,
        Style::Record => write_record_line(out, record)?,
        Style::Row => write_row(out, record)?,
        Style::Value => record.value().write_json(out)?,
    }
    out.write_char('\n')
}

fn write_row(out: &mut String, record: Record<'_>) -> fmt::Result {
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
