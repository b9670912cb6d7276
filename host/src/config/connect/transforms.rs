//! `transforms`: those of Kafka Connect and Debezium that the shipped plugins have, and plugins by their own names.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::common::list;
use super::mapping::{Mapping, set};
use super::own_keys;
use super::predicates::{self, Predicate};

/// More than anybody needs. Each one looks through all options.
pub(super) const MAX_TRANSFORMS: usize = 100;

/// Which part of a record the class of a transform is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Key,
    Value,
    Record,
}

pub(super) fn map(mapping: &mut Mapping<'_>) {
    let names = mapping.take("transforms").map(list).unwrap_or_default();
    if names.len() > MAX_TRANSFORMS {
        mapping.error("transforms", format!("transforms: there are more than {MAX_TRANSFORMS} of them"));
        // Said once, instead of for each of their options.
        for (rest, _) in mapping.unread("transforms.") {
            mapping.take(&format!("transforms.{rest}"));
        }
        predicates::finish(mapping);
        return;
    }
    let mut known = BTreeSet::new();
    let unique = names.iter().take_while(|name| known.insert(*name)).count();
    if let Some(name) = names.get(unique) {
        mapping.invalid("transforms", name, "Duplicate alias provided.");
    }
    // The options of `a.b` also start with `a.`, so they are read before those of `a`.
    let mut tables: Vec<(usize, Option<Table>)> =
        longest_first(&names[..unique]).map(|(index, name)| (index, map_one(mapping, name))).collect();
    tables.sort_by_key(|(index, _)| *index);
    let tables: Vec<Value> = tables.into_iter().filter_map(|(_, table)| table.map(Value::Table)).collect();
    predicates::finish(mapping);
    if !tables.is_empty() {
        mapping.set(&["transforms"], tables);
    }
}

/// Names with their indexes, the longest first.
pub(super) fn longest_first(names: &[String]) -> impl Iterator<Item = (usize, &String)> {
    let mut names: Vec<(usize, &String)> = names.iter().enumerate().collect();
    names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    names.into_iter()
}

/// One transform, while its options are read.
struct Transform<'m, 'o> {
    mapping: &'m mut Mapping<'o>,
    name: &'m str,
    config: Table,
}

impl<'o> Transform<'_, 'o> {
    fn option(&self, key: &str) -> String {
        format!("transforms.{}.{key}", self.name)
    }

    fn take(&mut self, key: &str) -> Option<&'o str> {
        let option = self.option(key);
        self.mapping.take(&option)
    }

    fn required(&mut self, key: &str) -> Option<&'o str> {
        let value = self.take(key);
        if value.is_none() {
            let option = self.option(key);
            let message = format!("Missing required configuration \"{option}\" which has no default value.");
            self.mapping.error(&option, message);
        }
        value
    }

    fn error(&mut self, key: &str, message: &str) {
        let option = self.option(key);
        self.mapping.error(&option, format!("{option}: {message}"));
    }

    fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        set(&mut self.config, path, value.into());
    }
}

fn map_one(mapping: &mut Mapping<'_>, name: &str) -> Option<Table> {
    let kind = format!("transforms.{name}.type");
    let Some(class) = mapping.take(&kind) else {
        let message = format!("Missing required configuration \"{kind}\" which has no default value.");
        mapping.error(&kind, message);
        return None;
    };
    let mut predicate = predicates::of_transform(mapping, name);
    let mut transform = Transform { mapping, name, config: Table::new() };
    let plugin = plugin(&mut transform, class, &mut predicate)?;
    let mut config = std::mem::take(&mut transform.config);
    let mut table = Table::new();
    if plugin != name {
        table.insert("name".to_owned(), name.into());
    }
    table.insert("plugin".to_owned(), plugin.clone().into());
    if let Some((predicate, negate)) = predicate {
        table.insert("when".to_owned(), predicate.table(negate, false).into());
    }
    own_keys::map_transform(mapping, name, &plugin, &mut table, &mut config);
    if !config.is_empty() {
        table.insert("config".to_owned(), config.into());
    }
    Some(table)
}

/// The plugin of a class, after its options are read. `Filter` takes the predicate as its own condition.
fn plugin(
    transform: &mut Transform<'_, '_>,
    class: &str,
    predicate: &mut Option<(Predicate, bool)>,
) -> Option<String> {
    if transform.mapping.schema.has_transform(class) {
        return Some(class.to_owned());
    }
    let (path, side) = match class.rsplit_once('$') {
        Some((path, "Key")) => (path, Side::Key),
        Some((path, "Value")) => (path, Side::Value),
        _ => (class, Side::Record),
    };
    let simple = path.rsplit('.').next().unwrap_or_default();
    let is_debezium = path.starts_with("io.debezium.");
    match (simple, side) {
        ("RegexRouter", _) => map_router(transform, "regex", "replacement"),
        ("ByLogicalTableRouter", _) => {
            if transform.take("key.enforce.uniqueness") != Some("false") {
                transform.error("key.enforce.uniqueness", "keys get no further field: set it to false");
            }
            map_router(transform, "topic.regex", "topic.replacement")
        }
        ("ReplaceField", Side::Value) => map_replace_field(transform),
        ("MaskField", Side::Value) => map_mask_field(transform),
        ("InsertField", Side::Value) => map_insert_field(transform),
        ("InsertHeader", _) => map_insert_header(transform),
        ("Filter", _) if !is_debezium => map_filter(transform, predicate.take()),
        ("ExtractNewRecordState", _) => {
            map_unwrap(transform);
            Some("unwrap".to_owned())
        }
        _ => {
            unknown(transform, class, side);
            None
        }
    }
}

