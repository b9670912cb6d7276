//! Output of a dry run.

use std::io::{self, Write};

/// Prints a statement and its number of rows to standard output. The text contains names and `?`, but no data.
pub(crate) fn print(kind: &str, table: Option<&str>, text: &str, rows: Option<usize>) {
    let table = table.unwrap_or_default();
    let rows = rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
    // Ignore errors: nothing is lost.
    let _printed = writeln!(io::stdout().lock(), "-- {kind} {table}{rows}\n{text};\n").is_ok();
}
