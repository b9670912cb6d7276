//! What an OpenTelemetry collector decodes of a request in Protobuf, in the form of OTLP's JSON. Included by several test programs.
#![allow(unreachable_pub, reason = "it is part of several programs")]

use std::path::Path;

use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde_json::Value as Json;

/// Decodes a request, such as `metrics.v1.ExportMetricsServiceRequest`, with the definitions in `folder`. Fields that are not set are
/// left out, as in Protobuf.
///
/// # Panics
/// If it cannot be decoded, or has a field that is not defined.
pub fn decode(folder: &Path, request: &str, bytes: &[u8]) -> Json {
    let mut compiler = protox::Compiler::new([folder]).expect("the folder");
    compiler.include_imports(true);
    for service in ["metrics", "trace"] {
        let file = format!("opentelemetry/proto/collector/{service}/v1/{service}_service.proto");
        compiler.open_file(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let pool = DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set()).expect("descriptors");
    let name = format!("opentelemetry.proto.collector.{request}");
    let descriptor = pool.get_message_by_name(&name).unwrap_or_else(|| panic!("{name} is not defined"));
    json(&DynamicMessage::decode(descriptor, bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn json(message: &DynamicMessage) -> Json {
    assert_eq!(message.unknown_fields().count(), 0, "{message:?}");
    let fields = message.fields().map(|(field, value)| (field.json_name().to_owned(), json_value(value)));
    Json::Object(fields.collect())
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::List(items) => items.iter().map(json_value).collect(),
        Value::Message(message) => json(message),
        Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Value::String(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::F64(value) => (*value).into(),
        Value::U64(value) => value.to_string().into(),
        Value::I64(value) => value.to_string().into(),
        Value::U32(value) => (*value).into(),
        Value::I32(value) | Value::EnumNumber(value) => (*value).into(),
        other => panic!("{other:?} is not in these requests"),
    }
}
