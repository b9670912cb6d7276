//! Reads one table of a configuration file: typed values out, findings into the report, unknown keys at the end.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use tidegate_plugin::{ByteSize, HumanDuration};

use super::document::{Layer, Node, SourceLocation, Table, TomlValue};
use super::keys::Shape;
use super::report::Report;
use super::suggest;

/// A table being read. Every getter marks its key as known and returns `None` when the key is missing or its
/// value is wrong, the latter after reporting it; [`Section::finish`] then reports the keys that were not read.
#[must_use = "finish() reports the unknown keys"]
pub(super) struct Section<'a> {
    table: Option<&'a Table>,
    location: SourceLocation,
    layer: Layer,
    path: String,
    known: Vec<&'static str>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// The root of a file.
    pub(super) fn root(table: &'a Table, location: SourceLocation, report: &'a Report) -> Self {
        Self { table: Some(table), location, layer: Layer::Own, path: String::new(), known: vec![], report }
    }

    /// The table under `key`. One that the connector's own file does not have gets its parent's location: what is
    /// missing in it is missing there, even if `[defaults]` has the table.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.record(key, || Shape::Table);
        let missing = Section {
            table: None,
            location: self.location.clone(),
            layer: self.layer,
            path: self.join(key),
            known: vec![],
            report: self.report,
        };
        match self.node(key) {
            None => missing,
            Some(node) if node.layer == self.layer => self.open(self.join(key), node).unwrap_or(missing),
            Some(node) => match self.open(self.join(key), node) {
                Some(found) => Section { table: found.table, ..missing },
                None => missing,
            },
        }
    }

    /// Each table of the list under `key`, as `[[key]]` writes them.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        self.record(key, || Shape::Tables);
        let Some(node) = self.node(key) else { return vec![] };
        let TomlValue::List(items) = &node.value else {
            self.wrong_type(key, node, "a list of tables");
            return vec![];
        };
        let open = |(index, item)| self.open(format!("{}[{index}]", self.join(key)), item);
        items.iter().enumerate().filter_map(open).collect()
    }

    fn open(&self, path: String, node: &'a Node) -> Option<Section<'a>> {
        let (location, layer) = (node.key.clone(), node.layer);
        match &node.value {
            TomlValue::Table(table) => Some(Section {
                table: Some(table),
                location,
                layer,
                path,
                known: vec![],
                report: self.report,
            }),
            TomlValue::Unresolved => None,
            other => {
                let message = format!("expected a table, found {}", other.kind());
                self.report.error(&node.location, &shown(layer, &path), message, None);
                None
            }
        }
    }

    /// The raw node under `key`, marked as known.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table?.entries.get(key)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.record(key, || Shape::Text);
        let node = self.node(key)?;
        self.text_of(key, node)
    }

    /// A text that must not be empty.
    pub(super) fn name(&mut self, key: &'static str) -> Option<String> {
        self.record(key, || Shape::Text);
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.error(key, "must not be empty", None);
            return None;
        }
        Some(text)
    }

    /// A list of texts, or a single one.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.record(key, || Shape::Texts);
        let node = self.node(key)?;
        match &node.value {
            TomlValue::List(items) => items.iter().map(|item| self.text_of(key, item)).collect(),
            TomlValue::Text(text) | TomlValue::Filled(text) => Some(vec![text.clone()]),
            _ => {
                self.wrong_type(key, node, "a string or a list of strings");
                None
            }
        }
    }

    fn text_of(&self, key: &str, node: &Node) -> Option<String> {
        match &node.value {
            TomlValue::Text(text) | TomlValue::Filled(text) => Some(text.clone()),
            _ => {
                self.wrong_type(key, node, "a string");
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.record(key, || Shape::Boolean);
        let node = self.node(key)?;
        match &node.value {
            TomlValue::Boolean(value) => Some(*value),
            TomlValue::Filled(text) if text.parse::<bool>().is_ok() => text.parse().ok(),
            _ => {
                self.wrong_type(key, node, "true or false");
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        self.record(key, || Shape::Integer(bounds.clone()));
        let node = self.node(key)?;
        let value = match &node.value {
            TomlValue::Integer(value) => Some(*value),
            TomlValue::Filled(text) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(value) = value else {
            self.wrong_type(key, node, "an integer");
            return None;
        };
        let unsigned = u64::try_from(value).ok().filter(|unsigned| bounds.contains(unsigned));
        if unsigned.is_none() {
            self.out_of_bounds(key, value, bounds.start(), bounds.end());
        }
        unsigned
    }

    /// A number, with or without a fraction.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<f64>) -> Option<f64> {
        self.record(key, || Shape::Number(bounds.clone()));
        let node = self.node(key)?;
        let value = match &node.value {
            TomlValue::Integer(value) => Some(*value as f64),
            TomlValue::Float(value) => Some(*value),
            TomlValue::Filled(text) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(value) = value else {
            self.wrong_type(key, node, "a number");
            return None;
        };
        if !bounds.contains(&value) {
            self.out_of_bounds(key, value, bounds.start(), bounds.end());
            return None;
        }
        Some(value)
    }

    /// A size in bytes: a text with a unit, or a plain number of bytes.
    pub(super) fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<usize> {
        self.record(key, || Shape::Size(bounds.clone()));
        let node = self.node(key)?;
        let bytes = match &node.value {
            TomlValue::Text(text) | TomlValue::Filled(text) => {
                let parsed = text.parse::<ByteSize>();
                parsed.map_err(|error| self.error(key, error.to_string(), None)).ok()?.bytes()
            }
            TomlValue::Integer(bytes) if *bytes >= 0 => bytes.unsigned_abs(),
            _ => {
                self.wrong_type(key, node, "a size such as \"8 MiB\"");
                return None;
            }
        };
        if !bounds.contains(&bytes) {
            let [low, high] = [bounds.start(), bounds.end()].map(|bound| ByteSize::from_bytes(*bound));
            self.out_of_bounds(key, ByteSize::from_bytes(bytes), low, high);
            return None;
        }
        usize::try_from(bytes).ok()
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.record(key, || Shape::Duration(bounds.clone()));
        let node = self.node(key)?;
        let (TomlValue::Text(text) | TomlValue::Filled(text)) = &node.value else {
            self.wrong_type(key, node, "a duration with its unit such as \"1.5s\"");
            return None;
        };
        let parsed = text.parse::<HumanDuration>();
        let duration = *parsed.map_err(|error| self.error(key, error.to_string(), None)).ok()?;
        if !bounds.contains(&duration) {
            let [low, high] = [bounds.start(), bounds.end()].map(|bound| HumanDuration::from(*bound));
            self.out_of_bounds(key, HumanDuration::from(duration), low, high);
            return None;
        }
        Some(duration)
    }

    fn out_of_bounds(&self, key: &str, value: impl Display, low: impl Display, high: impl Display) {
        self.error(key, format!("{value} is out of bounds: must be {low} to {high}"), None);
    }

    /// One of a few names.
    pub(super) fn choice<T>(&mut self, key: &'static str, choices: Vec<(&str, T)>) -> Option<T> {
        self.record_choices(key, &choices);
        let node = self.node(key)?;
        let text = self.text_of(key, node)?;
        self.choose(key, &text, choices)
    }

    /// Finds `text` in `choices`, for values that are not read by [`Section::choice`] itself.
    pub(super) fn choose<T>(&self, key: &str, text: &str, choices: Vec<(&str, T)>) -> Option<T> {
        self.record_choices(key, &choices);
        let known = names(&choices);
        let help = suggest::help(text, "known values", &known);
        match choices.into_iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Some(value),
            None => {
                self.error(key, format!("unknown value {text:?}"), Some(help));
                None
            }
        }
    }

    fn record(&self, key: &str, shape: impl FnOnce() -> Shape) {
        self.report.record(&self.join(key), shape);
    }

    fn record_choices<T>(&self, key: &str, choices: &[(&str, T)]) {
        self.record(key, || Shape::Choice(names(choices).into_iter().map(str::to_owned).collect()));
    }

    fn wrong_type(&self, key: &str, node: &Node, expected: &str) {
        if matches!(node.value, TomlValue::Unresolved) {
            return;
        }
        let message = format!("expected {expected}, found {}", node.value.kind());
        self.report.error(&node.location, &self.path_of(key), message, None);
    }

    /// Reports an error at `key`, or at this section's header when the key is missing.
    pub(super) fn error(&self, key: &str, message: impl Into<String>, help: Option<String>) {
        self.report.error(self.location_of(key), &self.path_of(key), message, help);
    }

    /// Reports that `key` conflicts with other keys: at the key if the connector's own file has it, at the
    /// section's header if it comes from `[defaults]`, which is not wrong by itself.
    pub(super) fn conflict(&self, key: &str, message: impl Into<String>, help: &str) {
        if !self.is_default(key) {
            return self.error(key, message, Some(help.to_owned()));
        }
        self.report.error(&self.location, &self.join(key), message, Some(help.to_owned()));
    }

    /// Reports a warning at `key`.
    pub(super) fn warning(&self, key: &str, message: impl Into<String>, help: Option<String>) {
        self.report.warning(self.location_of(key), &self.path_of(key), message, help);
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The table itself; `None` if the file has none.
    pub(super) fn table(&self) -> Option<&'a Table> {
        self.table
    }

    /// Dotted path of the table in a connector's file, also if it comes from `[defaults]`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn layer(&self) -> Layer {
        self.layer
    }

    pub(super) fn location(&self) -> &SourceLocation {
        &self.location
    }

    /// Whether the table has `key`, without marking it as known.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the value of `key` comes from `[defaults]`, so that an environment variable overrides it.
    pub(super) fn is_default(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|node| node.layer == Layer::Defaults)
    }

    /// The effective value: the file's, then the environment's, then that of `[defaults]`.
    pub(super) fn or_environment<T>(
        &self,
        key: &str,
        written: Option<T>,
        environment: Option<T>,
    ) -> Option<T> {
        if self.is_default(key) { environment.or(written) } else { written.or(environment) }
    }

    /// Reports every key that no getter read.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for (name, node) in &table.entries {
            if self.known.contains(&name.as_str()) {
                continue;
            }
            let help = suggest::help(name, "known keys", &self.known);
            let path = shown(node.layer, &join(&self.path, name));
            self.report.error(&node.key, &path, format!("unknown key {name:?}"), Some(help));
        }
    }

    fn entry(&self, key: &str) -> Option<&'a Node> {
        self.table?.entries.get(key)
    }

    /// Where `key` is written, or this section's header if it is missing.
    pub(super) fn location_of(&self, key: &str) -> &SourceLocation {
        self.entry(key).map_or(&self.location, |node| &node.key)
    }

    /// The key's path as it is shown: with `defaults.` in front if that is where it was written.
    fn path_of(&self, key: &str) -> String {
        let layer = self.entry(key).map_or(self.layer, |node| node.layer);
        shown(layer, &self.join(key))
    }

    fn join(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn names<'n, T>(choices: &[(&'n str, T)]) -> Vec<&'n str> {
    choices.iter().map(|(name, _)| *name).collect()
}

/// Joins a dotted path and a key.
pub(super) fn join(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// A key's path in the file that contains it.
pub(super) fn shown(layer: Layer, path: &str) -> String {
    match layer {
        Layer::Own => path.to_owned(),
        Layer::Defaults => format!("defaults.{path}"),
    }
}

/// `"a", "b" or "c"`.
pub(super) fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
