//! The options of a plugin as text, from the JSON Schema of its configuration.

use serde_json::Value;

/// A schema that refers to itself is shown to this depth.
const MAX_DEPTH: usize = 6;

/// Every option with its type, default and description, those of nested tables included: `conditions[].field`,
/// `tables.<name>.key_columns`.
pub(super) fn text(schema: &Value) -> String {
    let mut out = String::new();
    Options { root: schema }.write(&mut out, schema, "", 0);
    out
}

struct Options<'s> {
    root: &'s Value,
}

impl<'s> Options<'s> {
    /// Writes the properties of an object.
    fn write(&self, out: &mut String, object: &'s Value, path: &str, depth: usize) {
        let Some(Value::Object(properties)) = object.get("properties") else { return };
        let required = object.get("required").and_then(Value::as_array);
        for (name, property) in properties {
            let required = required.is_some_and(|names| names.iter().any(|other| other == name));
            let path = format!("{path}{name}");
            out.push_str(&format!("\n  {path}{}\n", self.notes(property, required)));
            write_lines(out, "    ", property.get("description").and_then(Value::as_str).unwrap_or_default());
            for (value, meaning) in self.values(property) {
                if !meaning.is_empty() {
                    write_lines(out, "      ", &format!("{value}: {meaning}"));
                }
            }
            if depth < MAX_DEPTH {
                self.write_nested(out, property, &path, depth);
            }
        }
    }

    /// Writes the options of the tables that an option holds.
    fn write_nested(&self, out: &mut String, schema: &'s Value, path: &str, depth: usize) {
        for branch in self.branches(schema) {
            self.write(out, branch, &format!("{path}."), depth + 1);
            if let Some(items) = branch.get("items") {
                self.write_nested(out, items, &format!("{path}[]"), depth + 1);
            }
            if let Some(each) = branch.get("additionalProperties").filter(|each| each.is_object()) {
                self.write_nested(out, each, &format!("{path}.<name>"), depth + 1);
            }
        }
    }

    /// Type, default and other attributes of a property, in parentheses.
    fn notes(&self, property: &'s Value, required: bool) -> String {
        let mut notes: Vec<String> = self.kind(property, 0).into_iter().collect();
        if required {
            notes.push("required".to_owned());
        }
        if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
            notes.push(format!("default {default}"));
        }
        if let Some(variable) = property.get("x-env").and_then(Value::as_str) {
            notes.push(format!("environment {variable}"));
        }
        if property.get("x-secret") == Some(&Value::Bool(true)) {
            notes.push("secret".to_owned());
        }
        if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
    }

    /// The type in TOML's terms: the values of an enumeration, `list of strings`, `table`.
    fn kind(&self, schema: &'s Value, depth: usize) -> Option<String> {
        let mut kinds: Vec<String> = Vec::new();
        for branch in self.branches(schema) {
            let values = own_values(branch);
            if !values.is_empty() {
                kinds.extend(values.into_iter().map(|(value, _)| value));
                continue;
            }
            let kind = match branch_type(branch)? {
                "array" => {
                    let items = branch.get("items").filter(|_| depth < MAX_DEPTH);
                    let items = items.and_then(|items| self.kind(items, depth + 1));
                    items.map_or("list".to_owned(), |items| format!("list of {}", plural(&items)))
                }
                "object" => {
                    let each = branch.get("additionalProperties").filter(|each| each.is_object());
                    let each = each.filter(|_| depth < MAX_DEPTH).and_then(|each| self.kind(each, depth + 1));
                    each.map_or("table".to_owned(), |each| format!("table of {}", plural(&each)))
                }
                "boolean" => "true or false".to_owned(),
                other => other.to_owned(),
            };
            kinds.push(kind);
        }
        kinds.dedup();
        (!kinds.is_empty()).then(|| kinds.join(" or "))
    }

    /// The values of an enumeration, or of one in a list, with their meanings.
    fn values(&self, schema: &'s Value) -> Vec<(String, &'s str)> {
        let branches = self.branches(schema);
        let items = branches.iter().filter_map(|branch| branch.get("items"));
        let of_items = items.flat_map(|items| self.branches(items)).flat_map(own_values);
        branches.iter().copied().flat_map(own_values).chain(of_items).collect()
    }

    /// The schemas that a value may have, references resolved and null left out: an option that is not set is left out.
    fn branches(&self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolve(schema);
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.get(name)?.as_array());
        match alternatives {
            Some(alternatives) if own_values(schema).is_empty() => {
                let alternatives = alternatives.iter().map(|one| self.resolve(one));
                alternatives.filter(|one| one.get("type") != Some(&Value::from("null"))).collect()
            }
            _ => vec![schema],
        }
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| self.root.pointer(reference.strip_prefix('#')?));
        target.unwrap_or(schema)
    }
}

