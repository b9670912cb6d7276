//! Topics in Avro and other formats of a schema registry, with a stub of a schema registry over TCP.

use std::{collections::BTreeSet, fs};

use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{
    BinaryCapture, Broker, Fault, Home, RegistryStub, captured_binary, captured_file, captured_schemas,
};

use crate::dead_letters::DEAD_LETTERS;

const ITEM: &str = r#"{"type":"record","name":"Item","fields":[{"name":"id","type":"int"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}"#;

/// An item in the registry's wire format.
fn item(schema: u32, id: u8, unscaled: &[u8]) -> Vec<u8> {
    let data = [&[id * 2, unscaled.len() as u8 * 2][..], unscaled].concat();
    [&[0][..], &schema.to_be_bytes(), &data].concat()
}

fn registry() -> RegistryStub {
    let stub = RegistryStub::start();
    stub.add_schema(7, ITEM);
    stub
}

fn avro(registry: &RegistryStub) -> String {
    format!(
        "[source.schema_registry]\nurl = \"{}\"\n[errors.retry]\ninitial = \"50ms\"\nmax = \"100ms\"\n",
        registry.url()
    )
}

/// A connector that writes the values of the topic `events` to a file.
fn to_file(home: &Home, name: &str, source: &str, more: &str) {
    home.connector(
        name,
        &format!(
            "restart.policy = \"never\"\n[source]\ntopics = [\"events\"]\nvalue_format = \"avro\"\nkey_format = \"bytes\"\n\
             {source}\n[sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"value\"\npath = \"@{name}.jsonl\"\n{more}"
        ),
    );
}

fn written(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path(&format!("{name}.jsonl"))).unwrap_or_default()
}

#[test]
fn captured_events_come_out_as_their_twins_in_json_with_a_schema() {
    for (set, format, capture) in [
        ("shop-precise", "avro", "shop-precise/"),
        ("types-connect", "avro", "types-connect/"),
        ("types-connect", "json-schema", "formats/types-connect.json-schema."),
    ] {
        let stub = RegistryStub::start();
        stub.add_capture(&captured_schemas(&format!("{capture}schemas.json.gz")));
        let (registered, json) = (Broker::start(), Broker::start());
        json.load(&captured_file(&format!("{set}/json-schema.jsonl.gz")), 1);
        let file = if format == "avro" { "avro.jsonl.gz" } else { "jsonl.gz" };
        let events = captured_binary(&format!("{capture}{file}"));
        let mut topics: Vec<&str> = events.iter().map(|event| &*event.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        topics.iter().for_each(|topic| registered.topic(topic, 1));
        registered.send_exactly(events.iter().map(|BinaryCapture { topic, key, value }| ProducerRecord {
            topic,
            partition: Some(0),
            timestamp_ms: None,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &[],
        }));
        let lines = |broker: &Broker, format: &str| {
            let home = Home::new(&["file-sink"]);
            home.connector(
                "rows",
                &format!(
                    "[source]\ntopics_regex = '^cdc\\.'\nkey_format = \"{format}\"\nvalue_format = \"{format}\"\n\
                     [source.schema_registry]\nurl = \"{}\"\n[sink]\nplugin = \"file\"\n\
                     [sink.config]\nstyle = \"row\"\npath = \"@{{topic}}.jsonl\"\n",
                    stub.url()
                ),
            );
            let _finished = home.run_once(broker).expect_code(0);
            let read = |topic: &&str| fs::read_to_string(home.path(&format!("{topic}.jsonl"))).unwrap();
            topics.iter().map(read).collect::<Vec<_>>()
        };
        let (registered, from_json) = (lines(&registered, format), lines(&json, "json"));
        assert!(registered.iter().map(|text| text.lines().count()).sum::<usize>() >= events.len());
        for ((topic, registered), from_json) in topics.iter().zip(registered).zip(from_json) {
            assert!(registered == from_json, "{set} in {format}: {topic} differs");
        }
    }
}

#[test]
fn a_registry_that_is_down_holds_the_connector_and_nothing_is_lost() {
    for isolation in ["thread", "process"] {
        let stub = registry();
        stub.fail(Some(Fault::Status(503)));
        let broker = Broker::with_events([item(7, 1, &[1]), item(7, 2, &[2])]);
        let home = Home::new(&["file-sink"]);
        to_file(&home, "items", "", &avro(&stub));
        let file = home.path("connectors.d/items.toml");
        let text = fs::read_to_string(&file).unwrap();
        home.connector("items", &format!("isolation = \"{isolation}\"\n{text}"));
        let mut running = home.start(&broker);
        let status = home.wait_for_status(&mut running, "items", |status| status["state"] == "STALLED");
        let reason = status["tasks"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("schema registry cannot be used") && reason.contains("503"), "{reason}");
        assert_eq!(status["counts"]["rejected"], 0);
        stub.fail(None);
        running.wait_until("the records", |_| (written(&home, "items").lines().count() == 2).then_some(()));
        home.wait_for_status(&mut running, "items", |status| status["state"] == "RUNNING");
        let finished = running.terminate().expect_code(0);
        finished.expect_log("schema registry answers again");
        assert_eq!(written(&home, "items"), "{\"id\":1,\"price\":0.01}\n{\"id\":2,\"price\":0.02}\n");
        assert_eq!(broker.committed("connect-items", "events", 0), Some(2));
    }
}

#[test]
fn a_stop_while_the_registry_is_down_commits_nothing() {
    let stub = registry();
    stub.fail(Some(Fault::Close));
    let broker = Broker::with_events([item(7, 1, &[1])]);
    let home = Home::new(&["file-sink"]);
    to_file(&home, "items", "", &format!("{}[limits]\nshutdown = \"1s\"\n", avro(&stub)));
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "items", |status| status["state"] == "STALLED");
    let _finished = running.terminate().expect_code(1);
    assert_eq!(broker.committed("connect-items", "events", 0), None);
    stub.fail(None);
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(written(&home, "items"), "{\"id\":1,\"price\":0.01}\n");
}

