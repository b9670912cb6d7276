//! The pretty style: one block per record.

use std::fmt::{self, Write};

use tidegate_plugin::{
    prelude::*,
    printable::{OneLine, PrintableJson},
};

use crate::paint::{Paint, color};

const RULE: &str = "================================================================================";

/// Writes the block of a record, and an empty line after it.
pub(crate) fn write(out: &mut String, paint: Paint, record: Record<'_>) -> fmt::Result {
    writeln!(out, "{}", paint.with(color::DIM, RULE))?;
    match record.change().filter(|_| !record.is_unwrapped()) {
        Some(change) => write_change(out, paint, change, record)?,
        None => write_other(out, paint, record)?,
    }
    writeln!(out, "{}\n", paint.with(color::DIM, RULE))
}

fn write_change(out: &mut String, paint: Paint, change: Change<'_>, record: Record<'_>) -> fmt::Result {
    line(out, paint, "Operation", paint.operation(change.operation()))?;
    match change.table() {
        "" => line(out, paint, "Topic", OneLine(record.topic()))?,
        table => line(out, paint, "Table", OneLine(table))?,
    }
    if let Some(timestamp) = change.event_ms().or_else(|| change.commit_ms()) {
        line(out, paint, "Timestamp", timestamp)?;
    }
    if !change.position_text().is_empty() {
        line(out, paint, "LSN", OneLine(change.position_text()))?;
    }
    let (before, after) = (change.before_value(), change.after_value());
    match change.operation() {
        Operation::Create | Operation::Read => value(out, paint, "After", after),
        Operation::Delete => value(out, paint, "Before", before),
        Operation::Truncate => Ok(()),
        Operation::Message => value(out, paint, "Value", record.value()),
        // For an update, a missing old row is shown as null: the table does not have REPLICA IDENTITY FULL.
        _ => value(out, paint, "Before", before).and_then(|()| value(out, paint, "After", after)),
    }
}

fn write_other(out: &mut String, paint: Paint, record: Record<'_>) -> fmt::Result {
    line(out, paint, "Topic", OneLine(record.topic()))?;
    line(out, paint, "Partition", record.partition())?;
    line(out, paint, "Offset", record.offset())?;
    if let Some(timestamp) = record.timestamp_ms() {
        line(out, paint, "Timestamp", timestamp)?;
    }
    value(out, paint, "Key", record.key())?;
    value(out, paint, "Value", record.value())
}

fn line(out: &mut String, paint: Paint, label: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(out, "{} {text}", paint.with(color::BOLD, format_args!("{label}:")))
}

fn value(out: &mut String, paint: Paint, label: &str, value: Value<'_>) -> fmt::Result {
    write!(out, "\n{} ", paint.with(color::BOLD, format_args!("{label}:")))?;
    value.write_json_pretty(&mut PrintableJson(&mut *out))?;
    out.write_char('\n')
}
