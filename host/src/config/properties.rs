//! Properties that are passed to librdkafka unchanged, and those that are rejected because the host sets them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::document::{Node, SourceLocation, Table, TomlValue};
use crate::config::report::Report;
use crate::config::secrets::Secrets;
use crate::config::section::{Section, join, shown};

/// Properties whose values are secrets.
const SECRET: [&str; 6] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.keystore.password",
    "ssl.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
];

/// Properties that the host sets: name, why, and what to use instead.
const OWNED: [(&str, &str, &str); 16] = [
    ("enable.auto.commit", COMMITS, "remove it"),
    ("auto.commit.enable", COMMITS, "remove it"),
    ("auto.commit.interval.ms", COMMITS, "remove it"),
    ("enable.auto.offset.store", COMMITS, "remove it"),
    ("offset.store.method", COMMITS, "remove it"),
    ("auto.offset.reset", "a position outside the log must never be skipped silently", "use source.start"),
    ("group.id", "every connector has its own group", "use source.group_id"),
    ("group.instance.id", "every task needs its own", "use source.group_instance_id"),
    ("group.protocol", "rebalances are answered by the host", "use source.group_protocol"),
    ("group.remote.assignor", "rebalances are answered by the host", "use source.group_protocol"),
    ("partition.assignment.strategy", "rebalances are answered by the host", "use source.group_protocol"),
    ("bootstrap.servers", "it has its own key", "use source.bootstrap_servers or kafka.bootstrap_servers"),
    ("metadata.broker.list", "it has its own key", "use source.bootstrap_servers or kafka.bootstrap_servers"),
    (
        "enable.partition.eof",
        "the host takes no end-of-partition events",
        "remove it; --once ends at the end of every topic",
    ),
    (
        "topic.blacklist",
        "the host alone decides which topics are read",
        "use source.topics, or a source.topics_regex that does not match them",
    ),
    ("queued.max.messages.kbytes", "it is derived from the memory limit", "use limits.memory"),
];

const COMMITS: &str = "the host alone commits, after the sink has made the records durable";

/// librdkafka properties by name. Its `Debug` form masks secrets.
#[derive(Clone, Default)]
pub struct ClientProperties {
    entries: BTreeMap<String, Property>,
    secrets: Secrets,
}

/// A property and where it is set.
#[derive(Clone)]
struct Property {
    value: String,
    location: SourceLocation,
    key_path: String,
}

impl ClientProperties {
    /// All properties, sorted by name, with their real values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, property)| (name.as_str(), property.value.as_str()))
    }

    /// All properties with their real values.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The real value of one property.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(|property| property.value.as_str())
    }

    /// An error at the line that sets the property `name`, or, if none does, for `file` as a whole.
    pub(super) fn error(&self, name: Option<&str>, file: &Path, message: String) -> Diagnostic {
        let property = name.and_then(|name| self.entries.get(name));
        let whole = SourceLocation::whole(file);
        let location = property.map_or(&whole, |property| &property.location);
        Diagnostic {
            file: location.file.to_path_buf(),
            line: location.line,
            column: location.column,
            key_path: property.map_or("source.properties", |property| &property.key_path).to_owned(),
            message: self.secrets.scrub(&message).into_owned(),
            help: None,
            severity: Severity::Error,
        }
    }

    /// Reads `[source.properties]` or `[kafka.properties]`, over the properties of `base`. Values may be strings,
    /// integers, numbers and booleans; dotted names may be quoted or not.
    pub(in crate::config) fn read(section: &Section<'_>, base: &Self) -> Self {
        let mut properties = base.clone();
        if let Some(table) = section.table() {
            let report = section.report();
            properties.read_table(table, "", section.path(), report);
            report.with_secrets(|secrets| properties.secrets = secrets.clone());
        }
        properties
    }

    fn read_table(&mut self, table: &Table, prefix: &str, path: &str, report: &Report) {
        for (key, node) in &table.entries {
            let name = join(prefix, key);
            match &node.value {
                TomlValue::Table(inner) => self.read_table(inner, &name, path, report),
                value => self.read_value(&name, node, value, path, report),
            }
        }
    }

    fn read_value(&mut self, name: &str, node: &Node, value: &TomlValue, path: &str, report: &Report) {
        let path = shown(node.layer, &format!("{path}.{name:?}"));
        if let Some((_, why, instead)) = OWNED.iter().find(|(owned, ..)| *owned == name) {
            let message = format!("{name} belongs to the host: {why}");
            report.error(&node.key, &path, message, Some((*instead).to_owned()));
            return;
        }
        let Some(text) = property_text(value) else {
            if !matches!(value, TomlValue::Unresolved) {
                let message = format!("expected a string, number or boolean, found {}", value.kind());
                report.error(&node.location, &path, message, None);
            }
            return;
        };
        if SECRET.contains(&name) {
            report.secret(&text);
        }
        let property = Property { value: text, location: node.key.clone(), key_path: path };
        self.entries.insert(name.to_owned(), property);
    }
}

fn property_text(value: &TomlValue) -> Option<String> {
    match value {
        TomlValue::Text(text) | TomlValue::Filled(text) => Some(text.clone()),
        TomlValue::Integer(value) => Some(value.to_string()),
        TomlValue::Float(value) => Some(value.to_string()),
        TomlValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, self.secrets.mask(value)))).finish()
    }
}
