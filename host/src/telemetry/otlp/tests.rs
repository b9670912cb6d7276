//! What a collector decodes, with the definitions of opentelemetry-proto, which are in `tests/data/otlp`.

#[path = "../../../../tests/support/otlp.rs"]
mod collector;

use std::{path::Path, time::Instant};

use prost::Message as _;
use serde_json::{Map, Value as Json, json};

use super::{
    batch_trace::{BatchTrace, Sampler, TracedTask, spans_of},
    messages::{KeyValue, Resource, Scope},
    metrics::{self, Period},
    spans,
};
use crate::telemetry::registry::{Registry, Update};

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn decode(request: &str, bytes: &[u8]) -> Json {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/otlp");
    collector::decode(&folder, request, bytes)
}

/// Without the fields that have the default value, which Protobuf does not encode.
fn without_defaults(value: Json) -> Json {
    let is_default = |value: &Json| match value {
        Json::String(text) => text.is_empty() || text == "0",
        Json::Array(items) => items.is_empty(),
        Json::Number(number) => number.as_i64() == Some(0),
        _ => false,
    };
    match value {
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_defaults(value)));
            Json::Object(fields.filter(|(_, value)| !is_default(value)).collect::<Map<_, _>>())
        }
        Json::Array(items) => items.into_iter().map(without_defaults).collect(),
        other => other,
    }
}

fn resource() -> Resource {
    Resource { attributes: vec![KeyValue::text("service.name", "tidegate")] }
}

fn scope() -> Scope {
    Scope { name: "tidegate".to_owned(), version: "1".to_owned() }
}

#[test]
fn metrics_in_both_encodings_are_what_the_protocol_defines() {
    let registry = Registry::new(10, false);
    let labels = |connector: &str| vec![("connector".to_owned(), connector.to_owned())];
    registry.update("tidegate_batches_total", labels("a"), &Update::Add(2));
    registry.update("tidegate_partitions", labels("a"), &Update::Set(3.5));
    registry.update("tidegate_stage_duration_seconds", labels("a"), &Update::Observe(0.3));
    let period = Period { start_ns: 1_700_000_000_000_000_001, now_ns: 1_700_000_060_000_000_002 };
    let request = metrics::request(&registry.families(), period, resource(), scope());
    let decoded = decode("metrics.v1.ExportMetricsServiceRequest", &request.encode_to_vec());
    assert_eq!(without_defaults(serde_json::to_value(&request).unwrap()), without_defaults(decoded.clone()));
    let resource = &decoded["resourceMetrics"][0];
    assert_eq!(
        resource["resource"]["attributes"][0],
        json!({ "key": "service.name", "value": { "stringValue": "tidegate" } })
    );
    let metrics = &resource["scopeMetrics"][0]["metrics"];
    let attributes = json!([{ "key": "connector", "value": { "stringValue": "a" } }]);
    let times = |mut point: Json| {
        point["attributes"] = attributes.clone();
        point["timeUnixNano"] = "1700000060000000002".into();
        point
    };
    assert_eq!(
        metrics[0],
        json!({
            "name": "tidegate_batches_total", "description": "Batches written to the sink.", "unit": "{batch}",
            "sum": {
                "dataPoints": [times(json!({ "startTimeUnixNano": "1700000000000000001", "asInt": "2" }))],
                "aggregationTemporality": 2, "isMonotonic": true,
            },
        })
    );
    assert_eq!(metrics[1]["gauge"], json!({ "dataPoints": [times(json!({ "asDouble": 3.5 }))] }));
    let histogram = &metrics[2];
    assert_eq!(
        (&histogram["unit"], &histogram["histogram"]["aggregationTemporality"]),
        (&json!("s"), &json!(2))
    );
    let point = &histogram["histogram"]["dataPoints"][0];
    assert_eq!((&point["count"], &point["sum"]), (&json!("1"), &json!(0.3)));
    let bounds = point["explicitBounds"].as_array().unwrap();
    let bucket = bounds.iter().position(|bound| bound.as_f64() >= Some(0.3)).unwrap();
    assert_eq!(point["bucketCounts"][bucket], "1");
}

#[test]
fn traces_in_both_encodings_are_what_the_protocol_defines() {
    let task = TracedTask { connector: "a".to_owned(), task: 1, group: "connect-a".to_owned() };
    let mut trace = BatchTrace::begin(&task, &mut Sampler::new(1.0), 2, Some("t"), Instant::now()).unwrap();
    trace.link(PARENT);
    trace.stage("transform", Some("mask"), Instant::now(), None);
    trace.stage("sink", Some("file"), Instant::now(), Some("disk full"));
    trace.end();
    let request = spans::request(&[spans_of(trace)], resource(), scope());
    let decoded = decode("trace.v1.ExportTraceServiceRequest", &request.encode_to_vec());
    assert_eq!(without_defaults(serde_json::to_value(&request).unwrap()), without_defaults(decoded.clone()));
    let spans = decoded["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["batch", "poll", "transform mask", "sink file"]);
    let batch = &spans[0];
    let link = json!({ "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7" });
    assert_eq!((&batch["links"], &batch["kind"]), (&json!([link]), &json!(5)));
    assert_eq!(batch["status"], json!({ "code": 2, "message": "disk full" }));
    assert_eq!(spans[3]["status"], batch["status"]);
    for span in &spans[1..] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&batch["traceId"], &batch["spanId"]));
    }
    for (key, value) in [
        ("tidegate.connector", json!({ "stringValue": "a" })),
        ("tidegate.task", json!({ "intValue": "1" })),
        ("messaging.destination.name", json!({ "stringValue": "t" })),
        ("messaging.batch.message_count", json!({ "intValue": "2" })),
    ] {
        let attributes = batch["attributes"].as_array().unwrap();
        assert!(attributes.contains(&json!({ "key": key, "value": value })), "{key}: {attributes:?}");
    }
}
