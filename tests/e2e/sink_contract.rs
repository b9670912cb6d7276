//! The sink contract: positions, epochs, claims, order.

use tidegate_tests::{Broker, Home};

fn numbered(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|id| format!(r#"{{"id":{id}}}"#))
}

#[test]
fn positions_include_filtered_records() {
    let broker = Broker::with_events(numbered(10));
    let home = Home::new(&["basics", "misbehaving"]);
    let filter = "[[transforms]]\nplugin = \"filter\"\n[[transforms.config.conditions]]\nfield = \"id\"\nmaximum = 3\n";
    let recording = home.recorder("a", "offsets = \"@offsets\"", filter);
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0, 1, 2, 3]);
    let last = recording.writes().pop().expect("a write").positions;
    assert_eq!(
        last.iter().map(|at| (at.topic.as_str(), at.partition, at.next)).collect::<Vec<_>>(),
        [("events", 0, 10)]
    );
    assert_eq!(broker.committed("connect-a", "events", 0), Some(10));
}

#[test]
fn a_sink_with_offsets_decides_where_to_start() {
    let broker = Broker::with_events(numbered(5));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "offsets = \"@offsets\"", "");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0, 1, 2, 3, 4]);
    assert!(recording.writes().iter().all(|write| write.positions[0].epoch == 1));

    // The sink's offset wins over a lower and over a higher committed offset.
    for committed in [0, 5] {
        broker.set_committed("connect-a", &["events"], committed);
        broker.send("events", [r#"{"id":"more"}"#]);
        let _finished = home.run_once(&broker).expect_code(0);
    }
    assert_eq!(recording.offsets(), [0, 1, 2, 3, 4, 5, 6]);
    let last = recording.writes().pop().expect("a write");
    assert_eq!((last.positions[0].next, last.positions[0].epoch), (7, 3));
}

#[test]
fn a_sink_without_offsets_starts_at_the_committed_offsets() {
    let broker = Broker::with_events(numbered(4));
    broker.set_committed("connect-a", &["events"], 3);
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [3]);
}

#[test]
fn calls_are_in_order_and_so_are_the_records_of_a_partition() {
    let broker = Broker::start();
    broker.topic("events", 3);
    let values: Vec<String> = numbered(300).collect();
    broker.produce(
        values.iter().enumerate().map(|(index, value)| ("events", index as i32 % 3, None, Some(value))),
    );
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "[batch]\nmax_records = 7\n");
    let _finished = home.run_once(&broker).expect_code(0);

    let names = recording.names();
    assert_eq!(names[..2], ["open", "claim"]);
    assert_eq!(names.last().map(String::as_str), Some("close"));
    let mut claimed: Vec<String> = recording
        .calls()
        .into_iter()
        .filter(|call| call.call == "claim")
        .flat_map(|call| call.partitions)
        .collect();
    claimed.sort();
    assert_eq!(claimed, ["events[0]", "events[1]", "events[2]"]);
    for write in recording.writes() {
        assert!(write.records.len() <= 7, "{}", write.records.len());
        let indexes: Vec<u32> = write.records.iter().map(|record| record.index).collect();
        assert_eq!(indexes, (0..write.records.len() as u32).collect::<Vec<_>>());
    }
    for partition in 0..3 {
        let written = recording.written();
        let offsets =
            written.iter().filter(|record| record.partition == partition).map(|record| record.offset);
        assert_eq!(offsets.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }
}
