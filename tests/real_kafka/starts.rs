//! Where reading starts, and what the log says about it.

use rdkafka::producer::Producer as _;
use tidegate_tests::{
    Home, TIMEOUT,
    kafka::{Kafka, flush, send},
};

use crate::support::{PLUGINS, count_lines, follower, numbers, offsets};

#[test]
fn a_position_behind_an_open_transaction_is_inside_the_log() {
    let Some(kafka) = Kafka::shared() else { return };
    for policy in ["fail", "earliest", "latest"] {
        let (topic, name) = (format!("open.{policy}"), format!("open-{policy}"));
        kafka.create_topic(&topic, 1, 1);
        kafka.produce_to(&topic, 0, numbers(0..20));
        let producer = kafka.producer(&[("transactional.id", &topic)]);
        producer.init_transactions(TIMEOUT).expect("a coordinator");
        producer.begin_transaction().expect("a transaction");
        send(&producer, &topic, Some(0), None, Some("20"));
        flush(&producer);
        kafka.produce_to(&topic, 0, numbers(21..23));
        // As committed by a consumer that also reads uncommitted records, which is Kafka Connect's default.
        kafka.set_committed(&format!("connect-{name}"), &topic, 0, 23);
        let home = Home::new(&PLUGINS);
        let source = format!("topics = [\"{topic}\"]\non_lost_position = \"{policy}\"");
        let recording = follower(&home, &name, &source);
        let mut host = home.start_on(&kafka.servers(), &[]);
        host.wait_for_log(&format!("reading 1 partition: {topic}-0 at 23 (committed offset)"));
        kafka.produce_to(&topic, 0, numbers(23..24));
        producer.commit_transaction(TIMEOUT).expect("the end of the transaction");
        host.wait_until("the record behind", |_| (!recording.written().is_empty()).then_some(()));
        let finished = host.terminate().expect_code(0);
        assert_eq!(offsets(&recording)[&0], [23], "{policy}");
        assert!(!finished.stderr.contains("position lost"), "{}", finished.stderr);
    }
}

#[test]
fn a_group_whose_offsets_are_gone_starts_as_a_new_one_and_a_partition_at_its_beginning() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, group) = ("forgotten", "connect-forgotten");
    kafka.create_topic(topic, 2, 1);
    let home = Home::new(&PLUGINS);
    let source = format!("topics = [\"{topic}\"]\nstart = \"latest\"");
    let recording = follower(&home, topic, &source);
    let run = || home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0).stderr;
    for partition in 0..2 {
        kafka.produce_to(topic, partition, numbers(0..50));
    }
    let new = "(no committed offset of the topic, start = \"latest\")";
    let log = run();
    assert!(log.contains("forgotten-0 at 50") && log.contains(new), "{log}");
    kafka.produce_to(topic, 0, numbers(50..55));
    let log = run();
    assert!(log.contains("forgotten-0 at 50, forgotten-1 at 50 (committed offset)"), "{log}");
    kafka.delete_group(group);
    let log = run();
    assert!(log.contains("forgotten-0 at 55") && log.contains(new), "{log}");
    // As if the offset of partition 1 alone had expired.
    kafka.delete_group(group);
    kafka.set_committed(group, topic, 0, 55);
    let log = run();
    assert!(log.contains("forgotten-0 at 55 (committed offset)"), "{log}");
    assert!(
        log.contains("forgotten-1 at its beginning (no committed offset, while other partitions have one"),
        "{log}"
    );
    let written = offsets(&recording);
    assert_eq!((&written[&0], &written[&1]), (&(50..55).collect(), &(0..50).collect()));
}

#[test]
fn a_group_that_was_reset_is_reported_where_the_sink_stores_offsets() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, group) = ("own", "connect-own");
    kafka.create_topic(topic, 1, 1);
    kafka.produce_to(topic, 0, numbers(0..10));
    let home = Home::new(&PLUGINS);
    home.connector(
        "own",
        &format!(
            "[source]\ntopics = [\"{topic}\"]\n[sink]\nplugin = \"file\"\nconfig.path = \"@out/all.jsonl\"\n\
             config.style = \"value\"\n"
        ),
    );
    let run = || home.start_on(&kafka.servers(), &["--once"]).finish().expect_code(0).stderr;
    let warning = "the group's committed offset differs from the one that the sink stores";
    let log = run();
    assert!(!log.contains(warning), "{log}");
    let log = run();
    assert!(!log.contains(warning) && log.contains("own-0 at 10 (stored by the sink)"), "{log}");
    kafka.set_committed(group, topic, 0, 4);
    let log = run();
    assert!(log.contains(warning) && log.contains("own-0: stored=10 committed=4"), "{log}");
    // The sink's offset was committed, so there is nothing to report any more.
    let log = run();
    assert!(!log.contains(warning), "{log}");
    kafka.delete_group(group);
    let log = run();
    assert!(log.contains(warning) && log.contains("own-0: stored=10 committed=none"), "{log}");
    assert_eq!(count_lines(&home, "out/all.jsonl"), 10);
}
