//! Topics that are created, get partitions, are deleted and recreated.

use std::{collections::BTreeSet, thread, time::Duration};

use serde_json::Value as Json;
use tidegate_tests::{Home, kafka::Kafka, wait_for};

use crate::support::{PLUGINS, PROTOCOLS, expect_all_once, follower, numbers, offsets, recorder};

#[test]
fn added_partitions_are_read_from_their_beginning() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| read_added_partitions(kafka, protocol));
}

fn read_added_partitions(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("growing.{protocol}");
    kafka.create_topic(topic, 1, 1);
    let home = Home::new(&PLUGINS);
    // With `start = "latest"`, existing records are skipped, but new partitions are read from their beginning.
    kafka.produce_to(topic, 0, numbers(0..10));
    let source = format!("topics = [\"{topic}\"]\nstart = \"latest\"\ngroup_protocol = \"{protocol}\"");
    let recording = recorder(&home, topic, &source, "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log("reading 1 partition");
    kafka.produce_to(topic, 0, numbers(10..20));
    kafka.add_partitions(topic, 3);
    // Before the host has refreshed its metadata.
    kafka.produce_to(topic, 1, numbers(0..5));
    kafka.produce_to(topic, 2, numbers(0..5));
    wait_for(|| (recording.written().len() >= 20).then_some(())).expect("all that is new");
    let written = offsets(&recording);
    assert_eq!(written.get(&0).map(Vec::as_slice), Some(&*(10..20).collect::<Vec<i64>>()));
    assert_eq!((&written[&1], &written[&2]), (&(0..5).collect(), &(0..5).collect()));
    host.terminate().expect_code(0);
}

#[test]
fn a_new_topic_that_matches_the_pattern_is_read() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| read_new_topic(kafka, protocol));
}

fn read_new_topic(kafka: &Kafka, protocol: &str) {
    let [first, second, other] =
        ["pattern.first", "pattern.second", "other.pattern"].map(|name| format!("{protocol}.{name}"));
    kafka.create_topic(&first, 1, 1);
    let home = Home::new(&PLUGINS);
    let source = format!("topics_regex = '^{protocol}[.]pattern[.]'\ngroup_protocol = \"{protocol}\"");
    let recording = recorder(&home, protocol, &source, "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log("reading 1 partition");
    for topic in [&second, &other] {
        kafka.create_topic(topic, 2, 1);
        kafka.produce_to(topic, 1, numbers(0..10));
    }
    wait_for(|| (recording.written().len() >= 10).then_some(())).expect("the records of the new topic");
    kafka.produce_to(&first, 0, numbers(0..1));
    wait_for(|| (recording.written().len() >= 11).then_some(())).expect("the old topic is read still");
    let topics: BTreeSet<String> = recording.written().into_iter().map(|record| record.topic).collect();
    assert_eq!(topics.into_iter().collect::<Vec<_>>(), [first, second]);
    host.terminate().expect_code(0);
}

/// Topics that match are created, deleted and recreated, with every group protocol.
#[test]
fn a_pattern_follows_created_and_deleted_topics_and_skips_internal_ones() {
    let Some(kafka) = Kafka::shared() else { return };
    for protocol in ["cooperative-sticky", "range", "consumer"] {
        let [first, second, heartbeat, own] = [
            format!("{protocol}.a1"),
            format!("{protocol}.b2"),
            format!("__{protocol}.x1"),
            format!("{protocol}.A"),
        ];
        [&first, &heartbeat, &own].iter().for_each(|topic| kafka.create_topic(topic, 1, 1));
        [&first, &heartbeat, &own].iter().for_each(|topic| kafka.produce_to(topic, 0, numbers(0..10)));
        let home = Home::new(&PLUGINS);
        // Syntax that POSIX expressions do not have, and an anchor at the end.
        let source = format!(
            "topics_regex = '^.*?{protocol}[.][a-z]\\d$|^__consumer_offsets$'\ngroup_protocol = \"{protocol}\"\n\
             group_instance_id = \"here\"",
        );
        let recording = follower(&home, protocol, &source);
        let topics =
            || -> BTreeSet<String> { recording.written().into_iter().map(|record| record.topic).collect() };
        let mut host = home.start_on(&kafka.servers(), &[]);
        host.wait_until("the first topic", |_| (recording.written().len() == 10).then_some(()));
        let warning = host.wait_for_log("topics that begin with __ are not read through topics_regex");
        assert!(warning.contains(&heartbeat) && !warning.contains("__consumer_offsets"), "{warning}");
        kafka.create_topic(&second, 2, 1);
        kafka.produce_to(&second, 1, numbers(0..10));
        host.wait_until("the second topic", |_| (recording.written().len() == 20).then_some(()));
        kafka.delete_topic(&second);
        let gone = host.wait_for_log("topics are no longer read");
        assert!(gone.contains(&second), "{gone}");
        kafka.produce_to(&first, 0, numbers(10..20));
        host.wait_until("the first topic still", |_| (recording.written().len() == 30).then_some(()));
        kafka.create_topic(&second, 1, 1);
        kafka.produce_to(&second, 0, numbers(0..5));
        host.wait_until("the second topic again", |_| (recording.written().len() == 35).then_some(()));
        assert_eq!(topics(), BTreeSet::from([first.clone(), second]));
        let status = home.status();
        assert_eq!(status["connectors"][0]["state"], "RUNNING");
        let finished = host.terminate().expect_code(0);
        assert_eq!(finished.count_log("task failed"), 0, "{}", finished.stderr);
        // No record of the first topic was read twice.
        let of_first = recording.written().into_iter().filter(|record| record.topic == first);
        assert_eq!(of_first.map(|record| record.offset).collect::<Vec<_>>(), (0..20).collect::<Vec<i64>>());
        // `--once` ends.
        home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    }
}

#[test]
fn once_ends_on_a_compacted_topic() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "compacted";
    let soon = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("segment.ms", "100")];
    kafka.create_topic_with(topic, 1, &soon);
    let gone = (0..10).map(|_| (Some("\"gone\""), Some("2")));
    kafka.produce(topic, [(Some("\"kept\""), Some("1"))].into_iter().chain(gone));
    // A segment is compacted after a later record has started the next one.
    thread::sleep(Duration::from_millis(200));
    kafka.produce(topic, [(Some("\"gone\""), None)]);
    let offsets = || kafka.records(topic).iter().map(|record| record.offset).collect::<Vec<_>>();
    wait_for(|| (offsets() == [0, 10, 11]).then_some(()))
        .expect("compaction within the patience of the tests");
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "compacted", "topics_regex = '^compacted$'", "");
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(recording.written().iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 10, 11]);
}

