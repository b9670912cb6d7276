//! Paths with placeholders, safe for any table name.

use std::{
    fmt::{self, Write},
    path::Path,
};

use tidegate_plugin::prelude::*;

use crate::placement::OWN_FOLDER;

/// A path such as `out/{schema}/{table}.jsonl`: a fixed root folder, and a file name that depends on the record.
#[derive(Debug)]
pub(crate) struct Template {
    root: String,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Topic,
    Database,
    Schema,
    Table,
}

impl Template {
    /// Splits a path into the root folder and the part with placeholders.
    pub(crate) fn parse(path: &str) -> Result<Self> {
        let fixed = path.split('{').next().unwrap_or_default();
        let (root, _) = fixed.rsplit_once('/').unwrap_or((".", ""));
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if matches!(name, "" | "." | "..") {
            return Err(invalid("has no file name: add one, such as {table}.jsonl"));
        }
        let relative = &path[if fixed.contains('/') { root.len() + 1 } else { 0 }..];
        if relative.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(invalid("has an empty, `.` or `..` folder after a placeholder"));
        }
        // Names of records could reach the journal.
        let literal = |segment: &str| segment.split('{').next().unwrap_or_default().to_ascii_lowercase();
        let may_be_own = |segment: &str| match literal(segment) {
            text if segment.contains('{') => !text.is_empty() && OWN_FOLDER.starts_with(&text),
            text => text == OWN_FOLDER,
        };
        if path.split('/').any(may_be_own) {
            return Err(invalid(format_args!(
                "has a folder that is or could be {OWN_FOLDER}, the sink's own"
            )));
        }
        // The root folder of `/x.jsonl` is that of the file system.
        let root = if root.is_empty() { "/" } else { root };
        Ok(Self { root: root.to_owned(), parts: parse_parts(relative)? })
    }

    /// The root folder of all files.
    pub(crate) fn root(&self) -> &Path {
        Path::new(&self.root)
    }

    /// Appends the path of the record's file, relative to the root folder, to `name`.
    pub(crate) fn expand(&self, record: Record<'_>, name: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Topic => push_encoded(name, record.topic()),
                Part::Database => push_encoded(name, record.change().map_or("", |change| change.database())),
                Part::Schema => push_encoded(name, schema(record)),
                Part::Table => push_encoded(name, table(record)),
            }
        }
    }
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::invalid_option("path", message)
}

fn parse_parts(text: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(invalid(format_args!("`{{{after}` has no closing brace")));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(match name {
            "topic" => Part::Topic,
            "database" => Part::Database,
            "schema" => Part::Schema,
            "table" => Part::Table,
            other => {
                let known = "{topic}, {database}, {schema} and {table}";
                return Err(invalid(format_args!("unknown placeholder {{{other}}}: use {known}")));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The table. For a record that is not a change event, such as the tombstone after a delete, it is the last part of the
/// topic, as in Debezium's topics.
fn table(record: Record<'_>) -> &str {
    match record.change().map(|change| change.table()) {
        Some(table) if !table.is_empty() => table,
        _ => record.topic().rsplit('.').next().unwrap_or_default(),
    }
}

/// The schema. For a record that is not a change event, it is the part of the topic before the table.
fn schema(record: Record<'_>) -> &str {
    match record.change() {
        Some(change) => change.schema(),
        None => record.topic().rsplit('.').nth(1).unwrap_or_default(),
    }
}

/// Appends `text`, encoded so that it stays within one file name, and so that different texts stay different.
fn push_encoded(out: &mut String, text: &str) {
    if text.is_empty() {
        out.push('_');
    }
    for (index, letter) in text.char_indices() {
        let special = letter.is_control() || "/\\%:*?\"<>|".contains(letter) || (index == 0 && letter == '.');
        if !special {
            out.push(letter);
            continue;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut out = String::new();
        push_encoded(&mut out, text);
        out
    }

    fn error(path: &str) -> String {
        Template::parse(path).unwrap_err().message().to_owned()
    }

    #[test]
    fn the_root_is_the_folder_before_the_first_placeholder() {
        for (path, root, parts) in [
            ("out/all.jsonl", "out", 1),
            ("all.jsonl", ".", 1),
            ("{table}.jsonl", ".", 2),
            ("/var/out/{schema}/{table}.jsonl", "/var/out", 4),
            ("../out/x-{table}", "../out", 2),
            ("/all.jsonl", "/", 1),
        ] {
            let template = Template::parse(path).unwrap();
            assert_eq!((template.root(), template.parts.len()), (Path::new(root), parts), "{path}");
        }
    }

    #[test]
    fn names_stay_in_their_folder_and_stay_distinct() {
        assert_eq!(encoded("../../x"), "%2E.%2F..%2Fx");
        assert_eq!(encoded(".."), "%2E.");
        assert_eq!(encoded(".tidegate"), "%2Etidegate");
        assert_eq!(encoded("a/b"), "a%2Fb");
        assert_eq!(encoded("a%2Fb"), "a%252Fb");
        assert_eq!(encoded("a\0b"), "a%00b");
        assert_eq!(encoded(""), "_");
        assert_eq!(encoded("Größe v1.2"), "Größe v1.2");
    }

    #[test]
    fn invalid_paths_are_rejected() {
        assert!(error("").contains("has no file name"));
        assert!(error("out/").contains("has no file name"));
        assert!(error("out/{table}/").contains("has no file name"));
        assert!(error("out/{table}/../x").contains("`..` folder"));
        assert!(error("out/{tabel}").contains("unknown placeholder {tabel}"));
        assert!(error("out/{table").contains("no closing brace"));
        for own in [
            "out/.{table}/journal.json",
            "out/.tide{table}/x",
            "out/.tidegate/journal.json",
            "out/.TIDEGATE/{table}",
        ] {
            assert!(error(own).contains("the sink's own"), "{own}");
        }
        assert!(Template::parse("out/.x{table}").is_ok());
    }
}
