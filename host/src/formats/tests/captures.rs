//! Everything that was captured from a real Debezium decodes, to what the source held.

use std::{collections::BTreeMap, fs, io::Read, path::PathBuf, sync::Arc};

use flate2::read::GzDecoder;
use tidegate_abi::{
    Operation, Struct, Value, ValueRef,
    host::{Batch, NewRecord},
};

use super::{json_decoder, to_json, with_hints};
use crate::formats::{ColumnHint, Hints, RecordDecoder};

const SETS: [&str; 4] = ["shop-string", "shop-precise", "types-adaptive", "types-connect"];

type Event = (String, Option<String>, Option<String>);

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(path)
}

fn load(path: &str) -> Vec<Event> {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(data(path)).unwrap()).read_to_string(&mut text).unwrap();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        (text("topic").unwrap(), text("key"), text("value"))
    };
    text.lines().map(line).collect()
}

fn decode(events: &[Event], decoder: &mut RecordDecoder) -> Batch {
    let mut batch = Batch::new();
    let topics: BTreeMap<&str, Arc<str>> =
        events.iter().map(|(topic, ..)| (&**topic, Arc::from(&**topic))).collect();
    for ((topic, key, value), offset) in events.iter().zip(0..) {
        let slot = batch.slot(&topics[&**topic], 0, 1);
        let [key, value] = [key, value].map(|text| text.as_ref().map(|text| text.as_bytes()));
        batch.push(slot, NewRecord { offset, timestamp_ms: None, key, value }, std::iter::empty());
    }
    batch.decode(decoder);
    assert_eq!(batch.rejected(), []);
    batch
}

#[test]
fn every_event_decodes_and_is_recognised() {
    for set in SETS {
        for file in ["json", "json-schema"] {
            let events = load(&format!("{set}/{file}.jsonl.gz"));
            let batch = decode(&events, &mut json_decoder());
            assert_eq!(batch.records().len(), events.len());
            for (record, (topic, key, value)) in batch.records().zip(&events) {
                let has_schema = file == "json-schema";
                assert_eq!(record.value_schema().is_some(), has_schema && value.is_some(), "{topic}");
                assert_eq!(record.key_schema().is_some(), has_schema && key.is_some(), "{topic}");
                assert_eq!(record.is_tombstone(), value.is_none());
                let Some(change) = record.change() else {
                    assert!(value.is_none(), "{topic}");
                    continue;
                };
                if topic == "cdc.transaction" {
                    assert_eq!((change.operation(), change.table()), (Operation::Message, ""));
                    continue;
                }
                assert_eq!(format!("cdc.{}.{}", change.schema(), change.table().replace(' ', "_")), *topic);
                assert!(change.position().is_some() && !change.position_text().is_empty());
                assert!(change.commit_ms().is_some() && change.event_ms().is_some());
                assert_eq!(change.row_schema().is_some(), has_schema);
                if let Some(schema) = change.row_schema() {
                    assert!(change.row().is_empty() || schema.len() == change.row().len());
                }
            }
        }
    }
}

#[test]
fn positions_never_fall_within_a_partition() {
    let events = load("shop-string/json.jsonl.gz");
    let batch = decode(&events, &mut json_decoder());
    let mut last = BTreeMap::new();
    for record in batch.records().filter(|record| record.change().is_some()) {
        let position = record.change().unwrap().position();
        let before = last.insert(record.topic(), position);
        assert!(before.is_none_or(|before| before <= position), "{record:?}: {before:?} > {position:?}");
    }
}

#[test]
fn with_and_without_schema_events_say_the_same_of_themselves() {
    for set in SETS {
        let plain = load(&format!("{set}/json.jsonl.gz"));
        let typed = load(&format!("{set}/json-schema.jsonl.gz"));
        let (plain, typed) = (decode(&plain, &mut json_decoder()), decode(&typed, &mut json_decoder()));
        for (plain, typed) in plain.records().zip(typed.records()) {
            let (Some(plain), Some(typed)) = (plain.change(), typed.change()) else {
                assert_eq!(
                    (plain.change().is_some(), to_json(plain.key())),
                    (typed.change().is_some(), to_json(typed.key()))
                );
                continue;
            };
            assert_eq!(
                (plain.operation(), plain.table(), plain.position()),
                (typed.operation(), typed.table(), typed.position())
            );
            assert_eq!((plain.transaction(), plain.snapshot()), (typed.transaction(), typed.snapshot()));
            let names = |row: Struct<'_>| row.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            assert_eq!(names(plain.row()), names(typed.row()));
        }
    }
}

#[test]
fn plain_json_is_written_back_as_it_came() {
    for (topic, key, value) in load("shop-string/json.jsonl.gz") {
        for text in [key, value].into_iter().flatten() {
            let event = [(topic.clone(), None, Some(text.clone()))];
            let batch = decode(&event, &mut json_decoder());
            let written = to_json(batch.record(0).unwrap().value());
            // Every number and every mark of an unavailable value included.
            assert_eq!(written, text);
        }
    }
}

