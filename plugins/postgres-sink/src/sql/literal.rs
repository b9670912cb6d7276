//! String literals in statements.

use std::fmt::{self, Display, Write};

/// A string literal, for comments and the names of locks, which cannot be bound.
pub(super) struct Literal<'t>(pub(super) &'t str);

impl Display for Literal<'_> {
    /// Sessions set `standard_conforming_strings`, so a backslash is no escape.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('\'')?;
        for character in self.0.chars() {
            if character == '\'' {
                formatter.write_char('\'')?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('\'')
    }
}
