//! Pieces of SQL text that are the same in most databases.

use std::fmt::{self, Display, Write};

use crate::statement::Column;

/// A name in double quotes; any characters are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'n>(&'n str);

/// Quotes a name, as standard SQL does.
#[must_use]
pub fn quoted(name: &str) -> Quoted<'_> {
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

/// Items separated by commas.
pub fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    joined(items, ", ")
}

/// Items with a text between them.
pub fn joined(items: impl IntoIterator<Item = impl Display>, separator: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(separator)
}

/// `wanted`, which is in lower case, or a similar name that no column has in any case: for a column of a statement that is not one of
/// the table.
pub fn unused<'c, T: 'c>(wanted: &str, columns: impl IntoIterator<Item = &'c Column<T>> + Clone) -> String {
    let mut name = wanted.to_owned();
    while columns.clone().into_iter().any(|column| column.name.to_lowercase() == name) {
        name.push('_');
    }
    name
}
