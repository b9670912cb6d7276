//! Reads the types of keys from the JSON Schema of connector files, so that texts become numbers, booleans and lists.

use serde_json::Value as Json;
use toml::Value;

/// How deep `$ref` and alternatives are followed: a schema may contain itself.
const MAX_DEPTH: usize = 16;

/// The JSON Schema of connector files, as `tidegate schema` prints it.
#[derive(Clone, Copy)]
pub(super) struct Schema<'s>(&'s Json);

/// The part of the schema for one key, with alternatives and references resolved.
struct Parts<'s>(Vec<&'s Json>);

impl<'s> Schema<'s> {
    pub(super) fn new(schema: &'s Json) -> Self {
        Self(schema)
    }

    /// The names of the sinks.
    pub(super) fn sinks(&self) -> Vec<&'s str> {
        self.plugins("/properties/sink/properties/plugin/anyOf/0/enum")
    }

    /// The names of the transforms.
    pub(super) fn transforms(&self) -> Vec<&'s str> {
        self.plugins("/properties/transforms/items/properties/plugin/anyOf/0/enum")
    }

    pub(super) fn has_transform(&self, name: &str) -> bool {
        self.transforms().contains(&name)
    }

    fn plugins(&self, pointer: &str) -> Vec<&'s str> {
        let names = self.0.pointer(pointer).and_then(Json::as_array);
        names.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// Whether a plugin has an option of this name.
    pub(super) fn plugin_has(&self, plugin: &str, option: &str) -> bool {
        self.options_of(plugin).is_some_and(|schema| schema["properties"].get(option).is_some())
    }

    fn options_of(&self, plugin: &str) -> Option<&'s Json> {
        self.0["$defs"].get(format!("plugin-{plugin}"))
    }

    /// The value that `text` stands for at a path of the options of a plugin.
    pub(super) fn plugin_value(&self, plugin: &str, path: &[&str], text: &str) -> Value {
        value(&self.find(self.options_of(plugin), path), text)
    }

    /// The value that `text` stands for at a path of the file.
    pub(super) fn value(&self, path: &[&str], text: &str) -> Value {
        value(&self.find(Some(self.0), path), text)
    }

    /// The value that `text` stands for at a path of a transform's `when`.
    pub(super) fn when_value(&self, path: &[&str], text: &str) -> Value {
        value(&self.find(self.0["$defs"].get("when"), path), text)
    }

    /// Whether the plugin marks an option as secret.
    pub(super) fn is_secret(&self, plugin: &str, path: &[&str]) -> bool {
        let parts = self.find(self.options_of(plugin), path);
        parts.0.iter().any(|part| part["x-secret"] == true)
    }

    fn find(&self, root: Option<&'s Json>, path: &[&str]) -> Parts<'s> {
        let mut parts = vec![];
        root.into_iter().for_each(|root| self.expand(root, MAX_DEPTH, &mut parts));
        for name in path {
            let mut inner = vec![];
            for part in &parts {
                let property = part["properties"].get(*name).or_else(|| part.get("additionalProperties"));
                property.into_iter().for_each(|property| self.expand(property, MAX_DEPTH, &mut inner));
            }
            parts = inner;
        }
        Parts(parts)
    }

    /// Adds a schema and everything that it refers to.
    fn expand(&self, schema: &'s Json, depth: usize, parts: &mut Vec<&'s Json>) {
        if depth == 0 || !schema.is_object() {
            return;
        }
        parts.push(schema);
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        if let Some(target) = reference.and_then(|pointer| self.0.pointer(pointer)) {
            self.expand(target, depth - 1, parts);
        }
        for list in ["anyOf", "allOf", "oneOf"] {
            for alternative in schema[list].as_array().into_iter().flatten() {
                self.expand(alternative, depth - 1, parts);
            }
        }
    }
}

impl Parts<'_> {
    fn allow(&self, kind: &str) -> bool {
        let is = |value: &Json| value == kind;
        self.0.iter().any(|part| {
            is(&part["type"]) || part["type"].as_array().is_some_and(|kinds| kinds.iter().any(is))
        })
    }
}

/// The value of the most specific type that the schema allows and the text has.
/// A text stays as it is, and what is read as another type may have spaces around it.
fn value(parts: &Parts<'_>, whole: &str) -> Value {
    let text = whole.trim();
    if text.contains("${") {
        let other_types = ["boolean", "integer", "number", "array", "object"];
        let is_text = parts.allow("string") || !other_types.iter().any(|kind| parts.allow(kind));
        return if is_text { whole.into() } else { text.into() };
    }
    if parts.allow("boolean")
        && let Ok(value) = text.parse::<bool>()
    {
        return value.into();
    }
    if (parts.allow("integer") || parts.allow("number"))
        && let Ok(value) = text.parse::<i64>()
    {
        return value.into();
    }
    if parts.allow("number")
        && let Ok(value) = text.parse::<f64>()
    {
        return value.into();
    }
    let is_list = parts.allow("array");
    if (is_list && text.starts_with('[')) || (parts.allow("object") && text.starts_with('{')) {
        let parsed = serde_json::from_str::<Json>(text).ok().and_then(|json| Value::try_from(json).ok());
        return parsed.unwrap_or_else(|| whole.into());
    }
    if is_list {
        return super::common::list(text).into();
    }
    whole.into()
}

/// The text that [`Schema`]'s functions read as this value again.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Table(_) => {
            // A list of TOML's values has a form in JSON, dates as texts.
            serde_json::to_string(value).unwrap_or_default()
        }
        Value::Datetime(value) => value.to_string(),
        other => other.to_string(),
    }
}
