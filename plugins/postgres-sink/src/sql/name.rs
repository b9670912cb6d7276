//! Names and texts in statements.

use std::fmt::{self, Display, Write};

/// A quoted name; any characters but NUL are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'n>(&'n str);

/// Quotes a name.
pub(crate) fn quoted(name: &str) -> Quoted<'_> {
    Quoted(name)
}

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        doubled(formatter, self.0, '"')
    }
}

/// A string literal, for comments and the names of locks, which cannot be bound.
pub(super) struct Literal<'t>(pub(super) &'t str);

impl Display for Literal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sessions set standard_conforming_strings, so a backslash is no escape.
        doubled(formatter, self.0, '\'')
    }
}

fn doubled(formatter: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    formatter.write_char(quote)?;
    for character in text.chars() {
        if character == quote {
            formatter.write_char(quote)?;
        }
        formatter.write_char(character)?;
    }
    formatter.write_char(quote)
}

/// A separated list.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    joined(items, ", ")
}

pub(super) fn joined(items: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}
