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
