//! Errors of statements and logins: the database's message and code, and a hint.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use super::{Cause, Class, Statement};

/// Maximum length of the database's message, in characters.
const MAX_MESSAGE_LENGTH: usize = 1_000;

/// Error of a statement or a login. It never contains the text of the statement, its values, or a secret.
#[derive(Clone, Debug)]
pub struct SqlError(Box<Details>);

/// Details of an error.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its class.
    pub class: Class,
    /// What exactly went wrong, if the sink can do something about it.
    pub cause: Cause,
    /// The database's code; may be empty.
    pub code: String,
    /// SQLSTATE; may be empty.
    pub state: String,
    /// Query id; may be empty.
    pub query_id: String,
    /// Message, from the database if available.
    pub message: String,
    /// Hint with a fix, if known.
    pub hint: Option<String>,
    /// Kind of operation: `MERGE`, `login`.
    pub kind: &'static str,
    /// Quoted target table.
    pub table: Option<String>,
    /// Delay that the server or the lockout requires.
    pub retry_after: Option<Duration>,
}

impl SqlError {
    /// Creates an error without a code. `kind` is the kind of statement, or `login`.
    #[must_use]
    pub fn new(class: Class, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            class,
            cause: Cause::Other,
            code: String::new(),
            state: String::new(),
            query_id: String::new(),
            message: message.into(),
            hint: None,
            kind,
            table: None,
            retry_after: None,
        }))
    }

    /// Adds the statement.
    #[must_use]
    pub fn about(mut self, statement: &Statement<'_>) -> Self {
        self.kind = statement.kind;
        self.table = statement.table.map(str::to_owned);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl Deref for SqlError {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for SqlError {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

/// A message of a database on one line, truncated, for an error.
#[must_use]
pub fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(MAX_MESSAGE_LENGTH) {
        line.truncate(end);
        line.push_str("...");
    }
    line
}

impl fmt::Display for SqlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind)?;
        if let Some(table) = &self.table {
            write!(formatter, " {}{table}", preposition(self.kind))?;
        }
        write!(formatter, " failed: {}", self.message.trim_end_matches('.'))?;
        let codes = match (self.code.as_str(), self.state.as_str()) {
            ("", _) => String::new(),
            (code, "") => code.to_owned(),
            (code, state) => format!("{code}/{state}"),
        };
        match (codes.as_str(), self.query_id.as_str()) {
            ("", "") => {}
            (codes, "") => write!(formatter, " ({codes})")?,
            ("", query) => write!(formatter, " (query {query})")?,
            (codes, query) => write!(formatter, " ({codes}, query {query})")?,
        }
        match &self.hint {
            Some(hint) => write!(formatter, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

fn preposition(kind: &str) -> &'static str {
    match kind {
        "MERGE" | "INSERT" => "into ",
        "SELECT" | "DELETE" => "from ",
        "UPDATE" | "SHOW COLUMNS" => "of ",
        _ => "",
    }
}
