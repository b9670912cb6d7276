//! A TOML file as a tree with the location of every key and value, and the merging of two such trees.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;

/// A configuration file larger than this is not one.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Why a file cannot be read as text.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    #[error("is not valid UTF-8 (first at byte {0}): save it as UTF-8")]
    NotText(usize),
    #[error("is larger than 4 MiB and so no configuration file")]
    TooLarge,
}

pub(super) fn read_text(path: &Path) -> Result<String, ReadError> {
    if fs::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(ReadError::TooLarge);
    }
    String::from_utf8(fs::read(path)?).map_err(|error| ReadError::NotText(error.utf8_error().valid_up_to()))
}

/// A position in a file. Line 0 stands for the file as a whole.
#[derive(Clone, Debug)]
pub(super) struct SourceLocation {
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl SourceLocation {
    /// The file as a whole.
    pub(super) fn whole(file: &Path) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

/// Which file a value was written in: this decides whether an environment variable overrides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A connector's own file, or any part of the host's file but `[defaults]`.
    Own,
    /// `[defaults]` of the host's file.
    Defaults,
}

/// A key's value. `key` is the location of the key, `location` that of the value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) key: SourceLocation,
    pub(super) location: SourceLocation,
    pub(super) layer: Layer,
    pub(super) value: TomlValue,
}

#[derive(Clone, Debug)]
pub(super) enum TomlValue {
    Text(String),
    /// A text with its placeholders resolved; it may be read as a number or a boolean.
    Filled(String),
    /// A text with a placeholder that could not be resolved, which is already reported.
    Unresolved,
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
}

impl TomlValue {
    /// The name of this kind of value in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Filled(_) | Self::Unresolved => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Node>,
}

impl Table {
    /// Parses TOML. The first syntax error goes to `report`, and then nothing is returned. Later ones mostly follow from it:
    /// after a missing bracket, every line is an error.
    pub(super) fn parse(text: &str, file: &Path, report: &Report) -> Option<Self> {
        let builder = Builder { file: file.into(), lines: line_starts(text), text, report };
        let (tree, errors) = DeTable::parse_recoverable(text);
        let Some(first) = errors.first() else { return Some(builder.table(tree.get_ref())) };
        let location = builder.location(first.span().map_or(0, |span| span.start));
        let follow_ups = errors.len() > 1;
        let help = follow_ups
            .then(|| "the cause may be a bracket or quote that is missing in a line above".to_owned());
        report.error(&location, "", format!("broken TOML: {}", one_line(first.message())), help);
        None
    }

    /// Adds the keys that this table does not have from `defaults`: tables key by key, anything else as a whole.
    pub(super) fn fill_from(&mut self, defaults: &Self) {
        for (name, default) in &defaults.entries {
            match self.entries.entry(name.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(default.clone());
                }
                Entry::Occupied(mut own) => {
                    if let (TomlValue::Table(own), TomlValue::Table(default)) =
                        (&mut own.get_mut().value, &default.value)
                    {
                        own.fill_from(default);
                    }
                }
            }
        }
    }

    /// Sets the layer of every value in the tree.
    pub(super) fn set_layer(&mut self, layer: Layer) {
        self.entries.values_mut().for_each(|node| node.set_layer(layer));
    }

    /// The table under `name`, if there is one.
    pub(super) fn table(&self, name: &str) -> Option<&Self> {
        match &self.entries.get(name)?.value {
            TomlValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text under `name`, if there is one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.entries.get(name)?.value {
            TomlValue::Text(text) | TomlValue::Filled(text) => Some(text),
            _ => None,
        }
    }
}

impl Node {
    fn set_layer(&mut self, layer: Layer) {
        self.layer = layer;
        match &mut self.value {
            TomlValue::List(items) => items.iter_mut().for_each(|item| item.set_layer(layer)),
            TomlValue::Table(table) => table.set_layer(layer),
            _ => {}
        }
    }
}

/// Converts the parser's tree, which has byte offsets, into one with lines and columns.
struct Builder<'a> {
    file: Arc<Path>,
    text: &'a str,
    lines: Vec<usize>,
    report: &'a Report,
}

impl Builder<'_> {
    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            (name.to_string(), self.node(self.location(key.span().start), value))
        };
        Table { entries: table.iter().map(entry).collect() }
    }

    fn node(&self, key: SourceLocation, value: &Spanned<DeValue<'_>>) -> Node {
        let location = self.location(value.span().start);
        let value = self.value(value.get_ref(), &location);
        Node { key, location, layer: Layer::Own, value }
    }

    fn value(&self, value: &DeValue<'_>, location: &SourceLocation) -> TomlValue {
        match value {
            DeValue::String(text) => TomlValue::Text(text.to_string()),
            DeValue::Boolean(value) => TomlValue::Boolean(*value),
            DeValue::Datetime(value) => TomlValue::Datetime(value.to_string()),
            DeValue::Table(table) => TomlValue::Table(self.table(table)),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(value) => TomlValue::Integer(value),
                Err(_) => self.too_large(location, integer.as_str()),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(value) => TomlValue::Float(value),
                Err(_) => self.too_large(location, float.as_str()),
            },
            DeValue::Array(items) => {
                let item = |item: &Spanned<DeValue<'_>>| self.node(self.location(item.span().start), item);
                TomlValue::List(items.iter().map(item).collect())
            }
        }
    }

    fn too_large(&self, location: &SourceLocation, number: &str) -> TomlValue {
        self.report.error(location, "", format!("the number {number} does not fit 64 bits"), None);
        TomlValue::Unresolved
    }

    /// Line and column, in characters, of a byte offset.
    fn location(&self, offset: usize) -> SourceLocation {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        SourceLocation { file: Arc::clone(&self.file), line, column: before.chars().count() + 1 }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1)).collect()
}

/// The parser's messages may have several lines; a finding has one.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}
