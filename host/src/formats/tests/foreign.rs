//! Values that other projects' serializers wrote decode to what was serialized, and bad ones are rejected with the reason.

use std::{collections::HashSet, fs, path::PathBuf, sync::Arc};

use serde_json::{Value as Json, json};
use tidegate_abi::host::{Batch, NewRecord};

use crate::formats::{
    DecoderOptions, Format, RecordDecoder, json::InvalidUnicode, registry::RegistrySettings,
    stub::RegistryStub,
};

/// Bytes of a path segment that are encoded.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn cases(file: &str) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/formats").join(file);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hex(text: &Json) -> Vec<u8> {
    let digits = text.as_str().unwrap().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn format(case: &Json) -> Format {
    let name = case["format"].as_str().or(case["schema_type"].as_str()).unwrap();
    match name {
        "avro" | "AVRO" => Format::Avro,
        "protobuf" | "PROTOBUF" => Format::Protobuf,
        "json_schema" | "JSON" => Format::JsonSchema,
        other => panic!("{other}"),
    }
}

/// Which form of a Protobuf schema the registry answers with.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Source,
    Descriptor,
}

fn answer(registry: &RegistryStub, path: &str, case: &Json, form: Form) {
    let key = if form == Form::Descriptor && case.get("schema_base64").is_some() {
        "schema_base64"
    } else {
        "schema"
    };
    let Some(schema) = case[key].as_str() else { return };
    let mut body = json!({ "schema": schema, "references": [] });
    if let Some(schema_type) = case["schema_type"].as_str().filter(|name| *name != "AVRO") {
        body["schemaType"] = schema_type.into();
    }
    for reference in case["references"].as_array().into_iter().flatten() {
        let (subject, version) = (reference["subject"].as_str().unwrap(), &reference["version"]);
        let summary = json!({ "name": reference["name"], "subject": subject, "version": version });
        body["references"].as_array_mut().unwrap().push(summary);
        let escaped = percent_encoding::utf8_percent_encode(subject, SEGMENT);
        answer(registry, &format!("/subjects/{escaped}/versions/{version}"), reference, form);
    }
    registry.answer(path, 200, &body.to_string());
}

/// The value as JSON, or why it is rejected; and what was noted about it.
fn decode(case: &Json, form: Form) -> (Result<String, String>, Vec<String>) {
    // Each case has a registry of its own: ids are of one file only.
    let registry = RegistryStub::start();
    let path = match case["guid"].as_str() {
        Some(guid) => format!("/schemas/guids/{guid}"),
        None => format!("/schemas/ids/{}", case["schema_id"]),
    };
    answer(&registry, &path, case, form);
    registry.answer("/subjects", 200, "[]");
    let mut decoder = RecordDecoder::new(DecoderOptions {
        key: Format::Bytes,
        value: format(case),
        invalid_unicode: InvalidUnicode::Reject,
        registry: Some(RegistrySettings { urls: vec![registry.url()], ..RegistrySettings::default() }),
        max_value_bytes: 256 << 20,
        ..DecoderOptions::default()
    });
    let payload = hex(&case["payload"]);
    let headers: Vec<(String, Vec<u8>)> = case["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), hex(value)))
        .collect();
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("t"), 0, 1);
    let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(&payload) };
    batch.push(slot, record, headers.iter().map(|(name, value)| (&**name, Some(&value[..]))));
    decoder.prepare(batch.records()).unwrap();
    batch.decode(&mut decoder);
    let mut notices = Vec::new();
    decoder.drain_notices(|notice| notices.push(format!("{notice:?}")));
    let value = match batch.rejected().first() {
        Some(rejected) => Err(rejected.reason.clone()),
        None => {
            let mut text = String::new();
            batch.records().next().unwrap().value().write_json(&mut text).unwrap();
            Ok(text)
        }
    };
    (value, notices)
}

fn assert_decoded(file: &str, form: Form) {
    let mut wrong = Vec::new();
    let mut names = HashSet::new();
    for case in cases(file) {
        let name = case["name"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name} is there twice");
        let (decoded, _) = decode(&case, form);
        let is_right = match (&decoded, case["expected"].as_str()) {
            (Ok(text), Some(expected)) => text == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if !is_right {
            wrong.push(format!(
                "{name}\n  expected {}\n  decoded  {decoded:?}\n  open {}",
                case["expected"], case["open"]
            ));
        }
    }
    assert!(
        names.len() > 30 && wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        names.len(),
        wrong.join("\n")
    );
}

#[test]
fn avro_of_foreign_serializers() {
    assert_decoded("avro.jsonl", Form::Source);
}

#[test]
fn protobuf_of_foreign_serializers() {
    assert_decoded("protobuf.jsonl", Form::Source);
}

#[test]
fn protobuf_with_descriptors_as_schemas() {
    assert_decoded("protobuf.jsonl", Form::Descriptor);
}

#[test]
fn json_schema_of_foreign_serializers() {
    assert_decoded("json_schema.jsonl", Form::Source);
}

#[test]
fn values_of_connect_s_converters() {
    assert_decoded("connect.jsonl", Form::Source);
}

#[test]
fn bad_values_are_rejected_with_the_reason() {
    let mut wrong = Vec::new();
    for case in cases("bad.jsonl") {
        let (decoded, _) = decode(&case, Form::Source);
        let expected = case["error"].as_str().unwrap_or_default();
        if !decoded.as_ref().is_err_and(|reason| reason.contains(expected) && !reason.is_empty()) {
            wrong.push(format!("{}: expected {expected:?}, got {decoded:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
