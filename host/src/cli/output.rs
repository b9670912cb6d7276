//! Standard output that may be closed: `tidegate status | head` is no error.

use std::{fmt::Display, io};

use crate::telemetry::write_output;

/// Writes `text` to standard output. Whoever reads it may have read enough.
///
/// # Errors
/// When standard output fails in another way.
pub(super) fn print(text: impl Display) -> io::Result<()> {
    match write_output(text.to_string().as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// As [`print`], and ends the line.
///
/// # Errors
/// As [`print`].
pub(super) fn print_line(text: impl Display) -> io::Result<()> {
    print(format_args!("{text}\n"))
}
