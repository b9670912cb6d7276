//! Records that cannot be decoded, unreachable brokers, and missing topics.

use tidegate_tests::{Broker, Home};

const SKIP: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";

fn nested(depth: usize) -> Vec<u8> {
    [vec![b'['; depth], vec![b']'; depth]].concat()
}

fn bad_events() -> Vec<Vec<u8>> {
    let good = br#"{"id":1}"#.to_vec();
    let invalid = [br#"{"name":""#.as_slice(), &[0xff, 0xfe], br#""}"#].concat();
    vec![
        good.clone(),
        b"this is no JSON".to_vec(),
        nested(1000),
        invalid,
        b"{\"id\":".to_vec(),
        Vec::new(),
        good,
    ]
}

#[test]
fn an_undecodable_record_is_reported_by_offset_and_fails_only_its_connector() {
    let broker = Broker::with_events(bad_events());
    let home = Home::new(&["misbehaving"]);
    let strict = home.recorder("strict", "", "");
    let bytes = home.recorder("bytes", "", "[source.properties]\n");
    home.connector(
        "bytes",
        "[source]\ntopics = [\"events\"]\nvalue_format = \"bytes\"\nkey_format = \"bytes\"\n[sink]\nplugin = \"recorder\"\n\
         [sink.config]\npath = \"@bytes.calls\"\n",
    );
    let finished = home.run_once(&broker).expect_code(3);
    let line = finished.expect_log("rejected events-0 offset 1");
    assert!(line.contains("strict[0]") && line.contains("decode") && line.contains("value "), "{line}");
    assert_eq!(bytes.offsets(), [0, 1, 2, 3, 4, 5, 6]);
    assert!(strict.offsets().iter().all(|offset| *offset == 0), "{:?}", strict.offsets());
    let committed = broker.committed("connect-strict", "events", 0).unwrap_or_default();
    assert!(committed <= 1, "{committed}");
}

#[test]
fn an_undecodable_record_is_dropped_with_tolerance_all() {
    let broker = Broker::with_events(bad_events());
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", SKIP);
    let finished = home.run_once(&broker).expect_code(0);
    for (offset, reason) in [(1, "JSON"), (2, "deep"), (3, "UTF-8"), (4, "JSON")] {
        let place = format!("topic=events partition=0 offset={offset}");
        let line = finished.expect_log(&place);
        assert!(line.contains("record skipped: value ") && line.contains(reason), "{line}");
    }
    let offsets = recording.offsets();
    assert_eq!((offsets.first(), offsets.last()), (Some(&0), Some(&6)));
    assert!((1..5).all(|offset| !offsets.contains(&offset)), "{offsets:?}");
    assert_eq!(broker.committed("connect-a", "events", 0), Some(7));
}

#[test]
fn values_are_not_decoded_if_no_plugin_reads_them() {
    let broker = Broker::with_events(["this is no JSON", "{}"]);
    let home = Home::new(&["misbehaving"]);
    let source = "[source]\ntopics = [\"events\"]\n[restart]\npolicy = \"never\"\n";
    let sink = "[sink]\nplugin = \"raw\"\n[sink.config]\npath = ";
    home.connector("raw", &format!("{source}{sink}\"raw.txt\"\n"));
    // With a transform that reads values, they are decoded.
    let looks = "[[transforms]]\nplugin = \"no-op\"\n";
    home.connector("looked-at", &format!("{source}{looks}{sink}\"looked-at.txt\"\n"));
    let finished = home.run_once(&broker).expect_code(3);
    let line = finished.expect_log("rejected events-0 offset 0");
    assert!(line.contains("looked-at[0]") && line.contains("decode"), "{line}");
    let written = std::fs::read_to_string(home.path("raw.txt")).unwrap();
    assert_eq!(written, "this is no JSON\n{}\n");
    assert_eq!(broker.committed("connect-raw", "events", 0), Some(2));
}

#[test]
fn a_record_of_twenty_megabytes_is_read_if_the_limits_allow_it() {
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(20 << 20));
    let broker = Broker::with_events(["{}", large.as_str(), "{}"]);
    let home = Home::new(&["discard-sink"]);
    let connector = |name: &str, more: &str| {
        home.connector(
            name,
            &format!(
                "source.topics = [\"events\"]\nsink.plugin = \"discard\"\nrestart.policy = \"never\"\n{more}"
            ),
        )
    };
    connector("default", "");
    connector("smaller", "batch.max_record_bytes = \"1 MiB\"\n");
    connector("smaller-skips", &format!("batch.max_record_bytes = \"1 MiB\"\n{SKIP}"));
    let finished = home.run_once(&broker).expect_code(3);
    let numbers = |name: &str| -> Vec<&str> {
        let line =
            finished.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a line");
        line.split_whitespace().skip(1).take(5).collect()
    };
    assert_eq!(numbers("default"), ["3", "3", "0", "0", "3"]);
    assert_eq!(numbers("smaller-skips"), ["3", "2", "0", "1", "3"]);
    let line = finished.expect_log("rejected events-0 offset 1");
    assert!(line.contains("smaller[0]") && line.contains("max_record_bytes"), "{line}");
}

#[test]
fn an_unreachable_broker_is_logged_once_and_waited_for() {
    let broker = Broker::with_events(["{}"]);
    broker.set_reachable(false);
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let mut running = home.start(&broker);
    let line = running.wait_for_log(broker.servers());
    assert!(line.contains("a[0]"), "{line}");
    home.wait_for_status(&mut running, "a", |status| status["state"] == "STALLED");
    broker.set_reachable(true);
    running.wait_until("the record", |_| (recording.offsets() == [0]).then_some(()));
    let finished = running.terminate().expect_code(0);
    let noise = finished.stderr.lines().count();
    assert!(noise < 30, "{noise} lines\n{}", finished.stderr);
}

#[test]
fn a_missing_topic_is_reported_by_name_and_waited_for() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    let healthy = home.recorder("healthy", "", "");
    home.connector(
        "early",
        "[source]\ntopics = [\"not-there-yet\"]\n[source.properties]\n\"topic.metadata.refresh.interval.ms\" = 1000\n\
         [sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@early.calls\"\n",
    );
    let early = home.recording("early");
    let mut running = home.start(&broker);
    let line = running.wait_until("a line about the topic", |running| {
        let log = running.log();
        log.lines()
            .find(|line| line.contains("not-there-yet") && !line.contains("Subscribed"))
            .map(str::to_owned)
    });
    assert!(line.contains("early[0]"), "{line}");
    running.wait_until("the healthy connector's record", |_| (healthy.offsets() == [0]).then_some(()));
    broker.topic("not-there-yet", 1);
    broker.send("not-there-yet", ["{}"]);
    running.wait_until("the late topic's record", |_| (early.offsets() == [0]).then_some(()));
    let _finished = running.terminate().expect_code(0);
}
