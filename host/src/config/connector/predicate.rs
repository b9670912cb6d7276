//! `when`: which records a transform sees.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::source::regex_message;
use crate::config::document::TomlValue;
use crate::config::section::Section;

/// The kind of change that a record stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// `"insert"` or `"create"`: a new row.
    Insert,
    /// `"snapshot"` or `"read"`: a row that a snapshot read.
    Snapshot,
    /// `"update"`.
    Update,
    /// `"delete"`.
    Delete,
    /// `"truncate"`: all rows of a table are deleted.
    Truncate,
    /// `"message"`: a message that someone put into the source's log.
    Message,
}

const KINDS: [(&str, ChangeKind); 8] = [
    ("insert", ChangeKind::Insert),
    ("create", ChangeKind::Insert),
    ("snapshot", ChangeKind::Snapshot),
    ("read", ChangeKind::Snapshot),
    ("update", ChangeKind::Update),
    ("delete", ChangeKind::Delete),
    ("truncate", ChangeKind::Truncate),
    ("message", ChangeKind::Message),
];

/// Conditions on a record, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// `topic`: the topic's name matches, anywhere in it.
    pub topic: Option<TextPattern>,
    /// `table`: the changed table's name matches, anywhere in it. Records that are not change events do not match.
    pub table: Option<TextPattern>,
    /// `header`: the record has a header of this name.
    pub header: Option<String>,
    /// `tombstone`: the record has no value (true), or has one (false).
    pub tombstone: Option<bool>,
    /// `operation`: the record is a change of one of these kinds; empty means any record.
    pub operations: Vec<ChangeKind>,
    /// `not = true`: negates the whole predicate.
    pub negated: bool,
    /// `not = { .. }`: these conditions must not all hold.
    pub unless: Option<Box<Predicate>>,
}

impl Predicate {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let tombstone = section.boolean("tombstone");
        let negation = section.node("not");
        let nested = matches!(negation.map(|node| &node.value), Some(TomlValue::Table(_)));
        let predicate = Self {
            topic: pattern(&mut section, "topic"),
            table: pattern(&mut section, "table"),
            header: section.name("header"),
            tombstone,
            operations: operations(&mut section),
            negated: !nested && section.boolean("not").unwrap_or(false),
            unless: nested.then(|| Box::new(Self::read(section.section("not")))),
        };
        let conditions = ["topic", "table", "header", "tombstone", "operation"];
        if !nested && !conditions.iter().any(|key| section.has(key)) {
            let help = "add topic, table, header, tombstone or operation, or remove it".to_owned();
            section.error("", "has no condition", Some(help));
        }
        section.finish();
        predicate
    }
}

fn pattern(section: &mut Section<'_>, key: &'static str) -> Option<TextPattern> {
    let text = section.name(key)?;
    let pattern = Regex::new(&text).map_err(|error| section.error(key, regex_message(&error), None));
    pattern.ok().map(TextPattern)
}

fn operations(section: &mut Section<'_>) -> Vec<ChangeKind> {
    let Some(names) = section.texts("operation") else {
        return vec![];
    };
    if names.is_empty() {
        section.error("operation", "must name at least one operation", None);
    }
    let choices = || KINDS.iter().map(|(name, kind)| (*name, *kind)).collect();
    names.iter().filter_map(|name| section.choose("operation", name, choices())).collect()
}

/// A regular expression that matches anywhere in a text. Two are the same if their texts are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextPattern(Regex);

impl TextPattern {
    /// Whether the pattern matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for TextPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for TextPattern {}

impl TryFrom<String> for TextPattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

impl From<TextPattern> for String {
    fn from(pattern: TextPattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}
