//! Dead letters on a real broker: created topics, and the progress of replays in a group.

use std::fs;

use serde_json::Value as Json;
use tidegate::kafka::producer::NO_TIMESTAMP;
use tidegate_tests::{
    Finished, Home,
    kafka::{Kafka, flush, send},
    stored,
};

use crate::{
    remedies::{rejecting, send_at},
    support::PLUGINS,
};

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

/// Text of this length that cannot be compressed much.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_created_dead_letter_topic_takes_what_its_source_topic_takes() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "large";
    kafka.create_topic_with(topic, 1, &[("max.message.bytes", "10000000")]);
    let large = noise(3_000_000);
    let producer = kafka.producer(&[("message.max.bytes", "20000000")]);
    for value in ["{\"id\":1}", &large, "{\"id\":2}"] {
        send(&producer, topic, Some(0), None, Some(value));
    }
    flush(&producer);
    let home = Home::new(&PLUGINS);
    rejecting(&home, "large", &format!("topics = [\"{topic}\"]"), "dead_letter_topic = \"dlq.{topic}\"");
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    let kept = stored(&kafka.servers(), "dlq.large");
    assert_eq!(kept.len(), 1);
    assert!(kept[0].value.as_deref() == Some(large.as_bytes()));
    assert_eq!(kafka.committed("connect-large", topic), [(0, 3)].into());
}

#[test]
fn dead_letters_keep_every_time_that_a_record_may_have() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "odd-times";
    let widest = i64::MAX.to_string();
    let wide = [
        ("message.timestamp.before.max.ms", widest.as_str()),
        ("message.timestamp.after.max.ms", widest.as_str()),
    ];
    kafka.create_topic_with(topic, 1, &wide);
    // None, 1970, before 1970, microseconds instead of milliseconds, the last time that there is, and a usual one.
    let times =
        [NO_TIMESTAMP, 0, -86_400_000, 1_790_000_000_000_000, i64::MAX, 0, NO_TIMESTAMP, 1_700_000_000_000];
    send_at(kafka, topic, times.map(|time| (Some(time), "no JSON")));
    let wanted: Vec<Option<i64>> = times.map(|time| (time != NO_TIMESTAMP).then_some(time)).to_vec();
    let times_of = |topic: &str| -> Vec<Option<i64>> {
        stored(&kafka.servers(), topic).iter().map(|record| record.timestamp_ms).collect()
    };
    assert_eq!(times_of(topic), wanted, "the source topic");
    let home = Home::new(&PLUGINS);
    rejecting(&home, "times", &format!("topics = [\"{topic}\"]"), "dead_letter_topic = \"dlq.{topic}\"");
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(times_of("dlq.odd-times"), wanted);

    // A replay keeps them too.
    run_dead_letters(kafka, &home, &["replay", "times"]);
    assert_eq!(times_of(topic), [wanted.clone(), wanted].concat());
}

#[test]
fn a_record_with_the_time_of_its_append_is_dead_lettered_with_that_time() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "append-time";
    kafka.create_topic_with(topic, 1, &[("message.timestamp.type", "LogAppendTime")]);
    send_at(kafka, topic, [(Some(1_000), "no JSON")]);
    let home = Home::new(&PLUGINS);
    rejecting(&home, "append", &format!("topics = [\"{topic}\"]"), "dead_letter_topic = \"dlq.{topic}\"");
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    let [source, dead_letter] =
        [topic, "dlq.append-time"].map(|topic| stored(&kafka.servers(), topic).remove(0));
    assert!(source.timestamp_ms > Some(1_000));
    assert_eq!(dead_letter.timestamp_ms, source.timestamp_ms);
}
