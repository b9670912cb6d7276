//! Partitions whose leader dies or moves.

use tidegate_tests::{
    Home, Running,
    kafka::{Kafka, Options},
    wait_for,
};

use crate::support::{PLUGINS, Stream, expect_all_once, recorder};

#[test]
fn nothing_is_lost_or_duplicated_when_leaders_die_and_move() {
    let Some(kafka) = Kafka::start(&Options { brokers: 3, ..Options::default() }) else { return };
    kafka.create_topic("stream", 3, 3);
    let home = Home::new(&PLUGINS);
    let recording = recorder(&home, "stream", "topics = [\"stream\"]", "offsets = \"@stream.offsets\"");
    let mut host = home.start_on(&kafka.servers(), &[]);
    let stream = Stream::start(&kafka, "stream");
    // Waits for records of every partition.
    let more = |host: &mut Running| {
        let count =
            |partition| recording.written().iter().filter(|record| record.partition == partition).count();
        let enough = [0, 1, 2].map(|partition| count(partition) + 100);
        host.wait_until("more records of every partition", |_| {
            (0..3).all(|partition| count(partition) >= enough[partition as usize]).then_some(())
        });
    };
    more(&mut host);
    let dying = kafka.leader("stream", 0).expect("a leader");
    kafka.kill_broker(dying);
    let another = || kafka.leader("stream", 0).filter(|leader| *leader != dying);
    wait_for(another).expect("another leader");
    more(&mut host);
    kafka.start_broker(dying);
    let heir = kafka.leader("stream", 1).expect("a leader");
    kafka.move_leader("stream", 1, heir % 3 + 1);
    more(&mut host);
    // A rolling restart, as in an upgrade.
    for broker in 1..=3 {
        kafka.stop_broker(broker);
        kafka.start_broker(broker);
    }
    more(&mut host);
    stream.finish();
    expect_all_once(&kafka, "stream", &recording);
    let finished = host.terminate().expect_code(0);
    assert_eq!(finished.count_log("task failed"), 0, "{}", finished.stderr);
}