#[test]
fn hints_make_the_same_values_as_a_schema() {
    let mut hints = Hints::default();
    for (column, scale) in
        [("products.price", 2), ("products.discount", 4), ("order_items.unit_price", 2), ("orders.total", 2)]
    {
        hints.insert(column, ColumnHint::Decimal { scale }).unwrap();
    }
    hints.insert("public.orders.order_id", ColumnHint::Uuid).unwrap();
    let plain = load("shop-precise/json.jsonl.gz");
    let typed = load("shop-precise/json-schema.jsonl.gz");
    let (plain, typed) = (decode(&plain, &mut with_hints(hints)), decode(&typed, &mut json_decoder()));
    let mut compared = 0;
    for (plain, typed) in plain.records().zip(typed.records()) {
        let (Some(plain), Some(typed)) = (plain.change(), typed.change()) else {
            continue;
        };
        for (plain, typed) in [(plain.before(), typed.before()), (plain.after(), typed.after())] {
            for name in ["price", "discount", "unit_price", "total"] {
                let shown = |row: Struct<'_>| row.get(name).map(|value| format!("{value:?}"));
                assert_eq!(shown(plain), shown(typed), "{name}");
                compared += usize::from(
                    plain.get(name).is_some_and(|value| matches!(value.view(), ValueRef::Decimal(_))),
                );
            }
        }
    }
    assert!(compared > 2_000, "{compared}");
}

#[test]
fn typed_rows_are_what_the_database_held() {
    let csv = read_csv(&fs::read_to_string(data("types-adaptive/final/all_types.csv")).unwrap());
    let events = load("types-adaptive/json-schema.jsonl.gz");
    let batch = decode(&events, &mut json_decoder());
    let mut rows = BTreeMap::new();
    for change in
        batch.records().filter_map(|record| record.change()).filter(|change| change.table() == "all_types")
    {
        let id = change.row().get("id").and_then(|id| id.as_i64()).unwrap();
        match change.operation() {
            Operation::Delete => rows.remove(&id),
            _ => rows.insert(id, change.after()),
        };
    }
    let (names, lines) = csv.split_first().unwrap();
    assert_eq!(rows.len(), lines.len());
    let mut compared = 0;
    for (row, line) in rows.values().zip(lines) {
        for (name, expected) in names.iter().zip(line) {
            let (name, expected) = (name.as_deref().unwrap(), expected.as_deref());
            let value = row.get(name).unwrap();
            if let Some(shown) = as_csv(name, value) {
                assert_eq!(shown.as_deref(), expected, "{name} of {:?}", row.get("id"));
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

/// A value as PostgreSQL writes it; `None` for columns whose encoding keeps another form (maps, zones, intervals).
fn as_csv(name: &str, value: Value<'_>) -> Option<Option<String>> {
    if matches!(name, "c_hstore" | "c_timetz" | "c_interval" | "c_texts" | "c_point" | "c_varbit") {
        return None;
    }
    Some(match value.view() {
        ValueRef::Null => None,
        ValueRef::Bool(value) if name == "c_bit1" => Some(u8::from(value).to_string()),
        ValueRef::Bool(value) => Some(if value { "t" } else { "f" }.to_owned()),
        ValueRef::Float(value) if value.is_infinite() => {
            Some(if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
        }
        ValueRef::Float(value) if value.abs() > 1e15 => Some(format!("{value:e}").replace('e', "e+")),
        ValueRef::Decimal(value) if name == "c_money" => Some(format!("${value}").replace("$-", "-$")),
        ValueRef::Bytes(bytes) => {
            Some(format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
        }
        ValueRef::Timestamp(_) => Some(value.to_string().replace('T', " ").replace('Z', "+00")),
        ValueRef::List(list) => {
            let items: Vec<String> = list
                .iter()
                .map(|item| if item.is_null() { "NULL".into() } else { item.to_string() })
                .collect();
            Some(format!("{{{}}}", items.join(",")))
        }
        _ => Some(value.to_string()),
    })
}

/// PostgreSQL's CSV: a field without quotes that is empty is null.
fn read_csv(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut lines, mut line, mut field) = (Vec::new(), Vec::new(), None::<String>);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                let open = field.get_or_insert_default();
                while let Some(character) = rest.next() {
                    if character == '"' && rest.next_if_eq(&'"').is_none() {
                        break;
                    }
                    open.push(character);
                }
            }
            ',' => line.push(field.take()),
            '\n' => {
                line.push(field.take());
                lines.push(std::mem::take(&mut line));
            }
            other => field.get_or_insert_default().push(other),
        }
    }
    lines
}
