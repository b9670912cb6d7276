//! Dead letters: a rejected record is written unchanged, before any later record is settled.

use std::fs;

use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, Home, StoredRecord};

pub(crate) const DEAD_LETTERS: &str = "[errors]\ntolerance = \"all\"\ndead_letter_topic = \"dlq.{topic}\"\n";
const ALL_IN_ONE: &str = "[batch]\nmax_records = 10\nmax_wait = \"10s\"\n";

/// Ten events. Those with these offsets are bad.
fn events(bad: &[i64]) -> Vec<String> {
    (0..10).map(|id| format!(r#"{{"id":{id},"bad":{}}}"#, bad.contains(&id))).collect()
}

fn all_but(missing: &[i64]) -> Vec<i64> {
    (0..10).filter(|offset| !missing.contains(offset)).collect()
}

fn transform(plugin: &str, config: &str) -> String {
    format!("[[transforms]]\nplugin = \"{plugin}\"\n[transforms.config]\n{config}\n")
}

/// Origins of the dead letters, in the order of their topic.
fn origins(dead_letters: &[StoredRecord]) -> Vec<String> {
    dead_letters.iter().map(|dead_letter| dead_letter.header("__connect.errors.offset")).collect()
}

/// Stage and class of a dead letter.
fn stage_and_class(dead_letter: &StoredRecord) -> (String, String) {
    (dead_letter.header("tidegate.errors.stage"), dead_letter.header("tidegate.errors.class"))
}

#[test]
fn every_stage_dead_letters_its_rejected_records_and_the_rest_is_written() {
    for (stage, connect, sink, more) in [
        ("transform", "TRANSFORMATION", "", transform("failing", "how = \"rejected\"")),
        ("sink", "TASK_PUT", "reject = true", String::new()),
        // The sink does not name the records, which are found by bisection.
        ("sink", "TASK_PUT", "how = \"rejected\"", String::new()),
    ] {
        let broker = Broker::with_events(events(&[2, 7, 8]));
        let home = Home::new(&["misbehaving"]);
        let recording = home.recorder("a", sink, &format!("{ALL_IN_ONE}{DEAD_LETTERS}{more}"));
        let finished = home.run_once(&broker).expect_code(0);
        assert_eq!(recording.offsets(), all_but(&[2, 7, 8]), "{stage}");
        let dead_letters = broker.stored("dlq.events");
        assert_eq!(origins(&dead_letters), ["2", "7", "8"], "{stage}");
        for dead_letter in &dead_letters {
            assert_eq!(stage_and_class(dead_letter), (stage.to_owned(), "rejected".to_owned()));
            assert_eq!(dead_letter.header("__connect.errors.stage"), connect);
            let offset = dead_letter.header("__connect.errors.offset");
            assert_eq!(dead_letter.text(), events(&[2, 7, 8])[offset.parse::<usize>().unwrap()]);
        }
        assert_eq!(numbers(&finished.stdout), ["10", "7", "0", "3", "10", "3"]);
        assert_eq!(broker.committed("connect-a", "events", 0), Some(10));
        let line = finished.expect_log("record sent to dlq.events: ");
        assert!(line.contains("WARN a[0]") && line.contains("topic=events partition=0 offset=2"), "{line}");
    }
}

#[test]
fn undecodable_keys_values_and_headers_are_dead_lettered_by_stage() {
    let broker = Broker::with_events(["{}"]);
    let large = vec![b'x'; 200_000];
    let plain = ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: Some(1_700_000_000_000),
        key: None,
        value: Some(b"{}"),
        headers: &[],
    };
    let odd = [(&b"fine"[..], Some(&b"1"[..])), (b"\xff", None)];
    let many = format!("[{}1]", "1,".repeat(30_000));
    broker.send_exactly([
        ProducerRecord { key: Some(b"{\"id\":"), ..plain },
        ProducerRecord { value: Some(b"no JSON"), key: Some(b"1"), ..plain },
        ProducerRecord { headers: &odd, ..plain },
        ProducerRecord { value: Some(&large), ..plain },
        ProducerRecord { value: Some(many.as_bytes()), ..plain },
        plain,
    ]);
    let home = Home::new(&["misbehaving"]);
    let more = "[limits]\nmemory = \"4 MiB\"\n[batch]\nmax_record_bytes = \"100 KiB\"\n";
    let recording = home.recorder("a", "", &format!("{DEAD_LETTERS}{more}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0, 6]);

    let dead_letters = broker.stored("dlq.events");
    assert_eq!(origins(&dead_letters), ["1", "2", "3", "4", "5"]);
    let stages_and_classes: Vec<_> = dead_letters.iter().map(stage_and_class).collect();
    let expected = [
        ("key", "decode", "KEY_CONVERTER"),
        ("value", "decode", "VALUE_CONVERTER"),
        ("headers", "decode", "HEADER_CONVERTER"),
        ("source", "too-large", "KAFKA_CONSUME"),
        ("value", "too-large", "VALUE_CONVERTER"),
    ];
    for ((dead_letter, stage_and_class), (stage, class, connect)) in
        dead_letters.iter().zip(stages_and_classes).zip(expected)
    {
        assert_eq!(stage_and_class, (stage.to_owned(), class.to_owned()));
        assert_eq!(dead_letter.header("__connect.errors.stage"), connect);
        assert_eq!(dead_letter.timestamp_ms, Some(1_700_000_000_000));
    }
    assert_eq!(
        (dead_letters[0].key.as_deref(), dead_letters[0].value.as_deref()),
        (Some(&b"{\"id\":"[..]), Some(&b"{}"[..]))
    );
    assert_eq!(
        (dead_letters[1].key.as_deref(), dead_letters[1].value.as_deref()),
        (Some(&b"1"[..]), Some(&b"no JSON"[..]))
    );
    let own = odd.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
    assert_eq!(dead_letters[2].headers[..2], own);
    assert_eq!(dead_letters[3].value.as_deref(), Some(&large[..]));
    assert_eq!(numbers(&finished.stdout), ["7", "2", "0", "5", "7", "5"]);
}

#[test]
fn a_dead_letter_holds_the_original_record_its_origin_and_the_reason() {
    let broker = Broker::start();
    broker.topic("cdc.orders", 2);
    broker.topic("dlq.cdc.orders", 2);
    let headers = [
        (&b"trace"[..], Some(&b"abc"[..])),
        (b"nothing", None),
        (b"trace", Some(b"")),
        (b"tidegate.replayed", Some(b"2")),
    ];
    let record = ProducerRecord {
        topic: "cdc.orders",
        partition: Some(1),
        timestamp_ms: Some(1_600_000_000_123),
        key: Some(b"\"k\""),
        value: Some(br#"{"id":1,"bad":true}"#),
        headers: &headers,
    };
    broker.send_exactly([record, ProducerRecord { value: Some(b"{}"), ..record }]);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "orders",
        &format!(
            "source.topics_regex = '^cdc[.]'\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@orders.calls\"\n\
             {DEAD_LETTERS}[[transforms]]\nplugin = \"failing\"\nname = \"check\"\nconfig.how = \"rejected\"\n"
        ),
    );
    let _finished = home.run_once(&broker).expect_code(0);
    let dead_letters = broker.stored("dlq.cdc.orders");
    let [dead_letter] = dead_letters.as_slice() else { panic!("{dead_letters:?}") };
    // The partition of the record, if the topic has as many partitions.
    assert_eq!((dead_letter.partition, dead_letter.timestamp_ms), (1, Some(1_600_000_000_123)));
    assert_eq!(dead_letter.key.as_deref(), record.key);
    assert_eq!(dead_letter.value.as_deref(), record.value);
    let own = headers.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
    assert_eq!(dead_letter.headers[..4], own);
    for (name, value) in [
        ("__connect.errors.topic", "cdc.orders"),
        ("__connect.errors.partition", "1"),
        ("__connect.errors.offset", "0"),
        ("__connect.errors.connector.name", "orders"),
        ("__connect.errors.task.id", "0"),
        ("__connect.errors.exception.message", "offset 0 is bad"),
        ("tidegate.errors.connector", "orders"),
        ("tidegate.errors.stage", "transform"),
        ("tidegate.errors.name", "check"),
        ("tidegate.errors.plugin", concat!("failing/", env!("CARGO_PKG_VERSION"))),
        ("tidegate.errors.attempts", "3"),
        ("tidegate.errors.headers", "4"),
    ] {
        assert_eq!(dead_letter.header(name), value, "{name}");
    }
    assert_eq!(dead_letter.headers.len(), 4 + 20);
}

#[test]
fn a_record_with_several_outputs_is_dead_lettered_once() {
    for (sink, more) in [
        ("", transform("failing", "how = \"rejected\"")),
        ("reject = true", String::new()),
        ("how = \"rejected\"", String::new()),
    ] {
        let broker = Broker::with_events(events(&[]));
        let home = Home::new(&["misbehaving"]);
        let three = transform("emits-copies", "copies = 3\nbad_copy = [4, 1]");
        let recording = home.recorder("a", sink, &format!("{ALL_IN_ONE}{DEAD_LETTERS}{three}{more}"));
        let finished = home.run_once(&broker).expect_code(0);
        let thrice = |offset: i64| [offset; 3];
        assert_eq!(recording.offsets(), all_but(&[4]).into_iter().flat_map(thrice).collect::<Vec<_>>());
        assert_eq!(origins(&broker.stored("dlq.events")), ["4"]);
        assert_eq!(numbers(&finished.stdout), ["10", "27", "0", "1", "10", "1"]);
    }
}

#[test]
fn a_record_that_exceeds_the_memory_budget_is_found_by_bisection() {
    for what in ["outputs", "values"] {
        let broker = Broker::with_events(events(&[3, 6]));
        let home = Home::new(&["misbehaving"]);
        let exceeds_memory = transform("exceeds-memory", &format!("what = \"{what}\""));
        let more = "[limits]\nmemory = \"4 MiB\"\n";
        let recording = home.recorder("a", "", &format!("{ALL_IN_ONE}{DEAD_LETTERS}{more}{exceeds_memory}"));
        let _finished = home.run_once(&broker).expect_code(0);
        assert_eq!(recording.offsets(), all_but(&[3, 6]), "{what}");
        let dead_letters = broker.stored("dlq.events");
        assert_eq!(origins(&dead_letters), ["3", "6"]);
        assert_eq!(stage_and_class(&dead_letters[0]), ("transform".to_owned(), "too-large".to_owned()));
    }
}

#[test]
fn a_dead_letter_is_written_before_the_sink_stores_a_later_offset() {
    let broker = Broker::with_events(["{}", "no JSON", "{}"]);
    let home = Home::new(&["misbehaving"]);
    let sink = "offsets = \"@offsets\"\ngate = \"@gate\"";
    let sink = sink.replace('@', &format!("{}/", home.path("").display()));
    let recording = home.recorder("a", &sink, &format!("{ALL_IN_ONE}{DEAD_LETTERS}"));
    let mut running = home.start(&broker);
    running.wait_until("the letter", |_| (broker.stored("dlq.events").len() == 1).then_some(()));
    let stored = fs::read_to_string(home.path("offsets")).unwrap_or_default();
    assert!(stored.is_empty() || stored.contains("[-1,"), "{stored}");
    home.write("gate", "");
    running.wait_until("the rest", |_| (recording.offsets() == [0, 2]).then_some(()));
    let _finished = running.terminate().expect_code(0);
    assert_eq!(recording.writes().pop().map(|write| write.positions[0].next), Some(3));
}

#[test]
fn after_a_crash_dead_letters_may_be_duplicated_and_none_is_missing() {
    let broker = Broker::with_events(["{}", "no JSON", "{}"]);
    let home = Home::new(&["misbehaving"]);
    let gate = format!("gate = \"{}\"", home.path("gate").display());
    let recording = home.recorder("a", &gate, &format!("{ALL_IN_ONE}{DEAD_LETTERS}"));
    let mut running = home.start(&broker);
    running.wait_until("the letter", |_| (broker.stored("dlq.events").len() == 1).then_some(()));
    running.signal("KILL");
    let _killed = running.finish();
    assert_eq!(broker.committed("connect-a", "events", 0), None);
    home.write("gate", "");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0, 2]);
    assert_eq!(origins(&broker.stored("dlq.events")), ["1", "1"]);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(3));
}

