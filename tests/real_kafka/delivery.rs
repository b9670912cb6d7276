//! Every record reaches the sink in order, with every compression and between control records.

use std::{collections::BTreeMap, fs};

use rdkafka::producer::Producer;
use serde_json::Value as Json;
use tidegate_tests::{
    Home, TIMEOUT, captured,
    kafka::{Kafka, flush, send},
};

use crate::support::PLUGINS;

/// Keys and values in a file of the file sink with the style `record`, in order.
fn written(home: &Home, topic: &str) -> Vec<(Json, Json)> {
    let text = fs::read_to_string(home.path(&format!("out/{topic}.jsonl"))).expect("a file per topic");
    let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("a line of JSON"));
    lines.map(|mut line| (line["key"].take(), line["value"].take())).collect()
}

fn by_key(records: Vec<(Json, Json)>) -> BTreeMap<String, Vec<Json>> {
    let mut values = BTreeMap::<String, Vec<Json>>::new();
    for (key, value) in records {
        values.entry(key.to_string()).or_default().push(value);
    }
    values
}

#[test]
fn captured_events_are_delivered_unchanged() {
    let Some(kafka) = Kafka::shared() else { return };
    let captured = captured("shop-string/json.jsonl.gz");
    let mut expected = BTreeMap::<String, Vec<(Json, Json)>>::new();
    let json = |text: &Option<String>| {
        text.as_ref().map_or(Json::Null, |text| serde_json::from_str(text).expect("JSON"))
    };
    for record in &captured {
        let topic = format!("capture.{}", record.topic);
        expected.entry(topic).or_default().push((json(&record.key), json(&record.value)));
    }
    for topic in expected.keys() {
        kafka.create_topic(topic, 4, 1);
        let of_topic =
            captured.iter().filter(|record| topic.strip_prefix("capture.") == Some(&*record.topic));
        kafka.produce(topic, of_topic.map(|record| (record.key.as_deref(), record.value.as_deref())));
    }
    let home = Home::new(&PLUGINS);
    home.connector(
        "files",
        "[source]\ntopics_regex = '^capture[.]'\npass_control_events = true\n[sink]\nplugin = \"file\"\n\
         [sink.config]\nstyle = \"record\"\npath = \"@out/{topic}.jsonl\"\n",
    );
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    for (topic, records) in expected {
        assert_eq!(by_key(written(&home, &topic)), by_key(records), "{topic}");
    }
}

#[test]
fn every_compression_is_read() {
    let Some(kafka) = Kafka::shared() else { return };
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let values: Vec<String> = (0..500).map(|number| format!("{{\"number\":{number}}}")).collect();
    let home = Home::new(&PLUGINS);
    for codec in codecs {
        let topic = format!("compression.{codec}");
        kafka.create_topic(&topic, 4, 1);
        let producer = kafka.producer(&[("compression.type", codec)]);
        values.iter().for_each(|value| send(&producer, &topic, None, Some("key"), Some(value)));
        flush(&producer);
        home.connector(
            codec,
            &format!(
                "[source]\ntopics = [\"{topic}\"]\nkey_format = \"string\"\n[sink]\nplugin = \"file\"\n[sink.config]\n\
                 style = \"record\"\npath = \"@out/{{topic}}.jsonl\"\n"
            ),
        );
    }
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    for codec in codecs {
        let numbers: Vec<Json> = written(&home, &format!("compression.{codec}"))
            .iter()
            .map(|(_, value)| value["number"].clone())
            .collect();
        assert_eq!(numbers, (0..500).map(Json::from).collect::<Vec<_>>(), "{codec}");
    }
}

#[test]
fn aborted_records_and_control_records_are_not_delivered() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "transactions";
    kafka.create_topic(topic, 4, 1);
    let producer = kafka.producer(&[("transactional.id", topic)]);
    producer.init_transactions(TIMEOUT).expect("a coordinator");
    for (value, commit) in [("\"kept\"", true), ("\"aborted\"", false)] {
        producer.begin_transaction().expect("a transaction");
        (0..10).for_each(|_| send(&producer, topic, None, Some("\"key\""), Some(value)));
        flush(&producer);
        let ended =
            if commit { producer.commit_transaction(TIMEOUT) } else { producer.abort_transaction(TIMEOUT) };
        ended.expect("the end of a transaction");
    }
    let home = Home::new(&PLUGINS);
    home.connector(
        "kept",
        &format!(
            "[source]\ntopics = [\"{topic}\"]\n[sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"record\"\n\
             path = \"@out/{{topic}}.jsonl\"\n"
        ),
    );
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    let values: Vec<Json> = written(&home, topic).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, vec![Json::from("kept"); 10]);
}

/// Sends 120 records of half a megabyte as one batch with zstd, which has a few kilobytes.
fn send_packed(kafka: &Kafka, topic: &str) {
    let properties = [
        ("compression.type", "zstd"),
        ("batch.size", "1000000000"),
        ("message.max.bytes", "1000000000"),
        ("linger.ms", "20000"),
        ("queue.buffering.max.kbytes", "2000000"),
    ];
    let (producer, value) = (kafka.producer(&properties), format!("\"{}\"", "a".repeat(499_998)));
    for _ in 0..120 {
        send(&producer, topic, Some(0), None, Some(&value));
    }
    flush(&producer);
}

#[test]
fn a_batch_that_unpacks_to_much_more_than_it_has_on_the_wire_is_read() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("packed", 1, 1);
    send_packed(kafka, "packed");
    let home = |name: &str, properties: &str| {
        let (home, source) = (Home::new(&PLUGINS), "[source]\ntopics = [\"packed\"]\n[source.properties]\n");
        home.connector(name, &format!("{source}{properties}\n[sink]\nplugin = \"discard\"\n"));
        home
    };
    home("wide", "").start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(kafka.committed("connect-wide", "packed"), [(0, 120)].into());

    let narrow = home("narrow", "\"fetch.max.bytes\" = 1048576\n\"receive.message.max.bytes\" = 50000000");
    let finished = narrow.start_on(&kafka.servers(), &["--once"]).finish().expect_code(3);
    let line = finished.expect_log("task failed permanently: packed-0 offset 0 cannot be read: ");
    let remedy = "the batch is damaged, or it unpacks to more than `receive.message.max.bytes`: raise it in `[source.properties]`";
    assert!(line.contains(remedy), "{line}");
    assert_eq!(finished.count_log("task failed"), 1, "{}", finished.stderr);
}
