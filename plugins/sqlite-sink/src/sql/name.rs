//! Names in statements: quoted.

use std::fmt::{self, Display, Write};

/// A quoted name; any characters are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'n>(&'n str);

/// Quotes a name.
pub(crate) fn quoted(name: &str) -> Quoted<'_> {
    Quoted(name)
}

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            if character == '"' {
                formatter.write_char('"')?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('"')
    }
}

/// A separated list.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    joined(items, ", ")
}

pub(super) fn joined(items: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}
