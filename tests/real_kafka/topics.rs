//! Topics that appear, grow, vanish and come again.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use tidegate_tests::{Home, kafka::Kafka, wait_for};

use crate::support::{PLUGINS, expect_all_once, offsets, recorder};

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn partitions_that_are_added_are_read_from_their_beginning() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "growing";
    kafka.create_topic(topic, 1, 1);
    let home = Home::new(&PLUGINS);
    // What is there before a new group starts at the end is not its own; what a new partition has is.
    kafka.produce_to(topic, 0, numbers(0..10));
    let source = format!("topics = [\"{topic}\"]\nstart = \"latest\"");
    let recording = recorder(&home, "growing", &source, "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log("reading 1 partitions");
    kafka.produce_to(topic, 0, numbers(10..20));
    kafka.add_partitions(topic, 3);
    // Before the host knows of them.
    kafka.produce_to(topic, 1, numbers(0..5));
    kafka.produce_to(topic, 2, numbers(0..5));
    wait_for(|| (recording.written().len() >= 20).then_some(())).expect("all that is new");
    let written = offsets(&recording);
    assert_eq!(written.get(&0).map(Vec::as_slice), Some(&*(10..20).collect::<Vec<i64>>()));
    assert_eq!((&written[&1], &written[&2]), (&(0..5).collect(), &(0..5).collect()));
    host.terminate().expect_code(0);
}

#[test]
fn a_topic_that_appears_is_read_where_a_pattern_takes_it() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("pattern.first", 1, 1);
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "pattern", "topics_regex = '^pattern[.]'", "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log("reading 1 partitions");
    for topic in ["pattern.second", "other.pattern"] {
        kafka.create_topic(topic, 2, 1);
        kafka.produce_to(topic, 1, numbers(0..10));
    }
    wait_for(|| (recording.written().len() >= 10).then_some(())).expect("the records of the new topic");
    kafka.produce_to("pattern.first", 0, numbers(0..1));
    wait_for(|| (recording.written().len() >= 11).then_some(())).expect("the old topic is read still");
    let topics: BTreeSet<String> = recording.written().into_iter().map(|record| record.topic).collect();
    assert_eq!(topics.into_iter().collect::<Vec<_>>(), ["pattern.first", "pattern.second"]);
    host.terminate().expect_code(0);
}

#[test]
fn a_topic_that_is_deleted_is_waited_for_and_read_from_its_beginning_when_it_is_back() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "back";
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "back", &format!("topics = [\"{topic}\"]"), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &recording);
    kafka.delete_topic(topic);
    let says = |status: &Json| {
        let reason = status["tasks"][0]["reason"].as_str();
        reason == Some("topic back does not exist; waiting for it to be created")
    };
    let status = home.wait_for_status(&mut host, "back", says);
    assert_eq!(status["state"], "STALLED");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..10));
    home.wait_for_status(&mut host, "back", |status| status["counts"]["committed"] == 110);
    assert_eq!(offsets(&recording)[&0], (0..100).chain(0..10).collect::<Vec<i64>>());
    host.terminate().expect_code(0);
}

#[test]
fn a_topic_that_was_created_anew_behind_the_hosts_back_is_told() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "behind";
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "behind", &format!("topics = [\"{topic}\"]"), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &recording);
    host.signal("STOP");
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..10));
    host.signal("CONT");
    let line = host
        .wait_for_log("task failed: position 100 of behind-0 is outside the log, which goes from 0 to 10");
    assert!(line.contains("or the topic was created anew; to go on, reset the offsets"), "{line}");
    // Kafka has deleted what the group had committed together with the topic, so it begins anew by itself.
    wait_for(|| (recording.written().len() >= 110).then_some(())).expect("the new topic is read");
    host.terminate().expect_code(0);
}

/// What a run says that stops at a position, and ends with it.
#[track_caller]
fn expect_refusal(kafka: &Kafka, home: &Home, position: &str) {
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log(&format!(
        "task failed: position {position}: records were deleted before they were read"
    ));
    // Its only connector has failed.
    host.terminate().expect_code(3);
}

#[test]
fn a_position_that_the_log_does_not_have_is_told_and_never_skipped() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "positions";
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    // Beyond the end, as the sink has it of a topic that was there before.
    let home = Home::new(&PLUGINS);
    let recording =
        recorder(&home, "sinks", &format!("topics = [\"{topic}\"]"), "offsets = \"@sinks.offsets\"");
    home.write("sinks.offsets", r#"{"positions[0]":[500,1]}"#);
    expect_refusal(kafka, &home, "500 of positions-0 is outside the log, which goes from 0 to 100");
    // Beyond the end, as the group has committed it.
    kafka.set_committed("connect-groups", topic, 0, 400);
    let home = Home::new(&PLUGINS);
    let groups = recorder(&home, "groups", &format!("topics = [\"{topic}\"]"), "");
    expect_refusal(kafka, &home, "400 of positions-0 is outside the log, which goes from 0 to 100");
    // Before the beginning.
    kafka.delete_records(topic, 0, 50);
    kafka.set_committed("connect-groups", topic, 0, 20);
    expect_refusal(kafka, &home, "20 of positions-0 is outside the log, which goes from 50 to 100");
    assert_eq!((recording.written().len(), groups.written().len()), (0, 0));
    assert_eq!(kafka.committed("connect-groups", topic), [(0, 20)].into());
    // Somebody has looked, and says where to go on.
    kafka.set_committed("connect-groups", topic, 0, 50);
    let host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &groups);
    host.terminate().expect_code(0);
}
