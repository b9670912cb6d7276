//! Several tasks and several hosts in one group.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use tidegate_tests::{Broker, Home, Ledger, Running, SinkFaults, wait_for};

const PARTITIONS: i32 = 4;

/// Partition and offset of every line of the shared file.
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
fn nothing_is_lost_or_duplicated_while_hosts_join_and_leave() {
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
    // Wait for the assignment: a commit during a rebalance is rejected, and its records are read again.
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

#[test]
fn tasks_of_a_connector_join_their_group_together() {
    for isolation in ["thread", "process"] {
        let broker = Broker::start();
        broker.topic("events", PARTITIONS as u32);
        send(&broker, 400);
        let home = Home::new(&["misbehaving"]);
        let more = format!("[defaults]\ntasks = 2\nisolation = \"{isolation}\"\n");
        home.write("tidegate.toml", more);
        let recording = home.recorder("a", "open_gate = \"@gate\"", "");
        let mut running = home.start(&broker);
        running.wait_until("the first task", |_| (recording.names() == ["open"]).then_some(()));
        // Long enough for the first task to join, if it did not wait for the second one.
        thread::sleep(Duration::from_millis(500));
        assert!(!running.log().contains("Subscribed to topics"), "{isolation}: {}", running.log());
        home.write("gate", "");
        home.wait_for_status(&mut running, "a", |status| {
            let tasks = status["tasks"].as_array().expect("the tasks");
            tasks.iter().all(|task| task["counts"]["partitions"] == 2)
        });
        running.wait_until("all records", |_| (recording.offsets().len() >= 400).then_some(()));
        let _finished = running.terminate().expect_code(0);
    }
}

/// A connector that writes into the ledger of `shared`. Each host has its own faults.
fn exact(home: &Home, shared: &Home) -> Ledger {
    let database = shared.path("exact.db");
    home.connector(
        "exact",
        &format!(
            "[source]\ntopics = [\"events\"]\n[source.properties]\n\"session.timeout.ms\" = 6000\n[sink]\n\
             plugin = \"ledger-exact\"\n[sink.config]\npath = \"{}\"\nfail_file = \"@faults\"\n\
             [restart]\ninitial = \"10ms\"\nmax = \"1s\"\n",
            database.display()
        ),
    );
    Ledger::of(database)
}

#[test]
fn a_zombie_that_resumes_during_a_write_is_fenced_and_recovers() {
    let broker = Broker::with_events(["{}"]);
    let shared = Home::new(&[]);
    let (slow, quick) = (Home::new(&["ledger"]), Home::new(&["ledger"]));
    let ledger = exact(&slow, &shared);
    exact(&quick, &shared);
    let mut zombie = slow.start(&broker);
    zombie.wait_until("the first record", |_| (ledger.offsets() == [0]).then_some(()));
    let (faults, hanging) = (slow.path("faults"), slow.path("faults.hanging"));
    SinkFaults { hang: true, ..SinkFaults::default() }.write_to(&faults);
    broker.send("events", ["{}", "{}"]);
    zombie.wait_until("a write that hangs", |_| hanging.exists().then_some(()));
    zombie.signal("STOP");

    let mut successor = quick.start(&broker);
    successor.wait_until("the records in other hands", |_| (ledger.offsets() == [0, 1, 2]).then_some(()));
    let pids: Vec<u32> = ledger.entries().iter().map(|entry| entry.pid).collect();
    assert!(pids[0] != pids[1] && pids[1] == pids[2], "{pids:?}");

    SinkFaults::default().write_to(&faults);
    zombie.signal("CONT");
    zombie.wait_for_log("events[0] was claimed by another task: epoch 1 is fenced by epoch 2");
    broker.send("events", ["{}"]);
    successor.wait_until("another record", |_| (ledger.offsets() == [0, 1, 2, 3]).then_some(()));
    let _finished = successor.terminate().expect_code(0);
    broker.send("events", ["{}"]);
    wait_for(|| (ledger.offsets() == [0, 1, 2, 3, 4]).then_some(()))
        .expect("the record, by who was a zombie");
    let _finished = zombie.terminate().expect_code(0);
    assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4]);
    assert_eq!(broker.committed("connect-exact", "events", 0), Some(5));
}
