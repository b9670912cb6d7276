//! Writes to stdout and ignores a closed pipe, as in `tidegate status | head`.

use std::{
    fmt::{Display, Write as _},
    io,
};

use serde::Serialize;
use tidegate_abi::printable::PrintableJson;

use crate::telemetry::write_output;

/// Writes `text` to stdout. A closed pipe is not an error.
///
/// # Errors
/// When writing fails for another reason.
pub(super) fn print(text: impl Display) -> io::Result<()> {
    match write_output(text.to_string().as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Like [`print`], with a line end.
///
/// # Errors
/// As for [`print`].
pub(super) fn print_line(text: impl Display) -> io::Result<()> {
    print(format_args!("{text}\n"))
}

/// Prints a value as indented JSON, with escapes for what could control a terminal.
///
/// # Errors
/// As for [`print`].
pub(super) fn print_json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut printable = PrintableJson(String::with_capacity(text.len()));
    // Writing to a string cannot fail.
    let _infallible = printable.write_str(&text);
    print_line(printable.0)
}

/// A number with its noun: `1 record`, `2 records`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
