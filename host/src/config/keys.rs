//! The keys of a file as its readers ask for them, and what each may be.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_plugin::{ByteSize, HumanDuration};

/// What the value of a key may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Text,
    /// A text, or a list of texts.
    Texts,
    Boolean,
    Integer(RangeInclusive<u64>),
    Number(RangeInclusive<f64>),
    /// Bytes.
    Size(RangeInclusive<u64>),
    Duration(RangeInclusive<Duration>),
    /// One of these texts.
    Choice(Vec<String>),
    Table,
    /// A list of tables.
    Tables,
}

/// Keys by path. Entries of lists have the path of the list and `[]`: `transforms[].plugin`.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<String, Vec<Shape>>);

impl Keys {
    pub(super) fn add(&mut self, path: &str, shape: Shape) {
        let shapes = self.0.entry(without_indexes(path)).or_default();
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }

    /// Adds the keys of another run of the readers.
    pub(super) fn merge(&mut self, other: Self) {
        for (path, shapes) in other.0 {
            shapes.into_iter().for_each(|shape| self.add(&path, shape));
        }
    }

    /// Leaves out keys that `drop` returns true for.
    pub(super) fn without(mut self, drop: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| !drop(path));
        self
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn shapes(&self, path: &str) -> &[Shape] {
        self.0.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of the keys in the table at `path`, which is empty for the root.
    pub(super) fn children<'k>(&'k self, path: &'k str) -> impl Iterator<Item = &'k str> {
        self.paths()
            .filter_map(move |key| match path {
                "" => Some(key),
                path => key.strip_prefix(path)?.strip_prefix('.'),
            })
            .filter(|name| !name.contains(['.', '[']))
    }
}

/// `transforms[0].name` becomes `transforms[].name`.
fn without_indexes(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |path, part| format!("{path}[{}", part.trim_start_matches(|c: char| c.is_ascii_digit())))
}

impl Shape {
    /// The JSON Schema of the value.
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Texts => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Integer(bounds) => {
                json!({ "type": "integer", "minimum": bounds.start(), "maximum": bounds.end() })
            }
            Self::Number(bounds) => {
                json!({ "type": "number", "minimum": bounds.start(), "maximum": bounds.end() })
            }
            Self::Size(bounds) => {
                json!({
                    "type": ["string", "integer"],
                    "minimum": bounds.start(),
                    "maximum": bounds.end(),
                    "pattern": ByteSize::PATTERN,
                })
            }
            Self::Duration(_) => json!({ "type": "string", "pattern": HumanDuration::PATTERN }),
            Self::Choice(names) => json!({ "enum": names }),
            Self::Table => json!({ "type": "object" }),
            Self::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        }
    }

    /// Whether a placeholder such as `${env:TASKS}` is not described by the schema already.
    pub(super) fn needs_placeholder(&self) -> bool {
        !matches!(self, Self::Text | Self::Texts | Self::Table | Self::Tables)
    }
}
