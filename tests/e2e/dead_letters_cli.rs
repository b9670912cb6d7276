//! `tidegate dead-letters`: list, show and replay.

use serde_json::Value as Json;
use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, Finished, Home};

use crate::dead_letters::DEAD_LETTERS;

/// Three good events, one that is not JSON, and two bad ones.
const EVENTS: [&str; 6] = [
    r#"{"id":0}"#,
    "no JSON",
    r#"{"id":2,"bad":true}"#,
    r#"{"id":3}"#,
    r#"{"id":4,"bad":true}"#,
    r#"{"id":5}"#,
];

const CHECK: &str = "[[transforms]]\nplugin = \"failing\"\nname = \"check\"\nconfig.how = \"rejected\"\n";

/// A broker and a home with a connector that has dead-lettered some of [`EVENTS`].
fn with_dead_letters() -> (Broker, Home) {
    let broker = Broker::with_events(EVENTS);
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "", &format!("{DEAD_LETTERS}{CHECK}"));
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(broker.stored("dlq.events").len(), 3);
    (broker, home)
}

fn run_dead_letters(broker: &Broker, home: &Home, arguments: &[&str]) -> Finished {
    let fixed = ["--bootstrap-servers", broker.servers(), "dead-letters"];
    home.run(&fixed.iter().chain(arguments).copied().collect::<Vec<_>>())
}

