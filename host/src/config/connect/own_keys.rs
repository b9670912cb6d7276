//! Keys of connector files as options: their paths are joined with dots, and transforms have their names instead of numbers.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::mapping::{Mapping, set};
use super::masks::{find_transform, mask, shown, transform_name};
use super::schema::{Schema, text};
use super::{GIVEN, Options, common};

/// The tables and keys of a connector file, but for transforms, whose names other options have as well.
const ROOTS: [&str; 11] = [
    "batch",
    "description",
    "enabled",
    "errors",
    "flush",
    "isolation",
    "limits",
    "plugins",
    "restart",
    "sink",
    "source",
];
const PROPERTIES: &str = "source.properties.";

/// Reads the options that are keys of a connector file.
pub(super) fn map(mapping: &mut Mapping<'_>) {
    if let Some(tasks) = mapping.take("tasks") {
        let value = mapping.schema.value(&["tasks"], tasks);
        mapping.set(&["tasks"], value);
    }
    for (option, given) in mapping.unread("") {
        if let Some(property) = option.strip_prefix(PROPERTIES) {
            mapping.take(option);
            mapping.set(&["source", "properties", property], given);
            continue;
        }
        let Some(path) = path(option).filter(|path| ROOTS.contains(&path[0].as_str())) else { continue };
        mapping.take(option);
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let value = value(mapping, &names, given);
        if let Some(other) = mapping.get(&names).filter(|other| **other != value) {
            let message = format!("{option} is set twice: it is also {}", shown(&text(other), option));
            mapping.error(option, message);
            continue;
        }
        mapping.set(&names, value);
    }
}

fn value(mapping: &Mapping<'_>, path: &[&str], given: &str) -> Value {
    let plugin = mapping.get(&["sink", "plugin"]).and_then(Value::as_str);
    match (path, plugin) {
        (["sink", "config", option @ ..], Some(plugin)) if !option.is_empty() => {
            mapping.schema.plugin_value(plugin, option, given)
        }
        _ => mapping.schema.value(path, given),
    }
}

/// Reads the options of one transform that are keys of a connector file: `config.*` and `when.*`.
pub(super) fn map_transform(
    mapping: &mut Mapping<'_>,
    name: &str,
    plugin: &str,
    table: &mut Table,
    config: &mut Table,
) {
    let prefix = format!("transforms.{name}.");
    for (key, given) in mapping.unread(&prefix) {
        let option = format!("{prefix}{key}");
        let path = path(key).unwrap_or_default();
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["config", rest @ ..] if !rest.is_empty() => {
                set(config, rest, mapping.schema.plugin_value(plugin, rest, given));
            }
            ["when", rest @ ..] if !rest.is_empty() => {
                set(table, &names, mapping.schema.when_value(rest, given));
            }
            _ if mapping.schema.plugin_has(plugin, key) => {
                mapping.error(&option, format!("{option}: write it as {prefix}config.{key}"));
            }
            _ => mapping.warning(&option, format!("{option} has no effect: there is no such option")),
        }
        mapping.take(&option);
    }
}

/// Puts the values of the `old` file in place of those whose text was given. A text such as `"007"` would become a number
/// otherwise, although nobody has changed it.
pub(super) fn keep(table: &mut Table, old: &Table, given: &Options) {
    for (key, value) in table.iter_mut() {
        let Some(old) = old.get(key) else { continue };
        match value {
            Value::Array(items) if key == "transforms" => {
                for item in items {
                    let Some(name) = item.as_table().and_then(transform_name).map(str::to_owned) else {
                        continue;
                    };
                    if let Some(old) = find_transform(old, &name) {
                        keep_leaves(&format!("transforms.{name}"), item, old, given);
                    }
                }
            }
            value => keep_leaves(key, value, old, given),
        }
    }
}

fn keep_leaves(option: &str, value: &mut Value, old: &Value, given: &Options) {
    if let (Value::Table(table), Value::Table(old)) = (&mut *value, old) {
        for (key, value) in table.iter_mut() {
            if let Some(old) = old.get(key) {
                // As in `flatten_properties`.
                let option = match option {
                    "source.properties" => format!("{PROPERTIES}{key}"),
                    _ => join(option, key),
                };
                keep_leaves(&option, value, old, given);
            }
        }
        return;
    }
    let option = if option == "source.topics" { "topics" } else { option };
    if given.get(option).is_some_and(|given| *given == text(old)) {
        *value = old.clone();
    }
}

/// The parts of a dotted path as in TOML, where names with dots are quoted.
fn path(option: &str) -> Option<Vec<String>> {
    let keys = toml_edit::Key::parse(option).ok()?;
    Some(keys.iter().map(|key| key.get().to_owned()).collect())
}

