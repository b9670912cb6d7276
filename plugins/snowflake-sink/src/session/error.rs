//! How a statement or a login fails: with Snowflake's own words and codes, and with what would help.

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

/// Longest message of the server's that is passed on, in characters.
const LONGEST: usize = 1_000;

/// Why a statement or a login failed. It never holds the statement's text, its values, or a secret.
#[derive(Clone, Debug)]
pub(crate) struct SqlError(Box<Details>);

/// What is known about an error.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    /// What to do about it.
    pub(crate) class: Class,
    /// Snowflake's code with its leading zeros, `HTTP 503` for an answer of a gateway; may be empty.
    pub(crate) code: String,
    /// SQLSTATE; may be empty.
    pub(crate) state: String,
    /// Id of the statement in Snowflake's history; may be empty.
    pub(crate) query_id: String,
    /// What went wrong, in Snowflake's words where it said so.
    pub(crate) message: String,
    /// What would help, if that is known.
    pub(crate) hint: Option<String>,
    /// What was tried: `MERGE`, `login`.
    pub(crate) kind: &'static str,
    /// The table it was for, quoted.
    pub(crate) table: Option<String>,
    /// How long the server, or the lockout, asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl SqlError {
    /// An error that is ours, not the server's.
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

    /// The error of a request that got no answer of Snowflake's.
    pub(super) fn from_failure(failure: &Failure, kind: &'static str) -> Self {
        let mut error = Self::new(failure.class(), kind, failure.to_string());
        error.code = failure.code();
        failure.query_id().clone_into(&mut error.query_id);
        error.retry_after = failure.retry_after();
        error
    }

    /// The error that Snowflake answered with.
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

    /// Names the statement that it is about.
    pub(super) fn about(mut self, statement: &Statement<'_>) -> Self {
        self.kind = statement.kind;
        self.table = statement.table.map(str::to_owned);
        self
    }

    /// Says what would help.
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

/// A message of the server's on one line, and not endless.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
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