fn json(broker: &Broker, home: &Home, arguments: &[&str]) -> Json {
    let finished = run_dead_letters(broker, home, arguments).expect_code(0);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

#[test]
fn list_counts_dead_letters_by_connector_stage_and_class() {
    let (broker, home) = with_dead_letters();
    for connector in [None, Some("a")] {
        let arguments: Vec<&str> = ["list"].into_iter().chain(connector).collect();
        let finished = run_dead_letters(&broker, &home, &arguments).expect_code(0);
        let cells: Vec<Vec<&str>> =
            finished.stdout.lines().map(|line| line.split_whitespace().take(6).collect()).collect();
        assert_eq!(cells[0], ["topic", "connector", "stage", "class", "records", "replayed"]);
        assert_eq!(cells[1], ["dlq.events", "a", "transform", "rejected", "2", "0"]);
        assert_eq!(cells[2], ["dlq.events", "a", "value", "decode", "1", "0"]);
        assert_eq!(cells.len(), 3);
    }
    let list = json(&broker, &home, &["list", "--json", "--filter", "stage=value"]);
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!((&list[0]["records"], &list[0]["first"]), (&Json::from(1), &list[0]["last"]));
    assert!(
        list[0]["first"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{list}"
    );
}

#[test]
fn show_prints_origin_reason_and_content_of_a_dead_letter() {
    let (broker, home) = with_dead_letters();
    broker.send_exactly([ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: Some(0x1_0000_0000),
        key: Some(b"\"key\""),
        value: Some(b"\xff"),
        headers: &[(b"trace", Some(b"abc")), (b"odd", Some(b"\xfe"))],
    }]);
    let _finished = home.run_once(&broker).expect_code(0);
    let text = run_dead_letters(&broker, &home, &["show", "a"]).expect_code(0).stdout;
    assert_eq!(
        text.matches("\ndlq.events-").count() + usize::from(text.starts_with("dlq.events-")),
        4,
        "{text}"
    );
    for part in [
        "  from     events-0 offset 2\n",
        " by a[0], attempt 1\n",
        "  stage    transform check (failing/",
        "), class rejected\n",
        "  reason   offset 2 is bad\n",
        "  value    {\"id\":2,\"bad\":true}\n",
        "  key      null\n",
        "  key      \"key\"\n",
        "  value    base64:/w==\n",
        "  time     1970-02-19T17:02:47.296Z\n",
        "  header   trace = abc\n",
        "  header   odd = base64:/g==\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let all = json(&broker, &home, &["show", "a", "--json", "--limit", "10"]);
    let offsets = |shown: &Json| -> Vec<i64> {
        let run_dead_letters = shown.as_array().expect("a list").iter();
        run_dead_letters
            .map(|dead_letter| dead_letter["from"]["offset"].as_i64().expect("an offset"))
            .collect()
    };
    assert_eq!(offsets(&all), [1, 2, 4, 6]);
    assert_eq!(offsets(&json(&broker, &home, &["show", "a", "--json", "--last", "1"])), [6]);
    assert_eq!(
        offsets(&json(&broker, &home, &["show", "--topic", "dlq.events", "--json", "--limit", "1"])),
        [1]
    );
    assert_eq!(
        offsets(&json(
            &broker,
            &home,
            &["show", "a", "--json", "--filter", "stage=transform", "--last", "1"]
        )),
        [4]
    );
    let (partition, offset) = (all[3]["partition"].to_string(), all[3]["offset"].to_string());
    let one = json(&broker, &home, &["show", "a", "--json", "--partition", &partition, "--offset", &offset]);
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    assert_eq!((&one[0]["key"], &one[0]["value_base64"]), (&"\"key\"".into(), &"/w==".into()));
    assert_eq!(one[0]["headers"][0], serde_json::json!({ "name": "trace", "value": "abc" }));
    assert_eq!((&one[0]["class"], &one[0]["attempts"]), (&"decode".into(), &1.into()));
}

#[test]
fn dead_letters_are_replayed_after_the_connector_is_fixed() {
    let (broker, home) = with_dead_letters();
    let dry = run_dead_letters(&broker, &home, &["replay", "a", "--dry-run"]).expect_code(0).stdout;
    assert!(dry.contains("(events-0 offset 2) would be sent to events"), "{dry}");
    assert!(dry.contains("would be replayed: 3 to events"), "{dry}");
    let only = ["replay", "a", "--filter", "stage=transform"];
    let text = run_dead_letters(&broker, &home, &only).expect_code(0).stdout;
    assert!(text.contains("replayed: 2 to events; 1 skipped by the filter"), "{text}");
    let records = broker.stored("events");
    assert_eq!(records[6..].iter().map(|record| record.text()).collect::<Vec<_>>(), [EVENTS[2], EVENTS[4]]);
    for record in &records[6..] {
        let headers: Vec<_> = record.headers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(headers, ["tidegate.replayed"]);
        assert_eq!(record.header("tidegate.replayed"), "1");
    }
    // Nothing is replayed twice.
    let text = run_dead_letters(&broker, &home, &only).expect_code(0).stdout;
    assert!(text.contains("replayed: nothing; 2 already replayed; 1 skipped by the filter"), "{text}");
    let list = json(&broker, &home, &["list", "--json", "--filter", "stage=transform"]);
    assert_eq!((&list[0]["records"], &list[0]["replayed"]), (&2.into(), &2.into()));

    // The connector is unchanged, so they are dead-lettered again.
    let _finished = home.run_once(&broker).expect_code(0);
    let again = json(&broker, &home, &["show", "a", "--json", "--last", "2"]);
    for dead_letter in again.as_array().expect("a list") {
        assert_eq!((&dead_letter["attempts"], &dead_letter["headers"][0]["value"]), (&2.into(), &"1".into()));
    }
    // With the fixed connector, the remaining dead letters are replayed and written.
    let recording = home.recorder("a", "", DEAD_LETTERS);
    let text = run_dead_letters(&broker, &home, &["replay", "a"]).expect_code(0).stdout;
    assert!(text.contains("replayed: 3 to events"), "{text}");
    assert_eq!(broker.stored("events").len(), 11);
    let text = run_dead_letters(&broker, &home, &["replay", "a"]).expect_code(0).stdout;
    assert!(text.ends_with("replayed: nothing\n"), "{text}");
    let _finished = home.run_once(&broker).expect_code(0);
    let mut ids: Vec<i64> =
        recording.written().iter().filter_map(|record| record.value["id"].as_i64()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 2, 3, 4, 5]);
    // The text that is not JSON is dead-lettered again.
    let last = json(&broker, &home, &["show", "a", "--json", "--last", "1"]);
    assert_eq!((&last[0]["value"], &last[0]["attempts"]), (&"no JSON".into(), &2.into()));
}

#[test]
fn replay_writes_to_the_original_partitions_or_to_another_topic_by_key() {
    let broker = Broker::start();
    broker.topic("events", 3);
    broker.topic("dlq.events", 3);
    broker.topic("other", 1);
    let values: Vec<String> = (0..30).map(|id| format!(r#"{{"id":{id},"bad":true}}"#)).collect();
    broker.produce(
        values.iter().enumerate().map(|(id, value)| ("events", id as i32 % 3, Some("1"), Some(value))),
    );
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "", &format!("{DEAD_LETTERS}{CHECK}"));
    let _finished = home.run_once(&broker).expect_code(0);
    let text = run_dead_letters(&broker, &home, &["replay", "a"]).expect_code(0).stdout;
    assert!(text.contains("replayed: 30 to events"), "{text}");
    for partition in 0..3 {
        let all = broker.stored("events");
        let texts: Vec<String> =
            all.iter().filter(|record| record.partition == partition).map(|record| record.text()).collect();
        assert_eq!(texts.len(), 20);
        assert_eq!(texts[..10], texts[10..]);
    }
    // A replay to another topic counts as well.
    let text = run_dead_letters(&broker, &home, &["replay", "a", "--to", "other"]).expect_code(0).stdout;
    assert!(text.contains("replayed: nothing"), "{text}");
    broker.send("events", [r#"{"bad":true}"#]);
    let _finished = home.run_once(&broker).expect_code(0);
    let text = run_dead_letters(&broker, &home, &["replay", "a", "--to", "other", "--filter", "offset!=5"])
        .expect_code(0)
        .stdout;
    assert!(text.contains("31 to other"), "{text}");
    assert_eq!(broker.stored("other").len(), 31);
}

#[test]
fn impossible_requests_are_rejected_with_the_reason() {
    let (broker, home) = with_dead_letters();
    home.connector(
        "plain",
        "source.topics = [\"events\"]\nsink.plugin = \"recorder\"\nsink.config.path = \"@x\"\n",
    );
    home.connector("broken", "source.topics = [\"events\"]\n");
    for (arguments, message) in [
        (&["show"][..], "specify a connector, or a topic with --topic"),
        (
            &["show", "plain"],
            "connector \"plain\" has no dead-letter topic: add dead_letter_topic to [errors]",
        ),
        (&["show", "b"], "no valid connector \"b\"; valid connectors: a, plain"),
        (&["show", "broken"], "sink.plugin: is missing"),
        (&["show", "--topic", "nothing"], "topic \"nothing\" does not exist on"),
        (
            &["show", "a", "--partition", "0", "--offset", "99"],
            "there is no dead-letter record in partition 0 at offset 99",
        ),
        (&["list", "--filter", "stages=value"], "unknown field \"stages\": use one of"),
        (
            &["replay", "a", "--to", "nothing"],
            "cannot send records to topic \"nothing\", which does not exist",
        ),
        (&["replay", "a", "--to", "dlq.events"], "--to is the dead-letter topic itself"),
    ] {
        let finished = run_dead_letters(&broker, &home, arguments).expect_code(1);
        finished.expect_log(message);
    }
    let records = broker.stored("dlq.events");
    let plain = run_dead_letters(&broker, &home, &["replay", "--topic", "events"]).expect_code(0).stdout;
    assert!(
        plain.contains("replayed: nothing; 6 skipped because they are not dead-letter records"),
        "{plain}"
    );
    assert_eq!((broker.stored("dlq.events"), broker.stored("events").len()), (records, 6));
}
