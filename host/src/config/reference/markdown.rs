//! The tables of the reference in Markdown.

use std::fmt::Write;

use tidegate_plugin::{ByteSize, HumanDuration};

use super::Group;
use crate::config::keys::{Keys, Shape};

/// Where the table of a group begins in a document, and where every table ends.
fn begin(group: &Group) -> String {
    format!("<!-- keys of {}, generated -->\n", group.name)
}
const END: &str = "<!-- end of keys -->\n";

/// The document with its tables replaced by those of `groups`.
///
/// # Panics
/// If the document lacks the place of a table.
pub(super) fn with_tables(mut document: String, groups: &[Group], keys: &Keys) -> String {
    for group in groups {
        let begin = begin(group);
        let start =
            document.find(&begin).unwrap_or_else(|| panic!("the document has no {begin:?}")) + begin.len();
        let end = document[start..].find(END).unwrap_or_else(|| panic!("no {END:?} after {begin:?}")) + start;
        document.replace_range(start..end, &table(group, keys));
    }
    document
}

fn table(group: &Group, keys: &Keys) -> String {
    let mut text = "\n| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for entry in group.entries {
        let path = if group.path.is_empty() {
            entry.key.to_owned()
        } else {
            format!("{}.{}", group.path, entry.key)
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            entry.key,
            words_of(keys.shapes(&path)),
            entry.default,
            entry.about
        )
        .expect("a string takes everything");
    }
    text.replace("|  |", "| |") + "\n"
}

fn words_of(shapes: &[Shape]) -> String {
    if let [Shape::Texts, choice @ Shape::Choice(_)] = shapes {
        return format!("one or more of {}", words(choice));
    }
    shapes.iter().map(words).collect::<Vec<_>>().join(" or ")
}

/// The possible values, in Markdown.
fn words(shape: &Shape) -> String {
    match shape {
        Shape::Text => "string".to_owned(),
        Shape::Texts => "string or list of strings".to_owned(),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Integer(bounds) => {
            format!("integer, {} to {}", grouped(*bounds.start()), grouped(*bounds.end()))
        }
        Shape::Number(bounds) => format!("number, {} to {}", bounds.start(), bounds.end()),
        Shape::Size(bounds) => {
            let [low, high] = [bounds.start(), bounds.end()].map(|bytes| ByteSize::from_bytes(*bytes));
            format!("size, {low} to {high}")
        }
        Shape::Duration(bounds) => {
            let [low, high] = [bounds.start(), bounds.end()].map(|time| HumanDuration::from(*time));
            format!("duration, {low} to {high}")
        }
        Shape::Choice(names) => {
            names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(", ")
        }
        Shape::Table => "table".to_owned(),
        Shape::Tables => "list of tables".to_owned(),
    }
}

/// `1000000` becomes `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
