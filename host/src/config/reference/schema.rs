//! JSON Schemas of the connector file and of the host's file, for editors.

use serde_json::{Map, Value, json};

use super::{Entry, Group, Shape, connector_keys, connector_text, host_keys, host_text};
use crate::config::host_file::HostConfig;
use crate::config::keys::Keys;
use crate::config::plugin_config::{PluginCatalog, PluginKind, PluginSummary, plugin_schema};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Path of the conditions of `when`, which can contain themselves.
const WHEN: &str = "transforms[].when";

/// The JSON Schema of a connector file: keys of the host and options of every plugin in `catalog`. Keys that `[defaults]` of
/// `host` sets are not required.
#[must_use]
pub fn connector_schema(catalog: &dyn PluginCatalog, host: &HostConfig) -> Value {
    let mut schema = connector(catalog);
    let has_default = |table: &str| host.defaults.entries.contains_key(table);
    let required: Vec<&str> = ["source", "sink"].into_iter().filter(|table| !has_default(table)).collect();
    schema["$schema"] = DIALECT.into();
    schema["title"] = "Tidegate connector".into();
    schema["required"] = required.into();
    if !has_default("sink") {
        schema["properties"]["sink"]["required"] = json!(["plugin"]);
    }
    schema
}

/// The JSON Schema of the host's file.
#[must_use]
pub fn host_file_schema(catalog: &dyn PluginCatalog) -> Value {
    let mut schema = table("", &host_keys(), host_text::GROUPS);
    let mut defaults = connector(catalog);
    let definitions = defaults.as_object_mut().and_then(|defaults| defaults.remove("$defs"));
    schema["$schema"] = DIALECT.into();
    schema["title"] = "Tidegate host file".into();
    schema["$defs"] = definitions.unwrap_or_default();
    schema["properties"]["defaults"] = defaults;
    schema
}

/// The schema of a connector file in which no table is required.
fn connector(catalog: &dyn PluginCatalog) -> Value {
    let (keys, groups) = (connector_keys(), connector_text::GROUPS);
    let mut schema = table("", &keys, groups);
    let plugins: Vec<PluginSummary> = catalog.names().iter().filter_map(|name| catalog.find(name)).collect();
    let mut definitions = Map::new();
    definitions.insert("placeholder".to_owned(), placeholder());
    definitions.insert("when".to_owned(), when(&keys));
    for plugin in &plugins {
        let name = definition(plugin);
        let options = plugin_schema(&plugin.config_schema, &format!("#/$defs/{name}"));
        definitions.insert(name, options);
    }
    choose_plugin(&mut schema["properties"]["sink"], PluginKind::Sink, &plugins);
    let transform = &mut schema["properties"]["transforms"]["items"];
    choose_plugin(transform, PluginKind::Transform, &plugins);
    transform["required"] = json!(["plugin"]);
    let description = transform["properties"]["when"]["description"].take();
    transform["properties"]["when"] = json!({ "description": description, "$ref": "#/$defs/when" });
    schema["$defs"] = definitions.into();
    schema
}

/// The table at `path`, with everything in it.
fn table(path: &str, keys: &Keys, groups: &[Group]) -> Value {
    let names: Vec<&str> = keys.children(path).collect();
    if names.is_empty() {
        // Its keys are anybody's: properties of librdkafka, columns, options of plugins.
        return json!({ "type": "object" });
    }
    let property = |name: &str| {
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        (name.to_owned(), key(&inner, entry(path, name, groups), keys, groups))
    };
    let properties: Map<String, Value> = names.into_iter().map(property).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn entry<'g>(path: &str, name: &str, groups: &'g [Group]) -> Option<&'g Entry> {
    let group = groups.iter().find(|group| group.path == path)?;
    group.entries.iter().find(|entry| entry.key == name)
}

fn key(path: &str, entry: Option<&Entry>, keys: &Keys, groups: &[Group]) -> Value {
    let shapes = keys.shapes(path);
    let mut schema = match shapes {
        [Shape::Table] => table(path, keys, groups),
        [Shape::Tables] => json!({ "type": "array", "items": table(&format!("{path}[]"), keys, groups) }),
        [shape] if !shape.needs_placeholder() => shape.schema(),
        shapes => one_of_these(shapes),
    };
    if let Some(entry) = entry {
        schema["description"] = without_links(entry.about).into();
        if let Some(default) = entry.default_value() {
            schema["default"] = default;
        }
    }
    schema
}

/// Any of the shapes, or a placeholder that is replaced by one.
fn one_of_these(shapes: &[Shape]) -> Value {
    let names =
        shapes.iter().find_map(|shape| if let Shape::Choice(names) = shape { Some(names) } else { None });
    let schema = |shape: &Shape| match (shape, names) {
        // A list of the texts that are also valid by themselves.
        (Shape::Texts, Some(names)) => json!({ "type": "array", "items": { "enum": names } }),
        (shape, _) => shape.schema(),
    };
    let mut schemas: Vec<Value> = shapes.iter().map(schema).collect();
    schemas.push(json!({ "$ref": "#/$defs/placeholder" }));
    json!({ "anyOf": schemas })
}

fn placeholder() -> Value {
    json!({
        "type": "string",
        "pattern": r"\$\{",
        "description": "A placeholder such as ${env:NAME}, ${env:NAME:-default} or ${file:/path}",
    })
}

/// `when`, whose key `not` may contain conditions again.
fn when(keys: &Keys) -> Value {
    let mut when = table(WHEN, keys, connector_text::GROUPS);
    let not = &mut when["properties"]["not"];
    let description = not["description"].take();
    *not = json!({
        "description": description,
        "anyOf": [
            { "type": "boolean" },
            { "$ref": "#/$defs/when" },
            { "$ref": "#/$defs/placeholder" },
        ],
    });
    when
}

/// The name of a plugin's options among the definitions.
fn definition(plugin: &PluginSummary) -> String {
    format!("plugin-{}", plugin.name)
}

/// Makes `plugin` one of the plugins of a kind, and `config` its options.
fn choose_plugin(table: &mut Value, kind: PluginKind, plugins: &[PluginSummary]) {
    let plugins = || plugins.iter().filter(|plugin| plugin.kind == kind);
    let names: Vec<&str> = plugins().map(|plugin| plugin.name.as_str()).collect();
    let description = table["properties"]["plugin"]["description"].take();
    table["properties"]["plugin"] = json!({
        "description": description,
        "anyOf": [{ "enum": names }, { "$ref": "#/$defs/placeholder" }],
    });
    let options = |plugin: &PluginSummary| {
        json!({
            "if": { "properties": { "plugin": { "const": plugin.name } }, "required": ["plugin"] },
            "then": { "properties": { "config": { "$ref": format!("#/$defs/{}", definition(plugin)) } } },
        })
    };
    table["allOf"] = plugins().map(options).collect();
}

impl Entry {
    /// The default, if it is a value.
    pub(super) fn default_value(&self) -> Option<Value> {
        let literal = self.default.strip_prefix('`')?.strip_suffix('`')?;
        let table: toml::Table = toml::from_str(&format!("value = {literal}")).ok()?;
        serde_json::to_value(table.get("value")?).ok()
    }
}

/// Markdown without its links, which lead nowhere from an editor.
fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        rest = after;
        let link = after.split_once("](").and_then(|(name, target)| Some((name, target.split_once(')')?.1)));
        match link.filter(|(name, _)| !name.contains(['[', ']'])) {
            Some((name, behind)) => {
                text.push_str(name);
                rest = behind;
            }
            None => text.push('['),
        }
    }
    text + rest
}
