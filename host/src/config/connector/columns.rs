//! `[source.columns]`: what columns hold when the format does not say, by table and column.

use std::collections::BTreeMap;

use crate::config::document::{Node, Table, TomlValue};
use crate::config::report::Report;
use crate::config::section::{Section, join, shown};
use crate::config::suggest;
use crate::formats::ColumnHint;

const NAMED: [(&str, ColumnHint); 12] = [
    ("date", ColumnHint::Date),
    ("time_millis", ColumnHint::TimeMillis),
    ("time_micros", ColumnHint::TimeMicros),
    ("time_nanos", ColumnHint::TimeNanos),
    ("timestamp_seconds", ColumnHint::TimestampSeconds),
    ("timestamp_millis", ColumnHint::TimestampMillis),
    ("timestamp_micros", ColumnHint::TimestampMicros),
    ("timestamp_nanos", ColumnHint::TimestampNanos),
    ("zoned_timestamp", ColumnHint::ZonedTimestamp),
    ("uuid", ColumnHint::Uuid),
    ("json", ColumnHint::Json),
    ("bytes", ColumnHint::Bytes),
];

/// The largest scale that makes sense: what the widest decimals of common databases have (PostgreSQL: 16383).
const MAX_SCALE: i32 = 16_383;

/// Reads the hints, keyed `table.column` or `schema.table.column`. The names may be quoted or not.
pub(super) fn read(section: &Section<'_>) -> BTreeMap<String, ColumnHint> {
    let mut reader = Reader { hints: BTreeMap::new(), report: section.report() };
    if let Some(table) = section.table() {
        reader.table(table, "");
    }
    reader.hints
}

struct Reader<'a> {
    hints: BTreeMap<String, ColumnHint>,
    report: &'a Report,
}

impl Reader<'_> {
    fn table(&mut self, table: &Table, prefix: &str) {
        for (key, node) in &table.entries {
            let name = join(prefix, key);
            match &node.value {
                TomlValue::Table(inner) => match decimal(inner) {
                    Some(scale) => self.decimal(&name, scale),
                    None => self.table(inner, &name),
                },
                value => self.named(&name, node, value),
            }
        }
    }

    fn decimal(&mut self, column: &str, scale: &Node) {
        match scale.value {
            TomlValue::Integer(digits) if (0..=i64::from(MAX_SCALE)).contains(&digits) => {
                let digits = i32::try_from(digits).unwrap_or(MAX_SCALE);
                self.add(column, scale, ColumnHint::Decimal { scale: digits });
            }
            _ => self.error(column, scale, "decimal takes its scale, an integer from 0 to 16383", None),
        }
    }

    fn named(&mut self, column: &str, node: &Node, value: &TomlValue) {
        let text = match value {
            TomlValue::Text(text) | TomlValue::Filled(text) => text,
            TomlValue::Unresolved => return,
            other => {
                let message = format!("expected a type's name or {{ decimal = 2 }}, found {}", other.kind());
                return self.error(column, node, message, None);
            }
        };
        match NAMED.iter().find(|(name, _)| name == text) {
            Some((_, hint)) => self.add(column, node, *hint),
            None => {
                let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
                let help = match text.as_str() {
                    "decimal" | "numeric" => "write { decimal = 2 } with the column's scale".to_owned(),
                    other => suggest::help(other, "known types", &names),
                };
                self.error(column, node, format!("unknown type {text:?}"), Some(help));
            }
        }
    }

    fn add(&mut self, column: &str, node: &Node, hint: ColumnHint) {
        if !column.contains('.') {
            let help = format!("write \"table.{column}\" or \"schema.table.{column}\"");
            return self.error(column, node, "the table is missing", Some(help));
        }
        self.hints.insert(column.to_owned(), hint);
    }

    fn error(&self, column: &str, node: &Node, message: impl Into<String>, help: Option<String>) {
        let path = shown(node.layer, &format!("source.columns.{column:?}"));
        self.report.error(&node.key, &path, message, help);
    }
}

/// The scale node of `{ decimal = .. }`. A table `products` with a column that is called `decimal` looks the same
/// when its names are not quoted; then the value is a type's name.
fn decimal(table: &Table) -> Option<&Node> {
    let node = table.entries.get("decimal").filter(|_| table.entries.len() == 1)?;
    let names_a_type = table.text("decimal").is_some_and(|text| NAMED.iter().any(|(name, _)| *name == text));
    (!names_a_type).then_some(node)
}
