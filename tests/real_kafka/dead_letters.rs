//! Dead letters on a real broker: created topics, and the progress of replays in a group.

use std::fs;

use serde_json::Value as Json;
use tidegate_tests::{Finished, Home, kafka::Kafka, stored};

use crate::support::PLUGINS;

pub(crate) const DEAD_LETTERS: &str =
    "[errors]\ntolerance = \"all\"\ndead_letter_topic = \"dlq.{topic}\"\ndead_letter_partitions = 2\n";

fn connector(topic: &str, format: &str, more: &str) -> String {
    format!(
        "[source]\ntopics = [\"{topic}\"]\nkey_format = \"string\"\nvalue_format = \"{format}\"\n{more}\n[sink]\n\
         plugin = \"file\"\n[sink.config]\nstyle = \"record\"\npath = \"@out/{{topic}}.jsonl\"\n{DEAD_LETTERS}"
    )
}

fn run_dead_letters(kafka: &Kafka, home: &Home, arguments: &[&str]) -> Finished {
    let servers = kafka.servers();
    let fixed = ["--bootstrap-servers", &servers, "dead-letters"];
    home.run(&fixed.iter().chain(arguments).copied().collect::<Vec<_>>()).expect_code(0)
}

/// The values that the file sink has written.
fn written(home: &Home, topic: &str) -> Vec<Json> {
    let text = fs::read_to_string(home.path(&format!("out/{topic}.jsonl"))).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str::<Json>(line).expect("a line")["value"].take()).collect()
}

#[test]
fn rejected_records_are_dead_lettered_and_replayed_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "letters";
    kafka.create_topic(topic, 4, 1);
    let values: Vec<String> = (0..100)
        .map(|id| if id % 10 == 3 { format!("no JSON {id}") } else { format!("{{\"id\":{id}}}") })
        .collect();
    let keys: Vec<String> = (0..100).map(|id| format!("key {}", id % 8)).collect();
    kafka.produce(
        topic,
        keys.iter().zip(&values).map(|(key, value)| (Some(key.as_str()), Some(value.as_str()))),
    );
    let home = Home::new(&PLUGINS);
    home.connector("a", &connector(topic, "json", ""));
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(written(&home, topic).len(), 90);

    let dead = format!("dlq.{topic}");
    let kept = stored(&kafka.servers(), &dead);
    assert_eq!(kept.len(), 10);
    // Topics that the broker creates automatically have four partitions.
    assert!(kept.iter().all(|dead_letter| dead_letter.partition < 2), "{kept:?}");
    for dead_letter in &kept {
        let source: i32 = dead_letter.header("__connect.errors.partition").parse().expect("a partition");
        assert_eq!(dead_letter.partition, source % 2);
        assert!(dead_letter.text().starts_with("no JSON") && dead_letter.timestamp_ms.is_some());
    }

    let text = run_dead_letters(kafka, &home, &["replay", "a", "--filter", "partition=0"]).stdout;
    let text = text
        + &run_dead_letters(kafka, &home, &["replay", "a"]).stdout
        + &run_dead_letters(kafka, &home, &["replay", "a"]).stdout;
    assert!(text.ends_with(&format!("{dead}: replayed: nothing\n")), "{text}");
    let back = stored(&kafka.servers(), topic);
    let back: Vec<_> = back.iter().filter(|record| record.header("tidegate.replayed") == "1").collect();
    assert_eq!(back.len(), 10, "{text}");
    for record in &back {
        let dead_letter =
            kept.iter().find(|dead_letter| dead_letter.value == record.value).expect("its letter");
        assert_eq!(record.partition.to_string(), dead_letter.header("__connect.errors.partition"));
        assert_eq!((&record.key, record.timestamp_ms), (&dead_letter.key, dead_letter.timestamp_ms));
    }
    // With the format `string`, all records are valid.
    home.connector("a", &connector(topic, "string", ""));
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(written(&home, topic).len(), 100);
    let list = run_dead_letters(kafka, &home, &["list", "a", "--json"]).stdout;
    let list: Json = serde_json::from_str(&list).expect("JSON");
    assert_eq!((&list[0]["records"], &list[0]["replayed"]), (&10.into(), &10.into()));
}
