//! `[source.key_columns]`: primary keys of tables, where messages do not name their columns.

use std::collections::BTreeMap;

use crate::config::document::{Node, Table, TomlValue};
use crate::config::report::Report;
use crate::config::section::{Section, join, shown};

/// Reads the keys, each a column or a list of columns, by `table`, `schema.table` or `*`. Names may be quoted or not.
pub(super) fn read(section: &Section<'_>) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    if let Some(table) = section.table() {
        read_table(table, "", &mut keys, section.report());
    }
    keys
}

fn read_table(table: &Table, prefix: &str, keys: &mut BTreeMap<String, Vec<String>>, report: &Report) {
    for (key, node) in &table.entries {
        let name = join(prefix, key);
        match &node.value {
            TomlValue::Table(inner) => read_table(inner, &name, keys, report),
            TomlValue::Unresolved => {}
            value => match columns(value) {
                Some(columns) => {
                    if let Some(column) = repeated(&columns) {
                        let path = shown(node.layer, &format!("source.key_columns.{name:?}"));
                        report.error(&node.key, &path, format!("{column:?} is named twice"), None);
                    }
                    keys.insert(name, columns);
                }
                None => wrong(&name, node, report),
            },
        }
    }
}

/// The columns, if each has a name.
fn columns(value: &TomlValue) -> Option<Vec<String>> {
    let text = |value: &TomlValue| match value {
        TomlValue::Text(text) | TomlValue::Filled(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    match value {
        TomlValue::List(items) if !items.is_empty() => items.iter().map(|item| text(&item.value)).collect(),
        value => text(value).map(|column| vec![column]),
    }
}

fn repeated(columns: &[String]) -> Option<&String> {
    columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column)).map(|(_, column)| column)
}

fn wrong(table: &str, node: &Node, report: &Report) {
    let path = shown(node.layer, &format!("source.key_columns.{table:?}"));
    let message = format!("expected a column or a list of columns, found {}", node.value.kind());
    report.error(&node.key, &path, message, Some("write \"orders\" = [\"id\"]".to_owned()));
}
