//! SQL by the servers' own command-line clients: whole statements, and rows as text.

use std::{
    io::{BufRead, BufReader, Seek, Write},
    process::{Command, Stdio},
};

use super::{Database, Session, engine::Format};

impl Database {
    /// Executes statements, separated by semicolons, as the owner.
    ///
    /// # Panics
    /// If one fails.
    #[track_caller]
    pub fn execute(&self, statements: &str) {
        self.try_execute(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// Executes statements, separated by semicolons, as the owner.
    ///
    /// # Errors
    /// What the client prints if one fails, or the server does not answer.
    pub fn try_execute(&self, statements: &str) -> Result<(), String> {
        let (name, instance) = (self.name(), &self.instance);
        run(&mut self.engine.client(instance, name, name), statements)
    }

    /// Logs a user in.
    ///
    /// # Errors
    /// What the client prints if the server refuses it.
    pub fn log_in(&self, user: &str, password: &str) -> Result<(), String> {
        run(&mut self.engine.client(&self.instance, user, password), "SELECT 1")
    }

    /// Opens a session of the owner, which stays open between statements.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::start(&mut self.engine.client(&self.instance, self.name(), self.name()))
    }

    /// The rows of one query, as text; `None` is NULL. MariaDB's client prints the text `NULL` as it prints NULL.
    ///
    /// # Panics
    /// If the query fails.
    #[must_use]
    #[track_caller]
    pub fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let mut rows = Vec::new();
        self.for_each_row(query, |row| rows.push(row.to_vec()));
        rows
    }

    /// The only cell of the only row of a query.
    ///
    /// # Panics
    /// If the query fails, or has another number of rows or columns, or the cell is NULL.
    #[must_use]
    #[track_caller]
    pub fn value(&self, query: &str) -> String {
        match self.rows(query).as_slice() {
            [row] if row.len() == 1 => row[0].clone().expect("a value"),
            rows => panic!("{query}: {} rows instead of one value", rows.len()),
        }
    }

    /// Calls `take` with each row of a query, as [`Database::rows`] returns them, without holding all in memory.
    ///
    /// # Panics
    /// If the query fails.
    #[track_caller]
    pub fn for_each_row(&self, query: &str, mut take: impl FnMut(&[Option<String>])) {
        let mut command = self.engine.client(&self.instance, self.name(), self.name());
        let format = self.engine.parseable(&mut command);
        command.stdin(input(query)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut output = BufReader::with_capacity(1 << 20, client.stdout.take().expect("piped"));
        let mut row = Vec::new();
        while output.read_until(format.row, &mut row).expect("the client's output") > 0 {
            take(&format.cells(&row));
            row.clear();
        }
        let output = client.wait_with_output().expect("the client ends");
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Format {
    /// The cells of a row, which ends with its separator; the last row may end with a line break instead.
    fn cells(&self, row: &[u8]) -> Vec<Option<String>> {
        let row = row.strip_suffix(&[self.row]).or(row.strip_suffix(b"\n")).unwrap_or(row);
        row.split(|byte| *byte == self.cell).map(|cell| self.cell(cell)).collect()
    }

    fn cell(&self, cell: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(cell);
        match &*text {
            text if text == self.null => None,
            text if self.escapes => Some(unescape(text)),
            text => Some(text.to_owned()),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        plain.push(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('0') => '\0',
            Some(other) => other,
            None => character,
        });
    }
    plain
}

/// Runs a client with statements.
///
/// # Errors
/// What it prints to its standard error if it fails.
pub(super) fn run(client: &mut Command, statements: &str) -> Result<(), String> {
    let output = client.stdin(input(statements)).output().map_err(|error| format!("{client:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// A file, because a client that prints much reads a pipe too late for us to write it first.
fn input(statements: &str) -> Stdio {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(statements.as_bytes()).and_then(|()| file.rewind()).expect("a temporary file");
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_client_are_undone() {
        let format = Format { cell: b'\t', row: b'\n', null: "NULL", escapes: true };
        let cells = format.cells(b"a\\tb\\\\n\t\tNULL\n");
        assert_eq!(cells, [Some("a\tb\\n".to_owned()), Some(String::new()), None]);
    }

    #[test]
    fn line_breaks_in_a_value_are_kept_where_another_character_ends_a_row() {
        let format = Format { cell: 0x1f, row: 0x1e, null: "\u{1d}", escapes: false };
        assert_eq!(format.cells(b"a\\n\nb\x1f\x1d\x1e"), [Some("a\\n\nb".to_owned()), None]);
        assert_eq!(format.cells(b"the last\n"), [Some("the last".to_owned())]);
    }
}
