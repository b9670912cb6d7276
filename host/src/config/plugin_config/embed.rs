//! Makes a plugin's JSON Schema a part of that of the connector file.

use serde_json::{Value, json};

use super::schema;

/// The schema of a plugin's options as a definition at `pointer` of another schema, such as `#/$defs/plugin-file`. Options
/// that an environment variable may fill are not required, and every option may be a placeholder.
pub(in crate::config) fn plugin_schema(root: &Value, pointer: &str) -> Value {
    let mut schema = root.clone();
    open(root, &mut schema);
    move_references(&mut schema, pointer);
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
        fields.remove("title");
    }
    schema
}

/// Lets placeholders stand for values, and drops what the environment may fill from `required`.
fn open(root: &Value, schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let filled = |name: &Value, properties: Option<&Value>| {
        let property = name.as_str().and_then(|name| properties?.get(name));
        property.is_some_and(|property| schema::variable(root, property).is_some())
    };
    let properties = fields.get("properties").cloned();
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.retain(|name| !filled(name, properties.as_ref()));
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        let branches = fields.get_mut(list).and_then(Value::as_array_mut);
        branches.into_iter().flatten().for_each(|branch| open(root, branch));
    }
    for tables in ["properties", "$defs"] {
        let children = fields.get_mut(tables).and_then(Value::as_object_mut);
        for child in children.into_iter().flat_map(|children| children.values_mut()) {
            open(root, child);
            if tables == "properties" {
                or_placeholder(root, child);
            }
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(child) = fields.get_mut(inner).filter(|child| child.is_object()) {
            open(root, child);
            or_placeholder(root, child);
        }
    }
}

/// `value`, or a placeholder that is replaced by one. Tables and lists cannot come from a placeholder, and a text without
/// further conditions may be one already.
fn or_placeholder(root: &Value, value: &mut Value) {
    let types = schema::types(root, value);
    let is_container = types.iter().any(|name| matches!(*name, "object" | "array"));
    let has_conditions = |part: &&Value| {
        ["enum", "const", "pattern", "minLength", "maxLength", "format"]
            .iter()
            .any(|key| part.get(key).is_some())
    };
    let conditional = schema::alternatives(root, value).iter().any(has_conditions);
    if is_container || (types.contains(&"string") && !conditional) || (types.is_empty() && !conditional) {
        return;
    }
    let mut inner = value.take();
    let mut outer = json!({});
    for annotation in ["description", "default", "title"] {
        let moved = inner.as_object_mut().and_then(|fields| fields.remove(annotation));
        if let Some(moved) = moved {
            outer[annotation] = moved;
        }
    }
    outer["anyOf"] = json!([inner, { "$ref": "#/$defs/placeholder" }]);
    *value = outer;
}

/// References within the schema start at its new place.
fn move_references(schema: &mut Value, pointer: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(reference) if name == "$ref" && reference != "#/$defs/placeholder" => {
                        if let Some(target) = reference.strip_prefix('#') {
                            *reference = format!("{pointer}{target}");
                        }
                    }
                    value => move_references(value, pointer),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, pointer)),
        _ => {}
    }
}
