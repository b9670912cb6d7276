//! Captured events in Avro decode to the same values as their twins in JSON with a schema.

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

fn avro_events(set: &str) -> Vec<Event> {
    load(&format!("{set}/avro.jsonl.gz"), |line, part| {
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
    decoder.prepare(batch.records()).unwrap();
    batch.decode(decoder);
    assert_eq!(batch.rejected(), []);
    batch
}

fn avro_decoder(registry: &RegistryStub) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions {
        key: Format::Avro,
        value: Format::Avro,
        registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
        pass_control_events: true,
        ..DecoderOptions::default()
    })
}

/// All that a plugin sees of a schema.
fn described(schema: Option<Schema>) -> String {
    let Some(schema) = schema else { return String::new() };
    let mut text = format!("{} {}", schema.name(), schema.version());
    for field in schema.fields() {
        let about = (field.is_optional(), field.precision(), field.scale(), field.length());
        text += &format!("\n{field:?} {about:?} {:?} [{}]", field.default_value(), described(field.nested()));
    }
    text
}

fn assert_same_as_json(set: &str) {
    let registry = RegistryStub::start();
    registry.add_capture(&serde_json::from_str(&unzip(&format!("{set}/schemas.json.gz"))).unwrap());
    let avro = avro_events(set);
    let topics: BTreeSet<&str> = avro.iter().map(|(topic, ..)| &**topic).collect();
    let mut json = load(&format!("{set}/json-schema.jsonl.gz"), |line, part| {
        line[part].as_str().map(|text| text.as_bytes().to_vec())
    });
    // Topics whose names are not legal in Avro are missing there.
    json.retain(|(topic, ..)| topics.contains(&**topic));
    assert_eq!(avro.len(), json.len());
    let mut decoder = avro_decoder(&registry);
    let mut twin = json_decoder();
    let (avro, json) = (decode(&avro, &mut decoder), decode(&json, &mut twin));
    for (avro, json) in avro.records().zip(json.records()) {
        assert_eq!(format!("{:?}", avro.key()), format!("{:?}", json.key()), "{json:?}");
        assert_eq!(format!("{:?}", avro.value()), format!("{:?}", json.value()), "{json:?}");
        let event = |record: Record<'_>| {
            let change = record.change()?;
            let place =
                (change.position_text().to_owned(), change.transaction().to_owned(), change.commit_ms());
            Some((format!("{change:?} {:?} {:?}", change.before(), change.after()), place))
        };
        assert_eq!(event(avro), event(json), "{json:?}");
        assert_eq!(described(avro.key_schema()), described(json.key_schema()), "{json:?}");
        assert_eq!(described(avro.value_schema()), described(json.value_schema()), "{json:?}");
    }
    assert_eq!(notices(&mut decoder), notices(&mut twin));
}

#[test]
fn shop_precise() {
    assert_same_as_json("shop-precise");
}

#[test]
fn shop_string() {
    assert_same_as_json("shop-string");
}

#[test]
fn types_adaptive() {
    assert_same_as_json("types-adaptive");
}

#[test]
fn types_connect() {
    assert_same_as_json("types-connect");
}
