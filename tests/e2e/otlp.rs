//! Metrics and traces that are exported to an OpenTelemetry collector.

use std::net::TcpListener;

use serde_json::{Value as Json, json};
use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, Collector, Home};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A connector `a` with a transform, and a host file that names a collector. `otlp` is added to it.
fn home(collector: &str, otlp: &str) -> Home {
    let home = Home::new(&["misbehaving", "basics"]);
    home.write("tidegate.toml", format!("[otlp]\nendpoint = \"http://{collector}\"\n{otlp}\n"));
    let transform = "[[transforms]]\nplugin = \"filter\"\nconfig = { action = \"drop\", conditions = [{ tombstone = true }] }\n";
    home.recorder("a", "", transform);
    home
}

type Header<'h> = (&'h [u8], Option<&'h [u8]>);

/// Three records, of which one comes from a span.
fn broker() -> Broker {
    let broker = Broker::start();
    broker.topic("events", 1);
    let (parent, other) = (PARENT.as_bytes(), "not-a-span".as_bytes());
    let headers: [&[Header<'_>]; 3] =
        [&[(b"traceparent", Some(parent))], &[(b"traceparent", Some(other))], &[]];
    broker.send_exactly(headers.map(|headers| ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(b"{}"),
        headers,
    }));
    broker
}

fn names(spans: &[Json]) -> Vec<&str> {
    spans.iter().filter_map(|span| span["name"].as_str()).collect()
}

#[test]
fn metrics_and_a_trace_of_each_batch_are_exported() {
    let (broker, collector) = (broker(), Collector::start());
    let otlp = "headers = { authorization = \"Bearer correct-horse\" }\nresource_attributes = { deployment.environment.name = \"test\" }";
    let home = home(&collector.address().to_string(), otlp);
    let finished = home.run_once(&broker).expect_code(0);
    assert!(!finished.stderr.contains("correct-horse"), "{}", finished.stderr);
    let exported = collector.exported();
    assert!(exported.iter().all(|request| request.content_type == "application/x-protobuf"));
    assert!(exported.iter().all(|request| request.authorization == "Bearer correct-horse"));

    let spans = collector.spans();
    let batch = spans.iter().find(|span| span["name"] == "batch").expect("a batch");
    let children: Vec<Json> =
        spans.iter().filter(|span| span["parentSpanId"] == batch["spanId"]).cloned().collect();
    assert_eq!(names(&children), ["poll", "decode", "transform filter", "sink recorder", "commit"]);
    assert!(children.iter().all(|span| span["traceId"] == batch["traceId"] && span["status"].is_null()));
    let link = json!({ "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7" });
    assert_eq!(batch["links"], json!([link]));
    for (name, value) in [
        ("tidegate.connector", json!("a")),
        ("tidegate.task", json!("0")),
        ("messaging.system", json!("kafka")),
        ("messaging.consumer.group.name", json!("connect-a")),
        ("messaging.destination.name", json!("events")),
        ("messaging.batch.message_count", json!("3")),
    ] {
        assert_eq!(batch["attributes"][name], value, "{name}: {batch}");
    }
    let times = |span: &Json| {
        ["startTimeUnixNano", "endTimeUnixNano"]
            .map(|time| span[time].as_str().unwrap().parse::<u64>().unwrap())
    };
    let [start, end] = times(batch);
    for child in children.iter().filter(|child| child["name"] != "commit") {
        let [began, ended] = times(child);
        assert!(start <= began && began <= ended && ended <= end, "{child} in {batch}");
    }

    let records = collector.metric("tidegate_records_total").expect("a metric");
    assert_eq!((&records["unit"], &records["sum"]["isMonotonic"]), (&json!("{record}"), &json!(true)));
    let points = records["sum"]["dataPoints"].as_array().expect("points");
    let delivered = points.iter().find(|point| point.to_string().contains("delivered")).expect("a stage");
    assert_eq!(delivered["asInt"], "3");
    let durations = collector.metric("tidegate_stage_duration_seconds").expect("a metric");
    let points = durations["histogram"]["dataPoints"].as_array().expect("points");
    let sink = points.iter().find(|point| point.to_string().contains("\"sink\"")).expect("a stage");
    let counts = sink["bucketCounts"].as_array().expect("buckets");
    assert_eq!((&durations["unit"], &sink["count"]), (&json!("s"), &json!("1")));
    assert_eq!(counts.len(), sink["explicitBounds"].as_array().expect("bounds").len() + 1);
    let resource = exported[0].body.to_string();
    for part in ["\"service.name\"", "\"tidegate\"", "\"deployment.environment.name\"", "\"test\""] {
        assert!(resource.contains(part), "{part}: {resource}");
    }
}

#[test]
fn a_connector_in_a_process_of_its_own_is_traced_as_well() {
    let (broker, collector) = (broker(), Collector::start());
    let home = home(&collector.address().to_string(), "protocol = \"http/json\"\nmetrics = false");
    let text = std::fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
    home.write("connectors.d/a.toml", format!("isolation = \"process\"\n{text}"));
    home.run_once(&broker).expect_code(0);
    let spans = collector.spans();
    assert_eq!(names(&spans), ["batch", "poll", "decode", "transform filter", "sink recorder", "commit"]);
    let exported = collector.exported();
    assert!(exported.iter().all(|request| request.content_type == "application/json"));
    assert_eq!(collector.metric("tidegate_records_total"), None);
}

#[test]
fn what_is_left_arrives_when_the_collector_is_back_and_the_failure_is_logged_once() {
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let broker = broker();
    let home = home(&address.to_string(), "interval = \"1s\"");
    let mut running = home.start(&broker);
    running.wait_for_log(&format!("to http://{address}, trying again"));
    let collector = Collector::start_at(address);
    collector.fail_next(&[503, 429]);
    running.wait_until("the trace", |_| (!collector.spans().is_empty()).then_some(()));
    running.wait_until("the metrics", |_| collector.metric("tidegate_records_total"));
    assert_eq!(collector.refused(), 2);
    running.wait_for_log(&format!("are sent to http://{address} again"));
    let finished = running.terminate().expect_code(0);
    assert_eq!(finished.count_log("trying again"), 1, "{}", finished.stderr);
    let commits = collector.spans().iter().filter(|span| span["name"] == "commit").count();
    assert_eq!(commits, 1, "what was committed last is exported before the end");
}
