//! Names and string literals in statements.

use std::fmt::{self, Display, Write};

/// A name in backticks; any characters are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'n>(&'n str);

/// Quotes a name.
pub(crate) fn quoted(name: &str) -> Quoted<'_> {
    Quoted(name)
}

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        enclosed(formatter, self.0, '`')
    }
}

/// A string literal, for comments, which cannot be bound.
pub(super) struct Literal<'t>(pub(super) &'t str);

impl Display for Literal<'_> {
    /// Sessions set NO_BACKSLASH_ESCAPES, so a backslash is no escape.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        enclosed(formatter, self.0, '\'')
    }
}

fn enclosed(formatter: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    formatter.write_char(quote)?;
    for character in text.chars() {
        if character == quote {
            formatter.write_char(quote)?;
        }
        formatter.write_char(character)?;
    }
    formatter.write_char(quote)
}
