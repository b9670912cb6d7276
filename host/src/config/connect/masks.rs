//! Secrets are not shown: a literal one is masked, and a masked one that comes back stands for the one in the file.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Finding, GIVEN, Options, urls::mask_urls};
use crate::config::diagnostic::Severity;

/// What is shown in place of a secret.
pub const MASK: &str = "********";

/// Parts of the names of options that hold secrets.
const SECRET: [&str; 9] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "private.key",
    "private_key",
    "jaas.config",
    "user.info",
    "credential",
];
/// Ends of the names of options that only say where a secret is, or of which kind.
const PLACES: [&str; 9] =
    ["path", "file", "location", "url", "uri", "endpoint", "source", "type", "retention"];

/// Options whose next part is a name that a user chose, which says nothing about the value.
const CHOSEN: [&str; 3] = ["transforms.", "predicates.", "sink.config.tables."];

/// Whether an option of this name probably holds a secret.
pub(super) fn is_secret_name(option: &str) -> bool {
    let name = option.to_ascii_lowercase();
    // The last part of a path may be quoted.
    let name = without_chosen_name(&name).unwrap_or(&name).trim_end_matches(['"', '\'']);
    let is_key =
        matches!(name.rsplit(['.', '_']).next(), Some("pem")) || name.ends_with("oauthbearer.config");
    is_key
        || (SECRET.iter().any(|part| name.contains(part))
            && !PLACES.iter().any(|place| name.ends_with(place)))
}

/// What follows the name of a transform, a predicate or a table; `None` if the option has no such name.
fn without_chosen_name(option: &str) -> Option<&str> {
    let rest = CHOSEN.iter().find_map(|start| option.strip_prefix(start))?;
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
    match quote {
        Some(quote) => rest.strip_prefix(quote)?.split_once(quote)?.1.strip_prefix('.'),
        None => rest.split_once('.').map(|(_, rest)| rest),
    }
}

/// Whether a value as a whole is masked. Where the file wants a list, the mask has become its only item.
fn is_masked(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MASK),
        Value::Array(items) => matches!(items.as_slice(), [Value::String(text)] if text == MASK),
        _ => false,
    }
}

/// The name of an item of the list `transforms`: its plugin, if it has no other.
pub(super) fn transform_name(transform: &Table) -> Option<&str> {
    transform.get("name").or_else(|| transform.get("plugin")).and_then(Value::as_str)
}

/// The transform of this name in a list, wherever it is there.
pub(super) fn find_transform<'l>(list: &'l Value, name: &str) -> Option<&'l Value> {
    let is_it = |item: &&Value| item.as_table().and_then(transform_name) == Some(name);
    list.as_array()?.iter().find(is_it)
}

/// The value as it may be shown: masked, unless it is empty or made of placeholders only.
pub(super) fn masked(value: String) -> String {
    let mut rest = value.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        match after.split_once('}') {
            Some((_, next)) if before.trim().is_empty() && !before.ends_with('$') => rest = next,
            _ => return MASK.to_owned(),
        }
    }
    if rest.trim().is_empty() { value } else { MASK.to_owned() }
}

/// The value of an option as it may be shown.
pub(super) fn mask(option: &str, value: String) -> String {
    if is_secret_name(option) { masked(value) } else { mask_urls(&value) }
}

/// As [`mask`], for a message.
pub(super) fn shown(value: &str, option: &str) -> String {
    mask(option, value.to_owned())
}

/// The options as they may be shown. `own` are those of the file, whose plugins say what else is secret.
pub(super) fn mask_options(options: &Options, own: &Options) -> Options {
    let shown = |(option, value): (&String, &String)| {
        let is_masked = own.get(option).is_some_and(|value| value == MASK);
        let value = if is_masked { MASK.to_owned() } else { mask(option, value.clone()) };
        (option.clone(), value)
    };
    options.iter().map(shown).collect()
}

/// Whether two files say the same, where a masked value is the same as any other.
pub(super) fn same(left: &Table, right: &Table) -> bool {
    left.len() == right.len()
        && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same_value(value, other)))
}

fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (left, right @ (Value::String(_) | Value::Array(_))) if is_masked(left) => stands_for(left, right),
        (Value::Table(left), Value::Table(right)) => same(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (left, right) => left == right,
    }
}

/// Whether a masked value may stand for this one. Of a URL only the password is masked.
fn stands_for(masked: &Value, value: &Value) -> bool {
    match (masked, value) {
        (Value::String(masked), Value::String(text)) if masked.contains("://") => mask_urls(text) == *masked,
        _ => true,
    }
}

/// Puts the values of the `old` file in place of masked ones.
pub(super) fn restore(table: &mut Table, old: &Table, findings: &mut Vec<Finding>) {
    let mut lost = BTreeMap::new();
    for (key, value) in table.iter_mut().filter(|(key, _)| *key != GIVEN) {
        restore_value(value, old.get(key), key, &mut lost);
    }
    findings.extend(lost.into_iter().map(|(option, ())| Finding {
        message: format!(
            "{option} is masked, and the file has no such value to keep: write the secret or a placeholder"
        ),
        option,
        severity: Severity::Error,
    }));
}

fn restore_value(value: &mut Value, old: Option<&Value>, path: &str, lost: &mut BTreeMap<String, ()>) {
    if is_masked(value) {
        match old {
            Some(old) if stands_for(value, old) => *value = old.clone(),
            _ => {
                lost.insert(path.to_owned(), ());
            }
        }
        return;
    }
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let old = old.and_then(|old| old.get(key));
                restore_value(value, old, &format!("{path}.{key}"), lost);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                // Transforms have names, so that they can be moved without getting the secrets of others.
                let name = item.as_table().filter(|_| path == "transforms").and_then(transform_name);
                let old = old.and_then(|old| match name {
                    Some(name) => find_transform(old, name),
                    None => old.get(index),
                });
                restore_value(item, old, &format!("{path}[{index}]"), lost);
            }
        }
        _ => {}
    }
}
