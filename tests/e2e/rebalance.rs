//! Several tasks and several hosts in one group.

use std::{collections::BTreeMap, fs};

use tidegate_tests::{Broker, Home, Running};

const PARTITIONS: i32 = 4;

/// Every line of the shared file: partition and offset.
fn lines(shared: &Home) -> Vec<(i64, i64)> {
    let text = fs::read_to_string(shared.path("out/events.jsonl")).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let place = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        (record["partition"].as_i64().expect("a partition"), record["offset"].as_i64().expect("an offset"))
    };
    complete.lines().map(place).collect()
}

fn send(broker: &Broker, count: i32) {
    broker.produce(
        (0..count).map(|index| ("events", index % PARTITIONS, None, Some(format!(r#"{{"id":{index}}}"#)))),
    );
}

fn partitions(home: &Home, running: &mut Running, wanted: u64) {
    home.wait_for_status(running, "archive", |status| {
        status["state"] == "RUNNING" && status["counts"]["partitions"] == wanted
    });
}

#[test]
fn nothing_is_lost_or_written_twice_while_hosts_come_and_go() {
    let broker = Broker::start();
    broker.topic("events", PARTITIONS as u32);
    let shared = Home::new(&[]);
    let hosts: [Home; 2] = std::array::from_fn(|_| {
        let home = Home::new(&["file-sink"]);
        let path = shared.path("out/{topic}.jsonl");
        home.connector(
            "archive",
            &format!(
                "tasks = 2\n[source]\ntopics = [\"events\"]\n[source.properties]\n\"session.timeout.ms\" = 10000\n[sink]\n\
                 plugin = \"file\"\n[sink.config]\npath = \"{}\"\nstyle = \"record\"\n[batch]\nmax_wait = \"20ms\"\n",
                path.display()
            ),
        );
        home
    });
    send(&broker, 400);
    let mut first = hosts[0].start(&broker);
    partitions(&hosts[0], &mut first, 4);
    send(&broker, 400);
    let mut second = hosts[1].start(&broker);
    // Both have their share: a commit in the middle of a rebalance is refused, and its records are read again.
    partitions(&hosts[1], &mut second, 2);
    partitions(&hosts[0], &mut first, 2);
    send(&broker, 400);
    let _finished = first.terminate().expect_code(0);
    send(&broker, 400);
    partitions(&hosts[1], &mut second, 4);
    second.wait_until("all records", |_| (lines(&shared).len() >= 1600).then_some(()));
    let _finished = second.terminate().expect_code(0);

    let mut offsets: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (partition, offset) in lines(&shared) {
        offsets.entry(partition).or_default().push(offset);
    }
    assert_eq!(offsets.len(), PARTITIONS as usize);
    for (partition, offsets) in offsets {
        assert_eq!(offsets, (0..400).collect::<Vec<_>>(), "partition {partition}");
        assert_eq!(broker.committed("connect-archive", "events", partition as i32), Some(400));
    }
}