#[test]
fn a_missing_topic_is_reported_with_every_group_protocol() {
    let Some(kafka) = Kafka::shared() else { return };
    for protocol in ["cooperative-sticky", "range", "consumer"] {
        let there = format!("named.{protocol}");
        kafka.create_topic(&there, 1, 1);
        kafka.produce_to(&there, 0, numbers(0..10));
        let home = Home::new(&PLUGINS);
        let missing = format!("mistyped.{protocol}");
        let source = format!("topics = [\"{there}\", \"{missing}\"]\ngroup_protocol = \"{protocol}\"");
        let recording = follower(&home, protocol, &source);
        let mut host = home.start_on(&kafka.servers(), &[]);
        host.wait_until("the topic that is there", |_| (recording.written().len() == 10).then_some(()));
        let warning = host.wait_for_log("topic does not exist; waiting for it to be created");
        assert!(warning.contains(&missing), "{warning}");
        kafka.create_topic(&missing, 1, 1);
        kafka.produce_to(&missing, 0, numbers(0..10));
        host.wait_until("the other topic", |_| (recording.written().len() == 20).then_some(()));
        host.terminate().expect_code(0);
    }
}

#[test]
fn a_deleted_topic_is_waited_for_and_read_from_its_beginning_once_it_is_recreated() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| wait_for_deleted_topic(kafka, protocol));
}

fn wait_for_deleted_topic(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("back.{protocol}");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    let home = Home::new(&PLUGINS);
    let recording =
        recorder(&home, topic, &format!("topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\""), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &recording);
    kafka.delete_topic(topic);
    let says = |status: &Json| {
        let reason = status["tasks"][0]["reason"].as_str();
        reason == Some(&*format!("topic {topic} does not exist; waiting for it to be created"))
    };
    let status = home.wait_for_status(&mut host, topic, says);
    assert_eq!(status["state"], "STALLED");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..10));
    home.wait_for_status(&mut host, topic, |status| status["counts"]["committed"] == 110);
    assert_eq!(offsets(&recording)[&0], (0..100).chain(0..10).collect::<Vec<i64>>());
    host.terminate().expect_code(0);
}