fn unknown(transform: &mut Transform<'_, '_>, class: &str, side: Side) {
    let kind = transform.option("type");
    // Said once, for the class, instead of for each of its options.
    for (rest, _) in transform.mapping.unread(&format!("transforms.{}.", transform.name)) {
        transform.take(rest);
    }
    let is_kafkas = class.starts_with("org.apache.kafka.connect.") || class.starts_with("io.debezium.");
    let why = match side {
        Side::Key if is_kafkas => "transforms of keys alone are not supported".to_owned(),
        _ if is_kafkas => {
            let plugins = transform.mapping.schema.transforms().join(", ");
            format!(
                "there is no transform like it; there are RegexRouter, ReplaceField$Value, MaskField$Value, InsertField$Value, InsertHeader, Filter, ExtractNewRecordState, and {plugins}"
            )
        }
        _ => format!("Class {class} could not be found."),
    };
    transform.mapping.invalid(&kind, class, &why);
}

fn map_router(transform: &mut Transform<'_, '_>, pattern: &str, replacement: &str) -> Option<String> {
    let pattern = transform.required(pattern)?.to_owned();
    let replacement = replacement_of_java(transform.required(replacement)?);
    transform.set(&["topic", "pattern"], pattern);
    transform.set(&["topic", "replacement"], replacement);
    Some("route".to_owned())
}

/// A replacement with the syntax of Java, `$1` and `\$`, in that of `route`, `${1}` and `$$`.
fn replacement_of_java(text: &str) -> String {
    let mut result = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('$') => result.push_str("$$"),
                other => result.extend(other),
            },
            '$' if letters.peek().is_some_and(char::is_ascii_digit) => {
                result.push_str("${");
                // Java reads further digits only while there is such a group; nobody has ten of them.
                result.extend(letters.next());
                result.push('}');
            }
            other => result.push(other),
        }
    }
    result
}

fn map_replace_field(transform: &mut Transform<'_, '_>) -> Option<String> {
    for (names, key) in [(["include", "whitelist"], "keep"), (["exclude", "blacklist"], "drop")] {
        for name in names {
            if let Some(fields) = transform.take(name) {
                transform.set(&[key], list(fields));
            }
        }
    }
    for rename in transform.take("renames").map(list).unwrap_or_default() {
        match rename.split_once(':') {
            Some((old, new)) => transform.set(&["rename", old.trim()], new.trim()),
            None => transform.error("renames", "write each as old:new"),
        }
    }
    transform.take("replace.null.with.default");
    Some("fields".to_owned())
}

fn map_mask_field(transform: &mut Transform<'_, '_>) -> Option<String> {
    let fields = list(transform.required("fields")?);
    transform.set(&["fields"], fields);
    match transform.take("replacement") {
        Some(text) => transform.set(&["replacement"], text),
        None => transform.error(
            "replacement",
            "without it, Kafka Connect writes 0, \"\" or false; set a replacement, or use the plugin mask with mode = \"null\"",
        ),
    }
    transform.take("replace.null.with.default");
    Some("mask".to_owned())
}

fn map_insert_field(transform: &mut Transform<'_, '_>) -> Option<String> {
    for (key, property) in [
        ("topic.field", "topic"),
        ("partition.field", "partition"),
        ("offset.field", "offset"),
        ("timestamp.field", "timestamp"),
    ] {
        if let Some(field) = transform.take(key) {
            transform.set(&["fields", field.trim_end_matches(['!', '?'])], property);
        }
    }
    if let Some(field) = transform.take("static.field") {
        let constant = transform.required("static.value")?;
        transform.set(&["fields", field.trim_end_matches(['!', '?']), "constant"], constant);
    }
    transform.take("replace.null.with.default");
    transform.set(&["into"], "value");
    transform.set(&["existing"], "overwrite");
    Some("enrich".to_owned())
}

fn map_insert_header(transform: &mut Transform<'_, '_>) -> Option<String> {
    let header = transform.required("header")?;
    let value = transform.required("value.literal")?;
    transform.set(&["headers", header, "constant"], value);
    transform.set(&["existing"], "overwrite");
    Some("enrich".to_owned())
}

fn map_filter(transform: &mut Transform<'_, '_>, predicate: Option<(Predicate, bool)>) -> Option<String> {
    let Some((predicate, negate)) = predicate else {
        transform.error("predicate", "without a predicate, Filter drops every record: set one");
        return None;
    };
    transform.set(&["action"], "drop");
    transform.set(&["conditions"], vec![Value::Table(predicate.table(negate, true))]);
    Some("filter".to_owned())
}

/// `unwrap` has the same options with the same names.
fn map_unwrap(transform: &mut Transform<'_, '_>) {
    for (key, value) in transform.mapping.unread(&format!("transforms.{}.", transform.name)) {
        transform.take(key);
        transform.set(&[key], value.trim());
    }
}

#[cfg(test)]
mod tests {
    use super::replacement_of_java;

    #[test]
    fn replacements_keep_their_meaning() {
        for (java, own) in
            [("shop.$1", "shop.${1}"), ("$1x$2", "${1}x${2}"), (r"a\$1", "a$$1"), ("${n}", "${n}")]
        {
            assert_eq!(replacement_of_java(java), own);
        }
    }
}
