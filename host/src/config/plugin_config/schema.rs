//! Walks a plugin's JSON Schema: references, properties, and the `x-` keywords that the host understands.

use serde_json::{Map, Value};

use crate::config::secrets::Secrets;

/// The depth limit for schemas that refer to themselves; no real configuration is nested deeper.
const MAX_DEPTH: usize = 32;

/// Keywords whose list of schemas applies to the same value.
const COMBINATIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Every schema that may apply to the same value as `schema`: itself, what it refers to and what it combines.
pub(super) fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let mut found = vec![];
    collect(root, schema, &mut found, 0);
    found
}

fn collect<'s>(root: &'s Value, schema: &'s Value, found: &mut Vec<&'s Value>, depth: usize) {
    if depth > MAX_DEPTH || found.iter().any(|seen| std::ptr::eq(*seen, schema)) {
        return;
    }
    found.push(schema);
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    if let Some(target) = target.and_then(|pointer| root.pointer(pointer)) {
        collect(root, target, found, depth + 1);
    }
    for list in COMBINATIONS.iter().filter_map(|keyword| schema.get(keyword)?.as_array()) {
        list.iter().for_each(|part| collect(root, part, found, depth + 1));
    }
}

/// The properties that `schema` declares for an object, with the schema of each.
pub(super) fn properties<'s>(root: &'s Value, schema: &'s Value) -> Vec<(&'s str, &'s Value)> {
    let known = |part: &'s Value| part.get("properties").and_then(Value::as_object);
    let parts = alternatives(root, schema).into_iter().filter_map(known);
    parts.flat_map(Map::iter).map(|(name, property)| (name.as_str(), property)).collect()
}

/// The variable that fills a property.
pub(super) fn variable<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s str> {
    alternatives(root, schema).into_iter().find_map(|part| part.get("x-env")?.as_str())
}

/// Whether the property is marked as a secret.
pub(super) fn is_secret(root: &Value, schema: &Value) -> bool {
    alternatives(root, schema).into_iter().any(|part| part.get("x-secret") == Some(&Value::Bool(true)))
}

/// The JSON types that a property may have; empty if the schema does not say.
pub(super) fn types<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s str> {
    let named = |part: &'s Value| match part.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    alternatives(root, schema).into_iter().flat_map(named).collect()
}

/// Converts a text to the type that the schema expects. A text that does not fit stays a text, which the validation
/// rejects.
pub(super) fn coerce(root: &Value, schema: &Value, text: &str) -> Value {
    let types = types(root, schema);
    let accepts = |name: &str| types.contains(&name);
    if accepts("string") {
        return text.into();
    }
    let plain = text.trim();
    let integer =
        || plain.parse::<i64>().ok().map(Value::from).or_else(|| plain.parse::<u64>().ok().map(Value::from));
    let number = || plain.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
    let boolean = || match plain.to_ascii_lowercase().as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    let read = match () {
        () if accepts("integer") => integer(),
        () if accepts("number") => integer().or_else(number),
        () if accepts("boolean") => boolean(),
        () => None,
    };
    read.unwrap_or_else(|| text.into())
}

/// Adds to `secrets` the values that `root` marks with `x-secret`.
pub(super) fn collect_secrets(root: &Value, value: &Value, secrets: &mut Secrets) {
    secrets_at(root, root, value, secrets, 0);
}

fn secrets_at(root: &Value, schema: &Value, value: &Value, secrets: &mut Secrets, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    if is_secret(root, schema) {
        return secrets.insert_leaves(value);
    }
    for part in alternatives(root, schema) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let known = part.get("properties").and_then(|properties| properties.get(name));
                    if let Some(inner) = known.or_else(|| part.get("additionalProperties")) {
                        secrets_at(root, inner, field, secrets, depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(inner) = part.get("items") {
                    items.iter().for_each(|item| secrets_at(root, inner, item, secrets, depth + 1));
                }
            }
            _ => {}
        }
    }
}