/// Text that compresses by at most a quarter.
fn noise(bytes: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(ALPHABET[(state >> 58) as usize])
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_dead_letter_that_cannot_be_written_fails_the_task_before_any_later_record() {
    let bad = format!(r#"{{"bad":true,"text":"{}"}}"#, noise(30_000));
    for (sink, more) in [("reject = true", String::new()), ("", transform("failing", "how = \"rejected\""))] {
        // The broker can store the events, but not a dead letter as large as the bad one.
        let broker = Broker::of_size(45_000);
        broker.topic("events", 1);
        broker.send("events", [r#"{"id":0}"#, bad.as_str(), r#"{"id":2}"#]);
        let home = Home::new(&["misbehaving"]);
        let sink = format!("{sink}\noffsets = \"{}\"", home.path("offsets").display());
        let one_by_one = "[batch]\nmax_records = 1\n";
        let recording = home.recorder("a", &sink, &format!("{one_by_one}{DEAD_LETTERS}{more}"));
        let finished = home.run_until_failed(&broker, &[]);
        let line = finished.expect_log("rejected records cannot be written to the dead-letter topic, and no offset after them is committed");
        assert!(line.contains("\"dlq.events\" failed"), "{line}");
        assert_eq!(recording.offsets(), [0]);
        assert_eq!(broker.stored("dlq.events"), []);
        assert!(broker.committed("connect-a", "events", 0) <= Some(1));
        let stored = fs::read_to_string(home.path("offsets")).expect("a file of offsets");
        assert!(stored.contains("[1,"), "{stored}");
    }
}

#[test]
fn dead_letters_are_retried_and_reported_while_brokers_are_unreachable() {
    let broker = Broker::with_events(events(&[0]));
    let home = Home::new(&["misbehaving"]);
    let gate = format!("reject = true\ngate = \"{}\"", home.path("gate").display());
    let recording = home.recorder("a", &gate, &format!("{ALL_IN_ONE}{DEAD_LETTERS}"));
    let mut running = home.start(&broker);
    running.wait_for_log("reading 1 partition");
    home.wait_for_status(&mut running, "a", |status| status["counts"]["read"] == 10);
    broker.set_reachable(false);
    home.write("gate", "");
    let status = home.wait_for_status(&mut running, "a", |status| {
        let reason = status["tasks"][0]["reason"].as_str().unwrap_or_default();
        reason.starts_with("dead letters cannot be written to dlq.events: ")
    });
    assert_eq!(status["state"], "STALLED");
    assert_eq!((status["counts"]["dead_lettered"].as_u64(), recording.offsets()), (Some(0), vec![]));
    broker.set_reachable(true);
    running.wait_until("the rest", |_| (recording.offsets() == all_but(&[0])).then_some(()));
    running.wait_for_log("dead letters are written again");
    home.wait_for_status(&mut running, "a", |status| status["counts"]["committed"] == 10);
    let _finished = running.terminate().expect_code(0);
    assert_eq!(origins(&broker.stored("dlq.events")), ["0"]);
}

#[test]
fn too_many_dead_letters_fail_the_task() {
    // Records that were rejected before the sink and by the sink are counted together.
    let broker =
        Broker::with_events(["no JSON", "{}", r#"{"bad":true}"#, "nor this", r#"{"bad":true}"#, "{}"]);
    let home = Home::new(&["misbehaving"]);
    let more = format!("[batch]\nmax_records = 1\n{DEAD_LETTERS}max_rejected = 3\n");
    let recording = home.recorder("a", "reject = true", &more);
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("4 records were rejected within 60 s, more than errors.max_rejected = 3 allows");
    assert_eq!(recording.offsets(), [1]);
    assert_eq!(origins(&broker.stored("dlq.events")), ["0", "2", "3"]);
    assert!(broker.committed("connect-a", "events", 0) <= Some(4));
}

#[test]
fn fatal_errors_fail_the_task_even_with_tolerance_all() {
    let retry = "[errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\ntimeout = \"50ms\"\n";
    for how in ["fatal", "fenced", "panic", "retriable"] {
        for (sink, more) in [
            (format!("how = \"{how}\""), String::new()),
            (String::new(), transform("failing", &format!("how = \"{how}\""))),
        ] {
            let broker = Broker::with_events(events(&[5]));
            let home = Home::new(&["misbehaving"]);
            let recording = home.recorder("a", &sink, &format!("{ALL_IN_ONE}{DEAD_LETTERS}{retry}{more}"));
            let finished = home.run_until_failed(&broker, &[]);
            finished.expect_log("task failed permanently: ");
            assert!(recording.offsets().is_empty(), "{how}");
            assert_eq!(broker.stored("dlq.events"), [], "{how}");
            assert_eq!(broker.committed("connect-a", "events", 0), None, "{how}");
        }
    }
}

#[test]
fn a_retriable_error_of_a_transform_is_retried_in_place() {
    let broker = Broker::with_events(events(&[5]));
    let home = Home::new(&["misbehaving"]);
    let retry = "[errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\n";
    let flaky = transform("failing", "how = \"retriable\"\ntimes = 3");
    let recording = home.recorder("a", "", &format!("{ALL_IN_ONE}{DEAD_LETTERS}{retry}{flaky}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), all_but(&[]));
    finished.expect_log("works again");
}

/// The numbers of the only connector: read, delivered, filtered, rejected, committed, dead-lettered.
fn numbers(table: &str) -> Vec<&str> {
    table.lines().nth(1).expect("a line for the connector").split_whitespace().skip(1).take(6).collect()
}
