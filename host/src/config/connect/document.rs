//! Writes a connector file: changes only what differs from the current one, so that its comments and its order stay.

use toml::{Table, Value};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table as EditTable};

use super::masks::transform_name;

/// The order of the tables in a new file.
const ORDER: [&str; 12] = [
    "description",
    "enabled",
    "tasks",
    "isolation",
    "source",
    "batch",
    "transforms",
    "sink",
    "errors",
    "restart",
    "limits",
    "plugins",
];

/// The text of a file with the content of `table`, made from the `current` text, if there is one and it is valid.
pub(super) fn write(current: Option<&str>, table: &Table) -> String {
    let mut document = current.and_then(|text| text.parse::<DocumentMut>().ok()).unwrap_or_default();
    merge(document.as_table_mut(), table);
    document.to_string()
}

fn merge(current: &mut EditTable, wanted: &Table) {
    let gone: Vec<String> =
        current.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    for key in gone {
        current.remove(&key);
    }
    let place = |key: &str| ORDER.iter().position(|other| *other == key).unwrap_or(ORDER.len());
    let mut keys: Vec<&String> = wanted.keys().collect();
    keys.sort_by_key(|key| place(key));
    for key in keys {
        match current.get_mut(key) {
            Some(item) => change(key, item, &wanted[key]),
            None => {
                current.insert(key, item(&wanted[key]));
            }
        }
    }
}

/// Puts the tables of the list `transforms` into the order of the names in `wanted`, so that each keeps its own comments. Those
/// that are not wanted are removed.
fn order_transforms(tables: &mut ArrayOfTables, wanted: &[&Table]) {
    let old: Vec<EditTable> = std::mem::take(tables).into_iter().collect();
    let start = old.iter().filter_map(EditTable::position).min();
    let mut old: Vec<(usize, EditTable)> = old.into_iter().enumerate().collect();
    let mut order = vec![];
    for wanted in wanted {
        let name = transform_name(wanted);
        let found = old.iter().position(|(_, table)| edit_name(table) == name);
        let (place, table) = match found {
            Some(index) => old.remove(index),
            None => (usize::MAX, edit_table(wanted)),
        };
        order.push(place);
        tables.push(table);
    }
    // Tables are written in the order of their positions in the file, so they may keep those only if none was moved.
    if !order.is_sorted() {
        tables.iter_mut().for_each(|table| move_to(table, start));
    }
}

fn edit_name(table: &EditTable) -> Option<&str> {
    table.get("name").or_else(|| table.get("plugin")).and_then(Item::as_str)
}

fn move_to(table: &mut EditTable, position: Option<isize>) {
    table.set_position(position);
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => move_to(inner, position),
            Item::ArrayOfTables(inner) => inner.iter_mut().for_each(|inner| move_to(inner, position)),
            _ => {}
        }
    }
}

/// Makes an item of the file, whose last key is `key`, say `wanted`.
fn change(key: &str, current: &mut Item, wanted: &Value) {
    match (&mut *current, wanted) {
        (Item::Table(table), Value::Table(wanted)) => return merge(table, wanted),
        (Item::ArrayOfTables(tables), Value::Array(wanted)) if wanted.iter().all(Value::is_table) => {
            let wanted: Vec<&Table> = wanted.iter().filter_map(Value::as_table).collect();
            if key == "transforms" {
                order_transforms(tables, &wanted);
            }
            while tables.len() > wanted.len() {
                tables.remove(tables.len() - 1);
            }
            for (index, wanted) in wanted.into_iter().enumerate() {
                match tables.get_mut(index) {
                    Some(table) => merge(table, wanted),
                    None => tables.push(edit_table(wanted)),
                }
            }
            return;
        }
        _ => {}
    }
    if says(current, wanted) {
        return;
    }
    let old = current.as_value().map(|value| value.decor().clone());
    let mut fresh = item(wanted);
    if let (Some(value), Some(decor)) = (fresh.as_value_mut(), old) {
        *value.decor_mut() = decor;
    }
    *current = fresh;
}

/// Whether the item has this value already, however it is written.
fn says(current: &Item, wanted: &Value) -> bool {
    let text = match current {
        Item::Value(value) => format!("v = {}", value.clone().decorated(" ", "")),
        _ => return false,
    };
    text.parse::<Table>().is_ok_and(|table| table.get("v") == Some(wanted))
}

fn item(value: &Value) -> Item {
    match value {
        Value::Table(table) => Item::Table(edit_table(table)),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_table) => {
            let mut tables = ArrayOfTables::new();
            items.iter().filter_map(Value::as_table).for_each(|table| tables.push(edit_table(table)));
            Item::ArrayOfTables(tables)
        }
        value => Item::Value(inline(value)),
    }
}

fn edit_table(table: &Table) -> EditTable {
    let mut edited = EditTable::new();
    // A header for a table that has only tables is not needed.
    edited.set_implicit(!table.is_empty() && table.values().all(Value::is_table));
    merge(&mut edited, table);
    edited
}

fn inline(value: &Value) -> toml_edit::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Boolean(value) => (*value).into(),
        Value::Datetime(value) => value
            .to_string()
            .parse::<toml_edit::Datetime>()
            .map_or_else(|_| toml_edit::Value::from(value.to_string()), toml_edit::Value::from),
        Value::Array(items) => {
            let mut array: toml_edit::Array = items.iter().map(inline).collect();
            array.fmt();
            array.into()
        }
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.as_str(), inline(value)));
            toml_edit::InlineTable::from_iter(entries).into()
        }
    }
}
