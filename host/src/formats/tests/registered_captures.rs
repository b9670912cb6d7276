//! Captured events in Avro and JSON Schema decode to the same values as their twins in JSON with a schema; those in Protobuf to what
//! Protobuf has of them.

use std::{collections::BTreeSet, fs, io::Read, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use tidegate_abi::{
    Record, Schema,
    host::{Batch, NewRecord},
};

use super::{json_decoder, notices};
use crate::formats::{DecoderOptions, Format, RecordDecoder, registry::RegistrySettings, stub::RegistryStub};

/// Topic, key, value.
type Event = (String, Option<Vec<u8>>, Option<Vec<u8>>);

fn unzip(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(path);
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn load(path: &str, part: impl Fn(&Json, &str) -> Option<Vec<u8>>) -> Vec<Event> {
    let line = |line: &str| {
        let line: Json = serde_json::from_str(line).unwrap();
        (line["topic"].as_str().unwrap().to_owned(), part(&line, "key"), part(&line, "value"))
    };
    unzip(path).lines().map(line).collect()
}

fn events(path: &str) -> Vec<Event> {
    load(path, |line, part| {
        line[format!("{part}_base64")].as_str().map(|text| STANDARD.decode(text).unwrap())
    })
}

fn decode(events: &[Event], decoder: &mut RecordDecoder) -> Batch {
    let mut batch = Batch::new();
    for ((topic, key, value), offset) in events.iter().zip(0..) {
        let slot = batch.slot(&Arc::from(&**topic), 0, 1);
        let record = NewRecord { offset, timestamp_ms: None, key: key.as_deref(), value: value.as_deref() };
        batch.push(slot, record, std::iter::empty());
    }
    // On a busy machine, an answer may take too long. The host asks again, too.
    let prepared = (0..10).find_map(|_| decoder.prepare(batch.records()).ok());
    prepared.expect("a registry that answers");
    batch.decode(decoder);
    assert_eq!(batch.rejected(), []);
    batch
}

fn decoder(format: Format, registry: &RegistryStub) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions {
        key: format,
        value: format,
        registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
        pass_control_events: true,
        ..DecoderOptions::default()
    })
}

/// All that a plugin sees of a schema.
fn described(schema: Option<Schema<'_>>) -> String {
    let Some(schema) = schema else { return String::new() };
    let mut text = format!("{} {}", schema.name(), schema.version());
    for field in schema.fields() {
        let about = (field.is_optional(), field.precision(), field.scale(), field.length());
        text += &format!("\n{field:?} {about:?} {:?} [{}]", field.default_value(), described(field.nested()));
    }
    text
}

/// A registry with the schemas of a capture.
fn registry(path: &str) -> RegistryStub {
    let registry = RegistryStub::start();
    registry.add_capture(&serde_json::from_str(&unzip(path)).unwrap());
    registry
}

fn assert_avro_same_as_json(set: &str) {
    let registry = registry(&format!("{set}/schemas.json.gz"));
    let avro = events(&format!("{set}/avro.jsonl.gz"));
    assert_same_as_json(set, &avro, decoder(Format::Avro, &registry));
}

fn assert_json_schema_same_as_json(set: &str) {
    let registry = registry(&format!("formats/{set}.json-schema.schemas.json.gz"));
    let registered = events(&format!("formats/{set}.json-schema.jsonl.gz"));
    assert_same_as_json(set, &registered, decoder(Format::JsonSchema, &registry));
}

fn assert_same_as_json(set: &str, registered: &[Event], mut decoder: RecordDecoder) {
    let topics: BTreeSet<&str> = registered.iter().map(|(topic, ..)| &**topic).collect();
    let mut json = load(&format!("{set}/json-schema.jsonl.gz"), |line, part| {
        line[part].as_str().map(|text| text.as_bytes().to_vec())
    });
    // Topics whose names are not legal in Avro are missing there.
    json.retain(|(topic, ..)| topics.contains(&**topic));
    assert_eq!(registered.len(), json.len());
    let mut twin = json_decoder();
    let (registered, json) = (decode(registered, &mut decoder), decode(&json, &mut twin));
    for (registered, json) in registered.records().zip(json.records()) {
        assert_eq!(format!("{:?}", registered.key()), format!("{:?}", json.key()), "{json:?}");
        assert_eq!(format!("{:?}", registered.value()), format!("{:?}", json.value()), "{json:?}");
        let event = |record: Record<'_>| {
            let change = record.change()?;
            let place =
                (change.position_text().to_owned(), change.transaction().to_owned(), change.commit_ms());
            Some((format!("{change:?} {:?} {:?}", change.before(), change.after()), place))
        };
        assert_eq!(event(registered), event(json), "{json:?}");
        assert_eq!(described(registered.key_schema()), described(json.key_schema()), "{json:?}");
        assert_eq!(described(registered.value_schema()), described(json.value_schema()), "{json:?}");
    }
    assert_eq!(notices(&mut decoder), notices(&mut twin));
}

/// Protobuf has no names for Debezium's types: these values are what Confluent's converter writes for them.
fn assert_protobuf(set: &str) {
    let registry = registry(&format!("formats/{set}.protobuf.schemas.json.gz"));
    let path = format!("formats/{set}.protobuf.jsonl.gz");
    let events = events(&path);
    let batch = decode(&events, &mut decoder(Format::Protobuf, &registry));
    let text = unzip(&path);
    let mut count = 0;
    for (record, line) in batch.records().zip(text.lines()) {
        let line: Json = serde_json::from_str(line).unwrap();
        for (value, part) in [(record.key(), "key"), (record.value(), "value")] {
            let mut text = String::new();
            value.write_json(&mut text).unwrap();
            assert_eq!(text, line[part].as_str().unwrap_or("null"), "{line}");
        }
        assert_eq!(record.change().is_some(), record.value_bytes().is_some(), "{line}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn avro() {
    for set in ["shop-precise", "shop-string", "types-adaptive", "types-connect"] {
        assert_avro_same_as_json(set);
    }
}

#[test]
fn json_schema() {
    for set in ["shop-precise", "types-adaptive", "types-connect"] {
        assert_json_schema_same_as_json(set);
    }
}

#[test]
fn protobuf() {
    for set in ["shop-string", "types-connect"] {
        assert_protobuf(set);
    }
}