fn join(prefix: &str, name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let name = match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => toml_edit::Key::new(name).display_repr().into_owned(),
    };
    if prefix.is_empty() { name } else { format!("{prefix}.{name}") }
}

/// The options that a connector file stands for, in Kafka Connect's names where these have the same meaning, with literal
/// secrets masked.
pub(super) fn flatten(name: &str, table: &Table, schema: &Json) -> Options {
    let schema = Schema::new(schema);
    let mut options = Options::from([("name".to_owned(), name.to_owned())]);
    for (key, value) in table {
        match (key.as_str(), value) {
            (GIVEN, _) => {}
            ("tasks", tasks) => insert(&mut options, "tasks.max".to_owned(), text(tasks)),
            ("transforms", Value::Array(list)) => flatten_transforms(list, schema, &mut options),
            ("sink", Value::Table(sink)) => flatten_sink(sink, schema, &mut options),
            ("source", Value::Table(source)) => flatten_source(source, &mut options),
            (key, value) => leaves(key, value, &mut |path, value| insert(&mut options, path, value)),
        }
    }
    options
}

fn insert(options: &mut Options, option: String, value: String) {
    let value = mask(&option, value);
    options.insert(option, value);
}

fn flatten_sink(sink: &Table, schema: Schema<'_>, options: &mut Options) {
    let plugin = sink.get("plugin").and_then(Value::as_str).unwrap_or_default();
    for (key, value) in sink {
        match (key.as_str(), value) {
            ("plugin", plugin) => insert(options, "connector.class".to_owned(), text(plugin)),
            ("config", Value::Table(config)) => {
                flatten_config("sink.config", config, plugin, schema, options);
            }
            (key, value) => {
                leaves(&join("sink", key), value, &mut |path, value| insert(options, path, value))
            }
        }
    }
}

/// The options of a plugin, which marks those that are secret.
fn flatten_config(prefix: &str, config: &Table, plugin: &str, schema: Schema<'_>, options: &mut Options) {
    for (key, value) in config {
        let is_secret = schema.is_secret(plugin, &[key]);
        leaves(&join(prefix, key), value, &mut |path, value| match is_secret {
            true => insert(options, path, super::masks::masked(value)),
            false => insert(options, path, value),
        });
    }
}

fn flatten_source(source: &Table, options: &mut Options) {
    for (key, value) in source {
        match (key.as_str(), value) {
            ("topics", Value::Array(topics)) if topics.iter().all(Value::is_str) => {
                let topics: Vec<&str> = topics.iter().filter_map(Value::as_str).collect();
                options.insert("topics".to_owned(), topics.join(","));
            }
            ("topics", Value::String(topic)) => insert(options, "topics".to_owned(), topic.clone()),
            ("topics_regex", Value::String(pattern)) => match common::inner(pattern) {
                Some(inner) => insert(options, "topics.regex".to_owned(), inner.to_owned()),
                None => insert(options, "source.topics_regex".to_owned(), pattern.clone()),
            },
            ("properties", Value::Table(properties)) => flatten_properties("", properties, options),
            (key, value) => {
                leaves(&join("source", key), value, &mut |path, value| insert(options, path, value));
            }
        }
    }
}

/// Names of properties may be quoted in the file or not, and are the same then.
fn flatten_properties(prefix: &str, properties: &Table, options: &mut Options) {
    for (key, value) in properties {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten_properties(&name, inner, options),
            value => insert(options, format!("{PROPERTIES}{name}"), text(value)),
        }
    }
}

fn flatten_transforms(list: &[Value], schema: Schema<'_>, options: &mut Options) {
    let mut names = vec![];
    for transform in list.iter().filter_map(Value::as_table) {
        let plugin = transform.get("plugin").and_then(Value::as_str).unwrap_or_default();
        let name = transform.get("name").and_then(Value::as_str).unwrap_or(plugin);
        names.push(name);
        let prefix = format!("transforms.{name}");
        options.insert(format!("{prefix}.type"), plugin.to_owned());
        for (key, value) in transform {
            match (key.as_str(), value) {
                ("name" | "plugin", _) => {}
                ("config", Value::Table(config)) => {
                    flatten_config(&format!("{prefix}.config"), config, plugin, schema, options);
                }
                (key, value) => {
                    leaves(&join(&prefix, key), value, &mut |path, value| insert(options, path, value));
                }
            }
        }
    }
    options.insert("transforms".to_owned(), names.join(","));
}

/// Passes every value that is not a table to `visit`, with its path. An empty table is a value.
fn leaves(path: &str, value: &Value, visit: &mut dyn FnMut(String, String)) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(key, value)| leaves(&join(path, key), value, visit));
        }
        value => visit(path.to_owned(), text(value)),
    }
}
