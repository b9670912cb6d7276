//! Messages of other tools than Debezium, to the final table.

mod messages;
mod rows;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidegate_abi::{Change, Operation, Record};

use super::{Message, decode_messages, notices, to_json};
use crate::formats::{ChangeEvents, DecoderOptions, Format, KeyColumns, RecordDecoder};

/// Rows of each table, by key; tables without a key count their rows.
type Tables = BTreeMap<String, BTreeMap<String, Json>>;

struct Line {
    topic: String,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, String)>,
}

fn lines(text: &str) -> Vec<Line> {
    let text_of = |json: &Json| json.as_str().map(str::to_owned);
    let line = |line: &str| {
        let json: Json = serde_json::from_str(line).unwrap();
        let headers = json["headers"].as_object().unwrap().iter();
        Line {
            topic: text_of(&json["topic"]).unwrap(),
            key: text_of(&json["key"]),
            value: text_of(&json["value"]),
            headers: headers.filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect(),
        }
    };
    text.lines().map(line).collect()
}

fn options(change_events: ChangeEvents, keys: &[(&str, &[&str])]) -> DecoderOptions {
    let mut key_columns = KeyColumns::default();
    for (table, columns) in keys {
        key_columns.insert(table, columns.iter().map(|column| (*column).to_owned()).collect());
    }
    DecoderOptions { change_events, key_columns, ..DecoderOptions::default() }
}

/// Applies the events of a file as a table's sink does: inserts and reads replace rows, updates and deletes need one.
fn final_tables(decoder: &mut RecordDecoder, text: &str) -> Tables {
    let mut tables = Tables::new();
    for (line, offset) in lines(text).iter().zip(0..) {
        let headers: Vec<_> = line.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let message = Message { key: line.key.as_deref(), value: line.value.as_deref(), headers: &headers };
        let batch = decode_messages(decoder, &line.topic, offset, &[message]);
        assert_eq!(batch.rejected(), [], "line {}", offset + 1);
        batch.records().for_each(|record| apply(&mut tables, record));
    }
    tables
}

fn apply(tables: &mut Tables, record: Record<'_>) {
    let Some(change) = record.change() else {
        assert!(record.value().is_null(), "a plain record: {}", to_json(record.value()));
        return;
    };
    let table = tables.entry(change.table().to_lowercase()).or_default();
    let key =
        if change.key().is_empty() { format!("row {}", table.len() + 1) } else { to_json(record.key()) };
    match change.operation() {
        Operation::Create | Operation::Read => {
            table.insert(key, json_of(change));
        }
        Operation::Update => {
            let row = table.get_mut(&key).unwrap_or_else(|| panic!("no row to update: {key}"));
            for (name, value) in json_of(change).as_object().unwrap() {
                assert_ne!(value, "__debezium_unavailable_value", "{name}");
                row[name] = value.clone();
            }
        }
        Operation::Delete => {
            assert!(table.remove(&key).is_some(), "no row to delete: {key}");
        }
        Operation::Truncate => table.clear(),
        other => panic!("{other}"),
    }
}

/// The row, with names in lower case.
fn json_of(change: Change<'_>) -> Json {
    let row: Json = serde_json::from_str(&to_json(change.after_value())).unwrap();
    row.as_object().unwrap().iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect()
}

/// Every format holds the same changes. Numbers may be texts where the format has no types.
#[track_caller]
fn assert_final(tables: &Tables, log: usize) {
    let number = |row: &Json, name: &str| match &row[name] {
        Json::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    };
    let rows: Vec<_> = tables["products"]
        .values()
        .map(|row| {
            (
                number(row, "id"),
                row["name"].clone(),
                number(row, "price"),
                number(row, "weight"),
                row["note"].clone(),
            )
        })
        .collect();
    let expected = [
        (101.0, "scooter".into(), 21.5, 3.25, "grün €".into()),
        (102.0, "hammer".into(), 12.0, 0.8, Json::Null),
        (113.0, "drill bits".into(), 7.25, 0.8, Json::Null),
    ];
    assert_eq!(rows, expected);
    assert_eq!(tables.get("log").map_or(0, BTreeMap::len), log);
}

macro_rules! data {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/data/change-formats/", $name, ".jsonl"))
    };
}

/// Causes and counts of what was noted.
fn causes(decoder: &mut RecordDecoder) -> Vec<String> {
    notices(decoder).iter().map(|notice| notice.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn maxwell() {
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Maxwell, &[]));
    assert_final(&final_tables(&mut decoder, data!("maxwell")), 1);
    assert_eq!(causes(&mut decoder), ["notifications 2", "schema_changes 1"]);
}

#[test]
fn canal() {
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Canal, &[]));
    let tables = final_tables(&mut decoder, data!("canal"));
    assert_final(&tables, 1);
    let row = &tables["products"][r#"{"id":101}"#];
    assert_eq!(
        (&row["id"], row["price"].to_string(), &row["added"]),
        (&101.into(), "21.5".to_owned(), &"2024-05-01T10:00:00".into())
    );
    assert_eq!(tables["log"]["row 1"]["raw"], "Bf88", "bytes in base64");
    assert_eq!(causes(&mut decoder), ["schema_changes 1"]);
}

#[test]
fn ticdc() {
    let mut decoder = RecordDecoder::new(options(ChangeEvents::TiCdc, &[]));
    assert_final(&final_tables(&mut decoder, data!("ticdc-canal-json")), 1);
    assert_eq!(causes(&mut decoder), ["schema_changes 1", "watermarks 2"]);
    let keys: &[(&str, &[&str])] = &[("shop.products", &["id"])];
    let mut decoder = RecordDecoder::new(options(ChangeEvents::TiCdc, keys));
    assert_final(&final_tables(&mut decoder, data!("ticdc-simple")), 1);
    assert_eq!(causes(&mut decoder), ["schema_changes 2", "watermarks 1"]);
}

#[test]
fn dms() {
    let options =
        DecoderOptions { key: Format::String, ..options(ChangeEvents::Dms, &[("products", &["id"])]) };
    let mut decoder = RecordDecoder::new(options);
    let tables = final_tables(&mut decoder, data!("dms"));
    assert_final(&tables, 1);
    assert_eq!(causes(&mut decoder), ["schema_changes 2"]);
}

#[test]
fn goldengate() {
    let options = DecoderOptions { key: Format::String, ..options(ChangeEvents::GoldenGate, &[]) };
    let mut decoder = RecordDecoder::new(options);
    assert_final(&final_tables(&mut decoder, data!("goldengate")), 1);
    assert_eq!(causes(&mut decoder), [""; 0]);
}

#[test]
fn cloudevents() {
    let mut decoder = RecordDecoder::new(options(ChangeEvents::CloudEvents, &[]));
    assert_final(&final_tables(&mut decoder, data!("cloudevents")), 1);
    assert_eq!(causes(&mut decoder), [""; 0]);
}

#[test]
fn rows_by_key() {
    let mut decoder = RecordDecoder::new(options(ChangeEvents::Upsert, &[("log", &["no"])]));
    let tables = final_tables(&mut decoder, data!("upsert"));
    assert_final(&tables, 1);
    assert_eq!(tables["log"][r#"{"no":7}"#]["no"], 7, "the column of the key is in the row");
}
