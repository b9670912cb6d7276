//! `/connector-plugins`: the plugins, their options, and checks of configurations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{configs::check_references, invalid, query::Query};
use crate::{
    api::{
        auth::Peer,
        body,
        problem::Problem,
        state::{Api, text_of_existing},
    },
    config::{Import, Options, Severity, to_file},
    plugins::PluginKind,
};

/// The name of a configuration that has none, for its checks.
const UNNAMED: &str = "unnamed";

/// A plugin in the list.
#[derive(Debug, Serialize)]
pub(in crate::api) struct PluginInfo {
    class: String,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
}

/// What is known of an option.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::api) struct Definition {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    default_value: Option<String>,
    importance: String,
    documentation: String,
    group: Option<String>,
    width: String,
    display_name: String,
    dependents: Vec<String>,
    order: i32,
}

/// `GET /connector-plugins?connectorsOnly=..`.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    query: Query,
) -> Result<Json<Vec<PluginInfo>>, Problem> {
    let all =
        query.iter().any(|(name, value)| name == "connectorsOnly" && value.eq_ignore_ascii_case("false"));
    let plugins = api.deployer.read(move |deployment| {
        let plugins = deployment.registry().iter().map(|plugin| PluginInfo {
            class: plugin.manifest.name.clone(),
            kind: match plugin.manifest.kind {
                PluginKind::Sink => "sink",
                PluginKind::Transform => "transformation",
            },
            version: plugin.version().to_owned(),
        });
        plugins.filter(|plugin| all || plugin.kind == "sink").collect()
    });
    plugins.await.map(Json).ok_or_else(crate::api::state::stopping)
}

/// `GET /connector-plugins/{plugin}/config`.
pub(in crate::api) async fn definitions(
    State(api): State<Arc<Api>>,
    Path(plugin): Path<String>,
) -> Result<Json<Vec<Definition>>, Problem> {
    let schema = api.schema().await?;
    let unknown = || Problem::not_found(format!("Unknown plugin {plugin}."));
    let transforms = &schema["properties"]["transforms"]["items"]["properties"]["plugin"]["anyOf"][0]["enum"];
    if transforms.as_array().is_some_and(|names| names.iter().any(|name| *name == plugin.as_str())) {
        return Ok(Json(own_options(&schema, &plugin, "")));
    }
    let options = Options::from([("connector.class".to_owned(), plugin.clone())]);
    let import = to_file(UNNAMED, &options, None, &schema);
    let sink = sink_of(&import).ok_or_else(unknown)?;
    Ok(Json(sink_options(&schema, &sink)))
}

/// The sink of a file; `None` if its class is unknown.
fn sink_of(import: &Import) -> Option<String> {
    let table: toml::Table = import.text.parse().ok()?;
    table.get("sink")?.get("plugin")?.as_str().map(str::to_owned)
}

/// The options of all connectors, and those of a sink.
fn sink_options(schema: &Value, sink: &str) -> Vec<Definition> {
    let mut definitions = common_options();
    definitions.extend(own_options(schema, sink, "sink.config."));
    definitions
}

/// Kafka Connect's definitions of the options that all sinks have.
fn common_options() -> Vec<Definition> {
    // Compiled in, and a test reads it.
    serde_json::from_str(include_str!("options.json")).unwrap_or_default()
}

/// The options of a plugin, from its JSON Schema.
fn own_options(schema: &Value, plugin: &str, prefix: &str) -> Vec<Definition> {
    let options = &schema["$defs"][format!("plugin-{plugin}")];
    let required: BTreeSet<&str> =
        options["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = options["properties"].as_object().into_iter().flatten();
    let definition = |(order, (name, property)): (usize, (&String, &Value))| Definition {
        name: format!("{prefix}{name}"),
        kind: kind(property).to_owned(),
        required: required.contains(name.as_str()),
        default_value: property.get("default").filter(|value| !value.is_null()).map(text),
        importance: if required.contains(name.as_str()) { "HIGH" } else { "MEDIUM" }.to_owned(),
        documentation: property["description"].as_str().unwrap_or_default().to_owned(),
        group: Some("Plugin".to_owned()),
        width: "MEDIUM".to_owned(),
        display_name: name.clone(),
        dependents: vec![],
        order: i32::try_from(order).unwrap_or(i32::MAX).saturating_add(1),
    };
    properties.enumerate().map(definition).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The type of an option in Kafka Connect's words, by the first type in its schema.
fn kind(property: &Value) -> &'static str {
    if property["x-secret"] == true {
        return "PASSWORD";
    }
    let is = |name: &str| {
        let kinds = [&property["type"]].into_iter().chain(alternatives(property).map(|one| &one["type"]));
        kinds.into_iter().any(|kind| {
            *kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| *kind == name))
        })
    };
    match () {
        () if is("boolean") => "BOOLEAN",
        () if is("integer") => "LONG",
        () if is("number") => "DOUBLE",
        () if is("array") => "LIST",
        () => "STRING",
    }
}

