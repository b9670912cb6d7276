//! Standard output that may be closed: `tidegate status | head` is no error.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes `text` to standard output. Whoever reads it may have read enough.
///
/// # Errors
/// When standard output fails in another way.
pub(super) fn print(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
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
