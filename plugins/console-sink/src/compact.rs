//! The compact style: one line per record; for an update, only the changed columns.

use std::{
    collections::HashMap,
    fmt::{self, Write},
};

use tidegate_plugin::{
    prelude::*,
    printable::{OneLine, PrintableJson},
    same_value,
};

use crate::paint::{Paint, color};

/// Writes the line of a record.
pub(crate) fn write(out: &mut String, paint: Paint, record: Record<'_>) -> fmt::Result {
    match record.change().filter(|_| !record.is_unwrapped()) {
        Some(change) => write_change(out, paint, change, record)?,
        None => {
            let coordinates = format_args!("{}-{}@{}", record.topic(), record.partition(), record.offset());
            write!(out, "{} ", paint.with(color::DIM, coordinates))?;
            json(out, record.key())?;
            out.write_char(' ')?;
            json(out, record.value())?;
        }
    }
    out.write_char('\n')
}

fn write_change(out: &mut String, paint: Paint, change: Change<'_>, record: Record<'_>) -> fmt::Result {
    let operation = change.operation();
    write!(out, "{}", paint.operation(operation))?;
    if !change.table().is_empty() {
        write!(out, " {}", paint.with(color::BOLD, OneLine(change.table())))?;
    }
    if !record.key().is_null() {
        out.write_char(' ')?;
        json(out, record.key())?;
    }
    match operation {
        Operation::Update if !change.before_value().is_null() => write_difference(out, paint, change),
        Operation::Truncate => Ok(()),
        Operation::Message => write_after_space(out, record.value()),
        _ => write_after_space(out, change.row().to_value()),
    }
}

fn json(out: &mut String, value: Value<'_>) -> fmt::Result {
    value.write_json(&mut PrintableJson(out))
}

fn write_after_space(out: &mut String, value: Value<'_>) -> fmt::Result {
    out.write_char(' ')?;
    json(out, value)
}

/// `email: "old" -> "new", tier: null -> "gold"`. A column that the old row does not have is shown as changed from null.
fn write_difference(out: &mut String, paint: Paint, change: Change<'_>) -> fmt::Result {
    let (before, after) = (OldRow::of(change.before()), change.after());
    let mut separator = " ";
    for (column, new) in after.iter() {
        let old = before.get(column);
        // The source does not send unchanged large values.
        if new.is_unavailable() || old.is_some_and(|old| same_value(old, new)) {
            continue;
        }
        write!(out, "{separator}{}", paint.with(color::BOLD, format_args!("{}: ", OneLine(column))))?;
        json(out, old.unwrap_or_default())?;
        out.write_str(" -> ")?;
        json(out, new)?;
        separator = ", ";
    }
    if separator == " " { out.write_str(" (no column changed)") } else { Ok(()) }
}

/// The old row of an update.
struct OldRow<'b> {
    row: Struct<'b>,
    /// The columns of a wide row by name: searching the row for each of them would take quadratic time.
    by_name: HashMap<&'b str, Value<'b>>,
}

impl<'b> OldRow<'b> {
    const NARROW: usize = 50;

    fn of(row: Struct<'b>) -> Self {
        let by_name = if row.len() > Self::NARROW { row.iter().collect() } else { HashMap::new() };
        Self { row, by_name }
    }

    fn get(&self, name: &str) -> Option<Value<'b>> {
        if self.by_name.is_empty() { self.row.get(name) } else { self.by_name.get(name).copied() }
    }
}