/// The values of an enumeration, with their meanings.
fn own_values(schema: &Value) -> Vec<(String, &str)> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| (value.to_string(), "")).collect();
    }
    let constants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let value = |one: &'_ Value| one.get("const").map(ToString::to_string);
    constants
        .filter_map(|one| {
            Some((value(one)?, one.get("description").and_then(Value::as_str).unwrap_or_default()))
        })
        .collect()
}

/// The type of a schema; that of a value which may be null, too.
fn branch_type(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn plural(kind: &str) -> String {
    match kind {
        "string" | "integer" | "number" | "table" | "list" => format!("{kind}s"),
        other => other.to_owned(),
    }
}

fn write_lines(out: &mut String, indent: &str, text: &str) {
    for line in text.lines() {
        out.push_str(&format!("{indent}{line}\n"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_options_and_the_meaning_of_values_are_shown() {
        let schema = json!({
            "properties": {
                "mode": { "$ref": "#/$defs/Mode", "default": "all", "description": "How many." },
                "rules": { "type": "array", "items": { "$ref": "#/$defs/Rule" }, "description": "The rules." },
                "rule": { "anyOf": [{ "$ref": "#/$defs/Rule" }, { "type": "null" }] },
                "tables": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Rule" } },
                "names": { "type": "object", "additionalProperties": { "type": "string" } },
                "password": { "type": ["string", "null"], "x-secret": true, "x-env": "PASSWORD" },
            },
            "required": ["rules"],
            "$defs": {
                "Mode": { "oneOf": [
                    { "const": "all", "description": "All of them." },
                    { "const": "any", "description": "At least\none." },
                ] },
                "Rule": { "type": "object", "required": ["pattern"], "properties": {
                    "pattern": { "type": "string", "description": "A pattern." },
                    "of": { "type": "array", "items": { "enum": ["row", "key"] } },
                    "equals": { "anyOf": [{ "type": "boolean" }, { "type": "integer" }, { "type": "null" }] },
                } },
            },
        });
        let text = text(&schema);
        for shown in [
            "\n  mode (\"all\" or \"any\", default \"all\")\n    How many.\n      \"all\": All of them.\n      \"any\": At least\n      one.\n",
            "\n  rules (list of tables, required)\n    The rules.\n",
            "\n  rules[].pattern (string, required)\n    A pattern.\n",
            "\n  rules[].of (list of \"row\" or \"key\")\n",
            "\n  rules[].equals (true or false or integer)\n",
            "\n  rule (table)\n",
            "\n  rule.pattern (string, required)\n",
            "\n  tables (table of tables)\n",
            "\n  tables.<name>.pattern (string, required)\n",
            "\n  names (table of strings)\n",
            "\n  password (string, environment PASSWORD, secret)\n",
        ] {
            assert!(text.contains(shown), "{shown} is missing in\n{text}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({
            "properties": { "tree": { "$ref": "#/$defs/Tree" } },
            "$defs": { "Tree": { "type": "object", "properties": { "left": { "$ref": "#/$defs/Tree" } } } },
        });
        let text = text(&schema);
        assert!(text.contains("\n  tree.left.left (table)\n"), "{text}");
        assert!(text.len() < 1000, "{text}");
    }
}