#[test]
fn a_topic_that_was_recreated_unnoticed_is_read_from_its_beginning() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| read_recreated_topic(kafka, protocol));
}

fn read_recreated_topic(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("behind.{protocol}");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    let home = Home::new(&PLUGINS);
    let recording =
        recorder(&home, topic, &format!("topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\""), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &recording);
    // A commit that reaches the broker after the topic was created again would be a position in the new topic.
    home.wait_for_status(&mut host, topic, |status| status["counts"]["committed"] == 100);
    host.signal("STOP");
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..10));
    host.signal("CONT");
    // Either the host has noticed that the topic was deleted, or its position is outside the log. Kafka has deleted the
    // committed offset with the topic, so the host starts at the beginning.
    host.wait_until("the new records", |_| (recording.written().len() >= 110).then_some(()));
    assert_eq!(offsets(&recording)[&0], (0..100).chain(0..10).collect::<Vec<i64>>());
    host.terminate().expect_code(0);
}

#[test]
fn records_deleted_before_they_were_read_fail_a_running_task() {
    let Some(kafka) = Kafka::shared() else { return };
    PROTOCOLS.iter().for_each(|protocol| fail_at_deleted_records(kafka, protocol));
}

fn fail_at_deleted_records(kafka: &Kafka, protocol: &str) {
    let topic = &*format!("trimmed.{protocol}");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    let home = Home::new(&PLUGINS);
    let recording =
        recorder(&home, topic, &format!("topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\""), "");
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &recording);
    let _output = home.run(&["pause", topic]).expect_code(0);
    home.wait_for_status(&mut host, topic, |status| status["state"] == "PAUSED");
    kafka.produce_to(topic, 0, numbers(100..200));
    kafka.delete_records(topic, 0, 150);
    let _output = home.run(&["resume", topic]).expect_code(0);
    host.wait_for_log(&format!(
        "task failed: position 100 of {topic}-0 is outside the log, which goes from 150 to 200: records were deleted",
    ));
    assert_eq!(recording.written().len(), 100);
    // The only connector has failed.
    host.terminate().expect_code(3);
}

/// Checks that the task fails at a position.
#[track_caller]
fn expect_refusal(kafka: &Kafka, home: &Home, position: &str) {
    let mut host = home.start_on(&kafka.servers(), &[]);
    host.wait_for_log(&format!(
        "task failed: position {position}: records were deleted before they were read"
    ));
    // The only connector has failed.
    host.terminate().expect_code(3);
}

#[test]
fn a_position_outside_the_log_fails_the_task_and_skips_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "positions";
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..100));
    // A position of the sink beyond the end.
    let home = Home::new(&PLUGINS);
    let recording =
        recorder(&home, "sinks", &format!("topics = [\"{topic}\"]"), "offsets = \"@sinks.offsets\"");
    home.write("sinks.offsets", r#"{"positions[0]":[500,1]}"#);
    expect_refusal(kafka, &home, "500 of positions-0 is outside the log, which goes from 0 to 100");
    // A committed offset beyond the end.
    kafka.set_committed("connect-groups", topic, 0, 400);
    let home = Home::new(&PLUGINS);
    let groups = recorder(&home, "groups", &format!("topics = [\"{topic}\"]"), "");
    expect_refusal(kafka, &home, "400 of positions-0 is outside the log, which goes from 0 to 100");
    // A committed offset before the beginning.
    kafka.delete_records(topic, 0, 50);
    kafka.set_committed("connect-groups", topic, 0, 20);
    expect_refusal(kafka, &home, "20 of positions-0 is outside the log, which goes from 50 to 100");
    assert_eq!((recording.written().len(), groups.written().len()), (0, 0));
    assert_eq!(kafka.committed("connect-groups", topic), [(0, 20)].into());
    // After the offset was reset, the connector continues.
    kafka.set_committed("connect-groups", topic, 0, 50);
    let host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, &groups);
    host.terminate().expect_code(0);
}
