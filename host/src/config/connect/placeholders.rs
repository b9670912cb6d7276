//! Placeholders of Kafka Connect's config providers, as far as a connector file has them too.

use std::collections::BTreeMap;

use super::{Finding, Options};
use crate::config::diagnostic::Severity;
use crate::config::interpolate::{Piece, pieces};

/// The options with `${directory:/dir:name}` as `${file:/dir/name}`, and errors for placeholders that a file does not have.
pub(super) fn translate(options: &Options) -> (Options, Vec<Finding>) {
    let (mut translated, mut findings) = (Options::new(), vec![]);
    for (option, value) in options {
        let value = match replace(value) {
            Ok(value) => value,
            Err(message) => {
                let message = format!("{option}: {message}");
                findings.push(Finding { option: option.clone(), message, severity: Severity::Error });
                value.clone()
            }
        };
        translated.insert(option.clone(), value);
    }
    (translated, findings)
}

fn replace(text: &str) -> Result<String, String> {
    let mut result = String::new();
    for piece in pieces(text) {
        let placeholder = match piece {
            Piece::Placeholder(placeholder) => placeholder,
            Piece::Text(text) => {
                result.push_str(text);
                continue;
            }
            Piece::Escape => {
                result.push_str("$${");
                continue;
            }
            Piece::Open(rest) => {
                result.push_str("${");
                result.push_str(rest);
                continue;
            }
        };
        match placeholder.split_once(':') {
            Some(("directory", place)) => {
                let (folder, name) = place.split_once(':').ok_or("write ${directory:/folder:file}")?;
                result.push_str(&format!("${{file:{}/{name}}}", folder.trim_end_matches('/')));
            }
            Some(("file", path)) if path.contains(':') => {
                return Err(
                    "a properties file cannot be read: put each secret into a file of its own, and write ${file:/path}"
                        .to_owned(),
                );
            }
            _ => {
                result.push_str("${");
                result.push_str(placeholder);
                result.push('}');
            }
        }
    }
    Ok(result)
}

/// The files and the environment variables that the texts of a connector file refer to, by the key path of the first text that
/// does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Paths of `${file:..}`.
    pub files: BTreeMap<String, String>,
    /// Names of `${env:..}`.
    pub variables: BTreeMap<String, String>,
}

/// What the placeholders of a connector file refer to. Nothing, if it is not valid TOML.
#[must_use]
pub fn references(text: &str) -> References {
    let mut references = References::default();
    if let Ok(mut table) = text.parse::<toml::Table>() {
        table.remove(super::GIVEN);
        visit("", &toml::Value::Table(table), &mut references);
    }
    references
}

fn visit(path: &str, value: &toml::Value, references: &mut References) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                visit(&path, value, references);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| visit(path, item, references)),
        toml::Value::String(text) => {
            for piece in pieces(text) {
                let Piece::Placeholder(placeholder) = piece else { continue };
                let (kinds, name) = match placeholder.split_once(':') {
                    Some(("file", name)) => (&mut references.files, name),
                    Some(("env", name)) => {
                        (&mut references.variables, name.split(":-").next().unwrap_or_default())
                    }
                    _ => continue,
                };
                kinds.entry(name.to_owned()).or_insert_with(|| path.to_owned());
            }
        }
        _ => {}
    }
}
