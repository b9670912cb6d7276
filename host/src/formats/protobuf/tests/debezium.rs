//! Debezium's events in Protobuf: recognised as in JSON, with the types that column hints give.

use std::sync::Arc;

use tidegate_abi::{
    Value,
    host::{Batch, NewRecord},
};

use crate::formats::{
    ColumnHint, DecoderOptions, Format, Hints, RecordDecoder, registry::RegistrySettings, stub::RegistryStub,
};

const SCHEMA: &str = r#"
syntax = "proto3";
package cdc.public.orders;
message Envelope {
  optional Value before = 1;
  optional Value after = 2;
  Source source = 3;
  string op = 4;
  message Value { int64 id = 1; optional int64 at = 2; optional string note = 3; }
  message Source { string connector = 1; string table = 2; string schema = 3; int64 lsn = 4; }
}
message Key { int64 id = 1; }
"#;

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

fn update(note: &str) -> Vec<u8> {
    let row = [vec![8, 5, 16, 0xc0, 0x84, 0x3d], field(3, note.as_bytes())].concat();
    let source = [field(1, b"postgresql"), field(2, b"orders"), field(3, b"public"), vec![32, 9]].concat();
    let envelope = [field(2, &row), field(3, &source), field(4, b"u")].concat();
    [vec![0, 0, 0, 0, 7, 0], envelope].concat()
}

fn decoder(registry: &RegistryStub, hints: Hints) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions {
        key: Format::Protobuf,
        value: Format::Protobuf,
        hints,
        registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
        ..DecoderOptions::default()
    })
}

fn registry() -> RegistryStub {
    let registry = RegistryStub::start();
    let body = serde_json::json!({ "schema": SCHEMA, "schemaType": "PROTOBUF" });
    registry.answer("/schemas/ids/7", 200, &body.to_string());
    registry
}

/// Row and key of an update, and whether it is one.
fn shown(hints: Hints, note: &str) -> (String, String) {
    let registry = registry();
    let mut decoder = decoder(&registry, hints);
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("cdc.public.orders"), 0, 1);
    let (key, value) = (vec![0, 0, 0, 0, 7, 2, 2, 8, 5], update(note));
    let record = NewRecord { offset: 0, timestamp_ms: None, key: Some(&key), value: Some(&value) };
    batch.push(slot, record, std::iter::empty());
    decoder.prepare(batch.records()).unwrap();
    batch.decode(&mut decoder);
    assert_eq!(batch.rejected(), []);
    let record = batch.records().next().unwrap();
    let change = record.change().unwrap();
    assert_eq!((change.table(), change.schema()), ("orders", "public"));
    let json = |value: Value<'_>| {
        let mut text = String::new();
        value.write_json(&mut text).unwrap();
        text
    };
    (json(Value::object(change.after().fields())), json(record.key()))
}

#[test]
fn events_are_recognised_and_placeholders_are() {
    let (after, key) = shown(Hints::default(), "n");
    assert_eq!((&*after, &*key), (r#"{"id":5,"at":1000000,"note":"n"}"#, r#"{"id":5}"#));
    let (after, _) = shown(Hints::default(), "__debezium_unavailable_value");
    assert!(after.contains(r#""note":"__debezium_unavailable_value""#), "{after}");
}

#[test]
fn hints_give_columns_their_types() {
    let mut hints = Hints::default();
    hints.insert("orders.at", ColumnHint::TimestampMicros).unwrap();
    let (after, _) = shown(hints, "n");
    assert_eq!(after, r#"{"id":5,"at":"1970-01-01T00:00:01","note":"n"}"#);
}
