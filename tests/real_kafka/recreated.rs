//! Topics that are deleted and created again: offsets belong to the topic with the id that they are stored with.

use tidegate_tests::{Home, Recording, Running, kafka::Kafka};

use crate::support::{PLUGINS, count_lines, expect_all_once, follower, numbers, offsets, recorder};

/// Records of the topic before, and of the one that is created again: more, so that the old position is inside the log.
const BEFORE: u32 = 100;
const AFTER: u32 = 150;

/// Creates the topic and lets a connector read it.
fn read_first(kafka: &Kafka, topic: &str, partitions: i32, home: &Home, recording: &Recording) -> Running {
    create(kafka, topic, partitions, BEFORE);
    let mut host = home.start_on(&kafka.servers(), &[]);
    expect_all_once(kafka, topic, recording);
    let committed = i64::from(BEFORE) * i64::from(partitions);
    home.wait_for_status(&mut host, topic, |status| status["counts"]["committed"] == committed);
    host
}

fn create(kafka: &Kafka, topic: &str, partitions: i32, records: u32) {
    kafka.create_topic(topic, partitions, 1);
    for partition in 0..partitions {
        kafka.produce_to(topic, partition, numbers(0..records));
    }
}

fn recreate(kafka: &Kafka, topic: &str, partitions: i32) {
    kafka.delete_topic(topic);
    create(kafka, topic, partitions, AFTER);
}

/// Offsets of all records of the topic before, followed by those of the new one.
fn both() -> Vec<i64> {
    (0..i64::from(BEFORE)).chain(0..i64::from(AFTER)).collect()
}

/// A connector that reads from the beginning when positions are lost.
fn source(topic: &str, protocol: &str) -> String {
    format!("topics = [\"{topic}\"]\ngroup_protocol = \"{protocol}\"\non_lost_position = \"earliest\"")
}

#[test]
fn a_longer_topic_is_noticed_by_a_host_that_was_suspended_with_every_group_protocol() {
    let Some(kafka) = Kafka::shared() else { return };
    for protocol in ["cooperative-sticky", "range", "consumer"] {
        let topic = format!("suspended.{protocol}");
        let home = Home::new(&PLUGINS);
        let recording = follower(&home, &topic, &source(&topic, protocol));
        let mut host = read_first(kafka, &topic, 1, &home, &recording);
        host.signal("STOP");
        recreate(kafka, &topic, 1);
        host.signal("CONT");
        host.wait_until("the new records", |_| (recording.written().len() >= both().len()).then_some(()));
        let all = i64::from(BEFORE + AFTER);
        home.wait_for_status(&mut host, &topic, |status| status["counts"]["committed"] == all);
        assert_eq!(offsets(&recording)[&0], both(), "{protocol}: each record once");
        host.terminate().expect_code(0);
    }
}

#[test]
fn a_longer_topic_with_fewer_partitions_is_noticed_by_a_paused_connector() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "paused.anew";
    let home = Home::new(&PLUGINS);
    let recording = follower(&home, topic, &source(topic, "cooperative-sticky"));
    let mut host = read_first(kafka, topic, 3, &home, &recording);
    home.run(&["pause", topic]).expect_code(0);
    home.wait_for_status(&mut host, topic, |status| status["state"] == "PAUSED");
    recreate(kafka, topic, 1);
    home.run(&["resume", topic]).expect_code(0);
    let expected = both().len() + 2 * BEFORE as usize;
    host.wait_until("the new records", |_| (recording.written().len() >= expected).then_some(()));
    assert_eq!(offsets(&recording)[&0], both(), "each record once");
    host.terminate().expect_code(0);
}

#[test]
fn by_default_nothing_of_a_recreated_topic_is_skipped() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "failing.anew";
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, topic, &format!("topics = [\"{topic}\"]"), "");
    let mut host = read_first(kafka, topic, 1, &home, &recording);
    host.signal("STOP");
    recreate(kafka, topic, 1);
    host.signal("CONT");
    // Either the task fails because of the topic's id, or it has seen that the topic was gone for a moment. Kafka has deleted the
    // committed offset with the topic, so the task starts at the beginning.
    host.wait_until("the new records", |_| (recording.written().len() >= both().len()).then_some(()));
    assert_eq!(offsets(&recording)[&0], both());
    host.terminate().expect_code(0);
}

#[test]
fn offsets_that_a_sink_stores_belong_to_the_topic_as_it_was() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "stored.anew";
    let home = Home::new(&PLUGINS);
    let connector = |more: &str| {
        home.connector(
            "stored",
            &format!(
                "[source]\ntopics = [\"{topic}\"]\n{more}\n[sink]\nplugin = \"file\"\n[sink.config]\nstyle = \"value\"\n\
                 path = \"@out/all.jsonl\"\n[restart]\npolicy = \"never\"\n"
            ),
        );
    };
    let lines = || count_lines(&home, "out/all.jsonl");
    create(kafka, topic, 1, BEFORE);
    connector("");
    home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert_eq!(lines(), BEFORE as usize);
    recreate(kafka, topic, 1);
    let refused = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(3);
    assert!(refused.stderr.contains("topic stored.anew was deleted and created again"), "{}", refused.stderr);
    assert_eq!(lines(), BEFORE as usize, "nothing is skipped or read twice");
    connector("on_lost_position = \"earliest\"");
    let done = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert!(
        done.stderr.contains("position lost; reading continues according to source.on_lost_position"),
        "{}",
        done.stderr
    );
    assert_eq!(lines(), (BEFORE + AFTER) as usize);
    let again = home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0);
    assert!(!again.stderr.contains("position lost"), "{}", again.stderr);
    assert_eq!(lines(), (BEFORE + AFTER) as usize);
}
