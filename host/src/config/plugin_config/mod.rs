//! A plugin's configuration: from TOML, environment variables and the plugin's own JSON Schema to checked JSON.

mod embed;
mod fill;
mod options;
mod schema;
mod violations;

use std::path::PathBuf;

use serde_json::{Map, Number, Value};

use super::document::{Node, Table, TomlValue};
use super::environment::Environment;
use super::report::Report;
use super::section::{Section, join, shown};
use super::suggest;

pub(super) use embed::plugin_schema;
pub(super) use options::WrittenOptions;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginKind {
    /// Changes records on their way.
    Transform,
    /// Writes records somewhere.
    Sink,
}

impl PluginKind {
    fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// What the configuration reader needs of a plugin.
#[derive(Clone, Debug)]
pub struct PluginSummary {
    /// The name by which files refer to it.
    pub name: String,
    /// Transform or sink.
    pub kind: PluginKind,
    /// JSON Schema of its configuration. Beside the standard keywords a property may carry `"x-env": "NAME"`,
    /// the variable that fills it when the file leaves it open, and `"x-secret": true`.
    pub config_schema: Value,
    /// Whether it is a sink that is durable on flush.
    pub durable_on_flush: bool,
}

/// The plugins that a host has found.
pub trait PluginCatalog {
    /// The plugin of this name.
    fn find(&self, name: &str) -> Option<PluginSummary>;

    /// The names of all plugins.
    fn names(&self) -> Vec<String>;

    /// The folders that were searched for them.
    fn folders(&self) -> &[PathBuf] {
        &[]
    }
}

/// Finds the plugin that a section names, and reports it if there is none or it is of the wrong kind.
pub(super) fn find(
    section: &Section<'_>,
    plugin: &str,
    kind: PluginKind,
    catalog: &dyn PluginCatalog,
) -> Option<PluginSummary> {
    let Some(summary) = catalog.find(plugin) else {
        let names = names(catalog, kind);
        let near = suggest::nearest(plugin, names.iter().map(String::as_str));
        let list = list(catalog, kind);
        let help = match near {
            Some(near) => format!("did you mean {near:?}? {list}"),
            None => format!("{list}{}", searched(catalog)),
        };
        section.error("plugin", format!("unknown plugin {plugin:?}"), Some(help));
        return None;
    };
    if summary.kind != kind {
        let message = format!("{plugin:?} is a {}, not a {}", summary.kind.name(), kind.name());
        section.error("plugin", message, Some(list(catalog, kind)));
        return None;
    }
    Some(summary)
}

/// The available plugins of a kind, as a sentence.
pub(super) fn list(catalog: &dyn PluginCatalog, kind: PluginKind) -> String {
    let names = names(catalog, kind);
    if names.is_empty() {
        return format!("no {} plugin was found", kind.name());
    }
    format!("{} plugins found: {}", kind.name(), names.join(", "))
}

/// Where plugins were looked for, as the end of a sentence.
fn searched(catalog: &dyn PluginCatalog) -> String {
    let folders: Vec<String> = catalog.folders().iter().map(|folder| folder.display().to_string()).collect();
    if folders.is_empty() { String::new() } else { format!("; searched in: {}", folders.join(", ")) }
}

fn names(catalog: &dyn PluginCatalog, kind: PluginKind) -> Vec<String> {
    let of_kind = |name: &String| catalog.find(name).is_some_and(|summary| summary.kind == kind);
    let mut names: Vec<String> = catalog.names().into_iter().filter(of_kind).collect();
    names.sort();
    names
}

/// Reads `config` of the section `parent`: fills in environment variables, collects the secrets, and reports every
/// violation of the plugin's schema at the key that caused it. Also returns where the options were written.
pub(super) fn read(
    config: &Section<'_>,
    parent: &Section<'_>,
    plugin: &PluginSummary,
    environment: &Environment,
) -> (Value, WrittenOptions) {
    let report = config.report();
    let path = config.path();
    let table = config.table().cloned().unwrap_or_default();
    let json = Value::Object(object(&table, path, report));
    let mut filled = fill::Filled::new(json);
    filled.fill(&plugin.config_schema, &table, environment, path, report);
    report.with_secrets(|secrets| schema::collect_secrets(&plugin.config_schema, &filled.value, secrets));
    let fill::Filled { value, variables } = filled;
    let options = WrittenOptions::new(config, table, variables);
    match jsonschema::validator_for(&plugin.config_schema) {
        Ok(validator) => violations::report(&validator, &value, plugin, &options, config),
        Err(error) => {
            let message = format!("the configuration schema of plugin {:?} is broken: {error}", plugin.name);
            parent.error("plugin", message, Some("rebuild the plugin with the current SDK".to_owned()));
        }
    }
    (value, options)
}

fn object(table: &Table, path: &str, report: &Report) -> Map<String, Value> {
    let field = |(name, node): (&String, &Node)| (name.clone(), json(node, &join(path, name), report));
    table.entries.iter().map(field).collect()
}

fn json(node: &Node, path: &str, report: &Report) -> Value {
    match &node.value {
        TomlValue::Text(text) | TomlValue::Filled(text) | TomlValue::Datetime(text) => {
            Value::from(text.as_str())
        }
        TomlValue::Unresolved => Value::Null,
        TomlValue::Integer(value) => Value::from(*value),
        TomlValue::Boolean(value) => Value::from(*value),
        TomlValue::Float(value) => Number::from_f64(*value).map_or_else(
            || {
                report.error(
                    &node.location,
                    &shown(node.layer, path),
                    "infinity and nan are not allowed in a plugin's configuration",
                    None,
                );
                Value::Null
            },
            Value::Number,
        ),
        TomlValue::List(items) => items.iter().map(|item| json(item, path, report)).collect(),
        TomlValue::Table(table) => Value::Object(object(table, path, report)),
    }
}