#[test]
fn bad_records_are_rejected_with_schema_and_field() {
    let stub = registry();
    stub.add_schema(8, r#"{"type":"record","name":"r","fields":[{"name":"x","type":"nonsense"}]}"#);
    let broker = Broker::with_events([
        item(7, 1, &[1]),
        item(9, 2, &[2]),
        b"{\"id\":3}".to_vec(),
        item(8, 4, &[4]),
        item(7, 5, &[]),
        [item(7, 6, &[6]), vec![0]].concat(),
        item(7, 7, &[7]),
        item(9, 8, &[8]),
    ]);
    let home = Home::new(&["file-sink"]);
    to_file(&home, "items", "", &format!("{}{DEAD_LETTERS}", avro(&stub)));
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(written(&home, "items"), "{\"id\":1,\"price\":0.01}\n{\"id\":7,\"price\":0.07}\n");
    let letters = broker.stored("dlq.events");
    let reasons: Vec<(String, String)> = letters
        .iter()
        .map(|letter| {
            (letter.header("__connect.errors.offset"), letter.header("__connect.errors.exception.message"))
        })
        .collect();
    let unknown = format!("value cannot be decoded: the registry at {} has no schema 9", stub.url());
    for ((offset, reason), (expected_offset, expected)) in reasons.iter().zip([
        ("1", unknown.as_str()),
        ("2", "value begins with the byte 0x7b"),
        ("3", "value has schema 8, which cannot be used: x: the type \"nonsense\" is not defined"),
        ("4", "value does not fit schema 7: price: expected the bytes of a number, found none at byte 2"),
        ("5", "value does not fit schema 7: unexpected data after the value, 1 bytes at byte 3"),
        ("7", unknown.as_str()),
    ]) {
        assert_eq!(offset, expected_offset);
        assert!(reason.contains(expected), "{offset}: {reason}");
    }
    assert_eq!(reasons.len(), 6);
    assert_eq!(broker.committed("connect-items", "events", 0), Some(8));
    assert_eq!(stub.requests("/schemas/ids/9"), 1, "an unknown id is not requested for every record");
}

#[test]
fn each_id_is_requested_once_for_all_connectors_and_tasks() {
    let stub = registry();
    let broker = Broker::start();
    broker.topic("events", 4);
    broker.produce((0..8).map(|id| ("events", id % 4, None, Some(item(7, id as u8, &[1])))));
    let home = Home::new(&["discard-sink", "misbehaving"]);
    home.write("tidegate.toml", format!("[schema_registry]\nurl = \"{}\"\n", stub.url()));
    let recordings = ["a", "b", "c"].map(|name| {
        home.connector(
            name,
            &format!(
                "tasks = 2\n[source]\ntopics = [\"events\"]\nvalue_format = \"avro\"\n[sink]\nplugin = \"recorder\"\n\
                 [sink.config]\npath = \"@{name}.calls\"\n"
            ),
        );
        home.recording(name)
    });
    let _finished = home.run_once(&broker).expect_code(0);
    for recording in &recordings {
        // The second task may read again what the first one could not commit before the rebalance.
        let records: BTreeSet<(i32, i64)> =
            recording.written().iter().map(|record| (record.partition, record.offset)).collect();
        assert_eq!(records.len(), 8, "{records:?}");
    }
    assert_eq!(stub.requests("/schemas/ids/7"), 1);
}

#[test]
fn the_variables_are_enough_and_a_wrong_login_fails_without_showing_it() {
    let stub = registry();
    stub.require("Basic bWU6czNjcmV0LXdvcmQ="); // me:s3cret-word
    let broker = Broker::with_events([item(7, 1, &[1])]);
    let home = Home::new(&["file-sink"]);
    to_file(&home, "items", "", "");
    let run = |password: &str| {
        let mut command = home.command();
        command
            .env("SCHEMA_REGISTRY_URL", stub.url())
            .env("SCHEMA_REGISTRY_USERNAME", "me")
            .env("SCHEMA_REGISTRY_PASSWORD", password)
            .args(["--bootstrap-servers", broker.servers(), "run", "--once"]);
        tidegate_tests::Running::start(&mut command).finish()
    };
    let denied = run("wrong-word").expect_code(3);
    let line = denied.expect_log("rejected the request for schema 7 with 401 (Unauthorized)");
    assert!(line.contains("items[0]"), "{line}");
    assert!(!denied.stderr.contains("wrong-word") && !denied.stdout.contains("wrong-word"));
    assert_eq!(broker.committed("connect-items", "events", 0), None);
    let _finished = run("s3cret-word").expect_code(0);
    assert_eq!(written(&home, "items"), "{\"id\":1,\"price\":0.01}\n");
}

#[test]
fn records_are_resolved_to_a_readers_schema_and_ids_may_come_in_headers() {
    let stub = registry();
    let guid = [&[1][..], &[0xab; 16]].concat();
    let path = "/schemas/guids/abababab-abab-abab-abab-abababababab";
    stub.answer(path, 200, &serde_json::json!({ "schema": ITEM }).to_string());
    let broker = Broker::with_events([item(7, 1, &[1])]);
    let bare = item(7, 2, &[2])[5..].to_vec();
    broker.send_exactly([ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(&bare),
        headers: &[(b"__value_schema_id", Some(&guid))],
    }]);
    let home = Home::new(&["file-sink"]);
    home.write(
        "item.avsc",
        r#"{"type":"record","name":"Item","fields":[{"name":"number","type":"long","aliases":["id"]},
            {"name":"note","type":["null","string"],"default":null}]}"#,
    );
    to_file(&home, "items", "value_reader_schema = \"@item.avsc\"", &avro(&stub));
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(written(&home, "items"), "{\"number\":1,\"note\":null}\n{\"number\":2,\"note\":null}\n");
}
