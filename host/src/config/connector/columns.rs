//! `[source.columns]`: types of columns, by table and column, where the format does not carry them.

use std::collections::BTreeMap;

use crate::config::document::{Node, Table, TomlValue};
use crate::config::report::Report;
use crate::config::section::{Section, join, shown};
use crate::config::suggest;
use crate::formats::ColumnHint;

const NAMED: [(&str, ColumnHint); 18] = [
    ("integer", ColumnHint::Integer),
    ("float", ColumnHint::Float),
    ("date", ColumnHint::Date),
    ("time_millis", ColumnHint::TimeMillis),
    ("time_micros", ColumnHint::TimeMicros),
    ("time_nanos", ColumnHint::TimeNanos),
    ("timestamp_seconds", ColumnHint::TimestampSeconds),
    ("timestamp_millis", ColumnHint::TimestampMillis),
    ("timestamp_micros", ColumnHint::TimestampMicros),
    ("timestamp_nanos", ColumnHint::TimestampNanos),
    ("iso_date", ColumnHint::IsoDate),
    ("iso_time", ColumnHint::IsoTime),
    ("iso_timestamp", ColumnHint::IsoTimestamp),
    ("zoned_timestamp", ColumnHint::ZonedTimestamp),
    ("uuid", ColumnHint::Uuid),
    ("json", ColumnHint::Json),
    ("bytes", ColumnHint::Bytes),
    ("bits", ColumnHint::Bits { length: None }),
];

/// The largest accepted scale: what the widest decimals of common databases have (PostgreSQL: 16383).
const MAX_SCALE: i32 = 16_383;

/// The longest accepted length of bits: each value becomes a text of that length.
const MAX_BITS: u32 = 65_536;

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
                TomlValue::Table(inner) => match (sized(inner, "decimal"), sized(inner, "bits")) {
                    (Some(scale), _) => self.decimal(&name, scale),
                    (_, Some(length)) => self.bits(&name, length),
                    _ => self.table(inner, &name),
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

    fn bits(&mut self, column: &str, length: &Node) {
        let bits = match length.value {
            TomlValue::Integer(bits) => u32::try_from(bits).ok().filter(|bits| (1..=MAX_BITS).contains(bits)),
            _ => None,
        };
        match bits {
            Some(_) => self.add(column, length, ColumnHint::Bits { length: bits }),
            None => self.error(column, length, "bits takes its length, an integer from 1 to 65536", None),
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

/// The node of `{ decimal = .. }` or the like. A table `products` with a column named `decimal` looks the same when
/// its names are not quoted; then the value is a type's name.
fn sized<'t>(table: &'t Table, name: &str) -> Option<&'t Node> {
    let node = table.entries.get(name).filter(|_| table.entries.len() == 1)?;
    let names_a_type = table.text(name).is_some_and(|text| NAMED.iter().any(|(name, _)| *name == text));
    (!names_a_type).then_some(node)
}
