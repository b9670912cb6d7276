//! What Apicurio's serializers write, in each of their forms: see `tests/data/formats/README.md`.

use std::{fs, path::PathBuf, sync::Arc};

use serde_json::Value as Json;
use tidegate_abi::host::{Batch, NewRecord};

use super::to_json;
use crate::formats::{
    DecoderOptions, Format, RecordDecoder,
    registry::{ApicurioId, RegistrySettings},
    stub::RegistryStub,
};

/// The lines of a file that `wanted` selects.
fn lines(file: &str, wanted: impl Fn(&Json) -> bool) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/formats").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).filter(wanted).collect();
    assert!(!lines.is_empty(), "{file}");
    lines
}

fn bytes(hexadecimal: &Json) -> Vec<u8> {
    let text = hexadecimal.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn decoder(stub: &RegistryStub, format: Format, apicurio_id: ApicurioId) -> RecordDecoder {
    let registry =
        RegistrySettings { urls: vec![stub.apicurio_url()], apicurio_id, ..RegistrySettings::default() };
    RecordDecoder::new(DecoderOptions {
        value: format,
        registry: Some(registry),
        ..DecoderOptions::default()
    })
}

/// The text of the decoded value of a line, or why it is rejected.
fn decode(decoder: &mut RecordDecoder, line: &Json) -> Result<String, String> {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("fixtures"), 0, 1);
    let payload = bytes(&line["payload"]);
    let headers: Vec<(&str, Vec<u8>)> =
        line["headers"].as_object().unwrap().iter().map(|(name, value)| (&**name, bytes(value))).collect();
    let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(&payload) };
    batch.push(slot, record, headers.iter().map(|(name, value)| (*name, Some(&value[..]))));
    decoder.prepare(batch.records()).unwrap();
    batch.decode(decoder);
    match batch.rejected() {
        [] => Ok(to_json(batch.record(0).unwrap().value())),
        [rejected] => Err(rejected.reason.clone()),
        more => panic!("{more:?}"),
    }
}

/// Decodes lines, and compares the values as text.
#[track_caller]
fn assert_decoded(lines: &[Json], format: Format, apicurio_id: ApicurioId) {
    let stub = RegistryStub::start();
    lines.iter().for_each(|line| stub.add_fixture(line));
    let mut decoder = decoder(&stub, format, apicurio_id);
    let mut differences = String::new();
    for line in lines {
        let (found, expected) = (decode(&mut decoder, line), line["expected"].as_str().unwrap());
        if found.as_deref() != Ok(expected) {
            differences += &format!("\n{}\n  found    {found:?}\n  expected {expected}", line["name"]);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// What Apicurio's serializers write.
#[track_caller]
fn assert_apicurio(kind: &str, format: Format) {
    for (name, id) in
        [("auto", ApicurioId::Auto), ("content", ApicurioId::Content), ("global", ApicurioId::Global)]
    {
        let wanted = |line: &Json| {
            line["schema_type"] == kind && line["apicurio_id"] == name && !line["expected"].is_null()
        };
        assert_decoded(&lines("apicurio.jsonl", wanted), format, id);
    }
}

#[test]
fn avro() {
    assert_apicurio("AVRO", Format::Avro);
}

#[test]
fn protobuf() {
    assert_apicurio("PROTOBUF", Format::Protobuf);
}

#[test]
fn json_schema() {
    assert_apicurio("JSON", Format::JsonSchema);
}

#[test]
fn avro_in_json_is_rejected() {
    let lines = lines("apicurio.jsonl", |line| line["schema_type"] == "AVRO" && line["error"].is_string());
    let stub = RegistryStub::start();
    lines.iter().for_each(|line| stub.add_fixture(line));
    let reason = decode(&mut decoder(&stub, Format::Avro, ApicurioId::Auto), &lines[0]).unwrap_err();
    assert!(reason.contains(lines[0]["error"].as_str().unwrap()), "{reason}");
}