fn alternatives(property: &Value) -> impl Iterator<Item = &Value> {
    property["anyOf"].as_array().into_iter().flatten()
}

/// `PUT /connector-plugins/{plugin}/config/validate`.
pub(in crate::api) async fn validate(
    State(api): State<Arc<Api>>,
    Path(plugin): Path<String>,
    peer: Extension<Peer>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let options = body::set_options(body::json::<Map<String, Value>>(&body)?)?;
    let class = options.get("connector.class");
    if class.is_some_and(|class| !same_class(class, &plugin)) {
        let class = class.cloned().unwrap_or_default();
        let message = format!("Included connector type {class} does not match request type {plugin}");
        return Err(Problem::bad_request(message));
    }
    let schema = api.schema().await?;
    let name = options.get("name").filter(|name| !name.is_empty()).cloned();
    // Masked secrets stand for those of the connector's file, if it has one already.
    let connector = match &name {
        Some(name) => api.find(name).await,
        None => None,
    };
    let current = text_of_existing(connector.as_ref()).await;
    let import = to_file(name.as_deref().unwrap_or(UNNAMED), &options, current.as_deref(), &schema);
    let sink = sink_of(&import).ok_or_else(|| invalid::of_options(&import))?;
    let mut errors = errors(&import);
    if name.is_none() {
        let missing = "Missing required configuration \"name\" which has no default value.".to_owned();
        errors.entry("name".to_owned()).or_default().push(missing);
    }
    if errors.is_empty() {
        // The check reads the files that placeholders name, so they have to be allowed before.
        check_references(&import.text, current.as_deref(), &peer, &api.config)?;
        let found = api.deployer.validate(name.as_deref().unwrap_or(UNNAMED), import.text.clone()).await?;
        for diagnostic in found.errors() {
            let option = option_of(&diagnostic.key_path, &options);
            errors.entry(option).or_default().push(invalid::message(diagnostic));
        }
    }
    Ok(Json(answer(&plugin, &sink_options(&schema, &sink), &options, errors)))
}

/// Whether both are names of the same class: with or without its package, and `Connector` at the end.
fn same_class(left: &str, right: &str) -> bool {
    let short = |class: &str| {
        let simple = class.rsplit('.').next().unwrap_or_default();
        simple.strip_suffix("Connector").unwrap_or(simple).to_owned()
    };
    short(left) == short(right)
}

fn errors(import: &Import) -> BTreeMap<String, Vec<String>> {
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in import.of(Severity::Error) {
        errors.entry(finding.option.clone()).or_default().push(finding.message.clone());
    }
    errors
}

/// The option that a key of the file comes from, if it has the same name; otherwise the class, which every configuration has.
fn option_of(key_path: &str, options: &Options) -> String {
    if options.contains_key(key_path) { key_path.to_owned() } else { "connector.class".to_owned() }
}

fn answer(
    plugin: &str,
    definitions: &[Definition],
    options: &Options,
    mut errors: BTreeMap<String, Vec<String>>,
) -> Value {
    let count: usize = errors.values().map(Vec::len).sum();
    let value = |name: &str, value: Option<&String>, errors: Vec<String>| json!({ "name": name, "value": value, "recommended_values": [], "errors": errors, "visible": true });
    let mut configs: Vec<Value> = vec![];
    for definition in definitions {
        let name = &definition.name;
        let given = options.get(name).or(definition.default_value.as_ref());
        let value = value(name, given, errors.remove(name).unwrap_or_default());
        configs.push(json!({ "definition": definition, "value": value }));
    }
    for (option, messages) in errors {
        let value = value(&option, options.get(&option), messages);
        configs.push(json!({ "definition": null, "value": value }));
    }
    json!({
        "name": plugin,
        "error_count": count,
        "groups": ["Common", "Transforms", "Predicates", "Error Handling", "Plugin"],
        "configs": configs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_of_common_options_can_be_read() {
        let names: Vec<String> = common_options().into_iter().map(|definition| definition.name).collect();
        assert!(
            ["topics", "tasks.max", "errors.tolerance"]
                .iter()
                .all(|name| names.contains(&(*name).to_owned()))
        );
    }

    #[test]
    fn classes_have_short_names() {
        assert!(same_class("org.apache.kafka.connect.file.FileStreamSinkConnector", "FileStreamSink"));
        assert!(!same_class("Other", "FileStreamSink"));
    }
}
