//! Errors of statements and logins: Snowflake's message and code, and a hint.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use super::{
    class::Class,
    statement::Statement,
    wire::{Failure, Outcome},
};

/// Maximum length of Snowflake's message, in characters.
const MAX_MESSAGE_LENGTH: usize = 1_000;

/// Error of a statement or a login. It never contains the text of the statement, its values, or a secret.
#[derive(Clone, Debug)]
pub(crate) struct SqlError(Box<Details>);

/// Details of an error.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    pub(crate) class: Class,
    /// Snowflake's code with leading zeros, or `HTTP 503` for a response of a gateway; may be empty.
    pub(crate) code: String,
    /// SQLSTATE; may be empty.
    pub(crate) state: String,
    /// Query id; may be empty.
    pub(crate) query_id: String,
    /// Message, from Snowflake if available.
    pub(crate) message: String,
    /// Hint with a fix, if known.
    pub(crate) hint: Option<String>,
    /// Kind of operation: `MERGE`, `login`.
    pub(crate) kind: &'static str,
    /// Quoted target table.
    pub(crate) table: Option<String>,
    /// Delay that the server or the lockout requires.
    pub(crate) retry_after: Option<Duration>,
}

impl SqlError {
    /// Creates an error of the sink.
    pub(crate) fn new(class: Class, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            class,
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

    /// The error of a request without a response of Snowflake.
    pub(super) fn from_failure(failure: &Failure, kind: &'static str) -> Self {
        let mut error = Self::new(failure.class(), kind, failure.to_string());
        error.code = failure.code();
        failure.query_id().clone_into(&mut error.query_id);
        error.retry_after = failure.retry_after();
        error
    }

    /// The error in a response of Snowflake.
    pub(super) fn from_outcome(outcome: Outcome, class: Class, kind: &'static str) -> Self {
        let message = match one_line(&outcome.message) {
            message if message.is_empty() => "Snowflake gave no reason".to_owned(),
            message => message,
        };
        let mut error = Self::new(class, kind, message);
        error.code = outcome.code;
        error.state = outcome.state;
        error.query_id = outcome.query_id;
        error.retry_after = outcome.retry_after;
        error
    }

    /// Adds the statement.
    pub(super) fn about(mut self, statement: &Statement<'_>) -> Self {
        self.kind = statement.kind;
        self.table = statement.table.map(str::to_owned);
        self
    }

    /// Adds a hint.
    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
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

/// A message on one line, truncated.
fn one_line(message: &str) -> String {
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
