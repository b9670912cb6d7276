//! What a dry run prints in place of changing anything.

use std::io::{self, Write};

/// Prints a statement that would run, with its number of rows, on standard output. Texts hold names and `?`, no data.
pub(crate) fn print(kind: &str, table: Option<&str>, text: &str, rows: Option<usize>) {
    let table = table.unwrap_or_default();
    let rows = rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
    // Nobody reads: there is nothing to do about it, and nothing is lost.
    let _printed = writeln!(io::stdout().lock(), "-- {kind} {table}{rows}\n{text};\n").is_ok();
}
