//! Values that other projects' serializers wrote, damaged: nothing panics, whatever comes of it.

use std::{fs, path::PathBuf, sync::Arc};

use serde_json::Value as Json;
use tidegate_abi::host::{Batch, NewRecord};

use super::to_json;
use crate::formats::{DecoderOptions, Format, RecordDecoder, registry::RegistrySettings, stub::RegistryStub};

/// Bytes that a value has more than its prefix; what is longer has nothing that is new.
const LONGEST: usize = 200;
/// What a batch of the damaged forms of one value may take.
const MEMORY: usize = 64 << 20;

/// Values with a prefix whose schemas are of `kind`, each with its schema id.
fn values(files: &[&str], kind: &str, stub: &RegistryStub) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/formats");
    let mut values = Vec::new();
    for (file, number) in files.iter().zip(0_u64..) {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        for line in text.lines() {
            let mut line: Json = serde_json::from_str(line).unwrap();
            if line["schema_type"] != kind || line["headers"] != serde_json::json!({}) {
                continue;
            }
            // Ids are unique in a file only.
            let id = line["schema_id"].as_u64().unwrap() + number * 10_000;
            line["schema_id"] = id.into();
            stub.add_fixture(&line);
            let mut value = bytes(line["payload"].as_str().unwrap());
            value[1..5].copy_from_slice(&(id as u32).to_be_bytes());
            values.push(value);
        }
    }
    assert!(values.len() > 20);
    values
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(byte).collect()
}

/// Forms of `data` of which each byte is missing with all behind it, is changed, or has others before it.
fn damaged(data: &[u8]) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = (0..data.len()).map(|end| data[..end].to_vec()).collect();
    for at in 0..data.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = data.to_vec();
            changed[at] ^= mask;
            forms.push(changed);
        }
        forms.push([&data[..at], &[0xff; 10], &data[at..]].concat());
    }
    forms
}

fn assert_survived(files: &[&str], kind: &str, format: Format) {
    let stub = RegistryStub::start();
    let values = values(files, kind, &stub);
    let registry = RegistrySettings { urls: vec![stub.url()], ..RegistrySettings::default() };
    let options = DecoderOptions { value: format, registry: Some(registry), ..DecoderOptions::default() };
    let mut decoder = RecordDecoder::new(options);
    let mut batch = Batch::new();
    let topic = Arc::from("fixtures");
    for value in values {
        let (prefix, data) = value.split_at(5);
        let forms = damaged(&data[..data.len().min(LONGEST)]);
        batch.reset(MEMORY);
        let slot = batch.slot(&topic, 0, 1);
        for (data, offset) in forms.iter().zip(0..) {
            let value = [prefix, data].concat();
            let record = NewRecord { offset, timestamp_ms: None, key: None, value: Some(&value) };
            batch.push(slot, record, std::iter::empty());
        }
        decoder.prepare(batch.records()).unwrap();
        batch.decode(&mut decoder);
        assert_eq!(batch.records().len() + batch.rejected_count(), forms.len());
        batch.records().for_each(|record| assert!(!to_json(record.value()).is_empty()));
        assert!(batch.memory_bytes() <= MEMORY, "{} bytes", batch.memory_bytes());
    }
}

#[test]
fn avro() {
    assert_survived(&["avro.jsonl"], "AVRO", Format::Avro);
}

#[test]
fn protobuf() {
    assert_survived(&["protobuf.jsonl", "connect.jsonl"], "PROTOBUF", Format::Protobuf);
}

#[test]
fn json_schema() {
    assert_survived(&["json_schema.jsonl", "connect.jsonl"], "JSON", Format::JsonSchema);
}
