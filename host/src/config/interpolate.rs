//! Resolves `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` in the string values of a parsed file.

use std::fs::File;
use std::io::Read;

use super::document::{Node, Table, TomlValue};
use super::environment::{Environment, names_a_secret};
use super::report::Report;
use super::section::{join, shown};

/// The largest file that a placeholder may refer to.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a placeholder cannot be resolved.
#[derive(Debug, thiserror::Error)]
enum PlaceholderError {
    #[error("environment variable {0} is not set: set it, or give a default as ${{env:{0}:-value}}")]
    NotSet(String),
    #[error("cannot read {path}: {source}: mount the file there, or correct the path")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{0} is not a regular file: ${{file:..}} reads no folders, pipes and devices, name a file")]
    NotAFile(String),
    #[error("{0} is larger than 1 MiB: ${{file:..}} is for secrets and other short texts")]
    TooLarge(String),
    #[error("{0} is not valid UTF-8: ${{file:..}} is for texts, encode the file as base64 or PEM")]
    NotText(String),
    #[error("\"${{\" without a \"}}\": close the placeholder, or write $${{ for a literal ${{")]
    Open,
    #[error(
        "unknown placeholder ${{{0}}}: write ${{env:NAME}}, ${{env:NAME:-default}} or ${{file:/path}}, \
         or $${{ for a literal ${{"
    )]
    Unknown(String),
}

/// A part of a text with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Literal text, which may be empty.
    Text(&'t str),
    /// `$${`, which stands for a literal `${`.
    Escape,
    /// What is between `${` and the next `}`.
    Placeholder(&'t str),
    /// What follows a `${` that is never closed.
    Open(&'t str),
}

/// The parts of a text, in order. All code that looks for placeholders uses this, so a check sees exactly the placeholders
/// that are resolved.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            pieces.extend([Piece::Text(literal), Piece::Escape]);
            rest = after;
            continue;
        }
        pieces.push(Piece::Text(before));
        let Some((placeholder, next)) = after.split_once('}') else {
            pieces.push(Piece::Open(after));
            return pieces;
        };
        pieces.push(Piece::Placeholder(placeholder));
        rest = next;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Opens a regular file. Others are refused before they are opened, because opening a pipe waits for its writer.
fn open(path: &str) -> Result<File, PlaceholderError> {
    let unreadable = |source| PlaceholderError::Unreadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(PlaceholderError::NotAFile(path.to_owned()));
    }
    File::open(path).map_err(unreadable)
}

/// Resolves every placeholder of the table. Those that cannot be resolved are all reported and marked as unresolved.
/// The content of a file, and of a variable whose name suggests a secret, becomes a secret.
pub(super) fn interpolate(table: &mut Table, environment: &Environment, report: &Report) {
    let walk = Walk { environment, report };
    walk.table(table, "");
}

struct Walk<'a> {
    environment: &'a Environment,
    report: &'a Report,
}

impl Walk<'_> {
    fn table(&self, table: &mut Table, path: &str) {
        for (key, node) in &mut table.entries {
            self.node(node, &join(path, key));
        }
    }

    fn node(&self, node: &mut Node, path: &str) {
        match &mut node.value {
            TomlValue::Table(table) => self.table(table, path),
            TomlValue::List(items) => items.iter_mut().enumerate().for_each(|(index, item)| {
                self.node(item, &format!("{path}[{index}]"));
            }),
            TomlValue::Text(text) if text.contains("${") => {
                node.value = match self.fill(text) {
                    Ok(filled) => TomlValue::Filled(filled),
                    Err(error) => {
                        self.report.error(&node.location, &shown(node.layer, path), error.to_string(), None);
                        TomlValue::Unresolved
                    }
                }
            }
            _ => {}
        }
    }

    fn fill(&self, text: &str) -> Result<String, PlaceholderError> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Escape => filled.push_str("${"),
                Piece::Placeholder(placeholder) => filled.push_str(&self.resolve(placeholder)?),
                Piece::Open(_) => return Err(PlaceholderError::Open),
            }
        }
        Ok(filled)
    }

    fn resolve(&self, placeholder: &str) -> Result<String, PlaceholderError> {
        match placeholder.split_once(':') {
            Some(("env", variable)) => self.variable(variable),
            Some(("file", path)) if !path.is_empty() => self.file(path),
            _ => Err(PlaceholderError::Unknown(placeholder.to_owned())),
        }
    }

    fn variable(&self, variable: &str) -> Result<String, PlaceholderError> {
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        let Some(value) = self.environment.get(name) else {
            return default.map(str::to_owned).ok_or_else(|| PlaceholderError::NotSet(name.to_owned()));
        };
        if names_a_secret(name) {
            self.report.secret(value);
        }
        Ok(value.to_owned())
    }

    fn file(&self, path: &str) -> Result<String, PlaceholderError> {
        let unreadable = |source| PlaceholderError::Unreadable { path: path.to_owned(), source };
        self.report.placeholder_file(path);
        let mut bytes = Vec::new();
        let file = open(path)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(PlaceholderError::TooLarge(path.to_owned()));
        }
        let mut text = String::from_utf8(bytes).map_err(|_| PlaceholderError::NotText(path.to_owned()))?;
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        self.report.secret(&text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        for path in ["/dev/null", "/"] {
            assert!(matches!(open(path), Err(PlaceholderError::NotAFile(_))), "{path}");
        }
        assert!(matches!(open("/no/such"), Err(PlaceholderError::Unreadable { .. })));
    }

    #[test]
    fn texts_are_split_at_placeholders() {
        use Piece::{Escape, Open, Placeholder, Text};
        assert_eq!(
            pieces("a$${b${c${d}e}${f"),
            [Text("a"), Escape, Text("b"), Placeholder("c${d"), Text("e}"), Open("f")]
        );
    }
}
