//! A value that is not of its declared type.

use std::fmt;

use tidegate_abi::{Value, raw::Kind};

/// A value that is not of its declared type: where it is, what was expected, what was found. Never the value itself.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Mismatch {
    path: String,
    expected: &'static str,
    found: &'static str,
}

impl Mismatch {
    #[cold]
    pub(crate) const fn new(expected: &'static str, found: &'static str) -> Self {
        Self { path: String::new(), expected, found }
    }

    /// `value` stands where `expected` should.
    #[cold]
    pub(crate) fn of(expected: &'static str, value: &Value<'_>) -> Self {
        Self::new(expected, describe(value))
    }

    /// The same inside the field `name`.
    pub(crate) fn inside(&mut self, name: &str) {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.path.insert_str(0, dot);
        self.path.insert_str(0, name);
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(out, "{}{colon}expected {}, found {}", self.path, self.expected, self.found)
    }
}

fn describe(value: &Value<'_>) -> &'static str {
    match value.kind() {
        Kind::NULL => "null",
        Kind::BOOL => "true or false",
        Kind::INT | Kind::UINT => "a whole number",
        Kind::FLOAT | Kind::NUMBER => "a number",
        Kind::STRING => "text",
        Kind::LIST => "a list",
        Kind::STRUCT => "an object",
        _ => "another value",
    }
}
