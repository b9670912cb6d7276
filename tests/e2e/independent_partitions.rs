//! A partition that cannot be written while others can, and positions that are not in the log any more.

use std::{collections::BTreeMap, fs};

use tidegate_tests::{Broker, Home, Running};

const RETRY: &str = "[errors.retry]\ninitial = \"50ms\"\nmax = \"100ms\"\n[restart]\npolicy = \"never\"\n";

fn connector(home: &Home, source: &str, sink: &str) {
    home.connector(
        "a",
        &format!(
            "[source]\ntopics = [\"events\"]\n{source}\n[batch]\nmax_records = 7\nmax_wait = \"20ms\"\n\
             [sink]\nplugin = \"independent\"\n[sink.config]\npath = \"@written\"\nbroken = \"@broken\"\n{sink}\n{RETRY}"
        ),
    );
}

fn send(broker: &Broker, count: i32) {
    broker.produce((0..count).map(|index| ("events", index % 4, None, Some(format!(r#"{{"id":{index}}}"#)))));
}

/// Written offsets by partition, in order.
fn written(home: &Home) -> BTreeMap<i32, Vec<i64>> {
    let mut offsets = BTreeMap::<i32, Vec<i64>>::new();
    for line in fs::read_to_string(home.path("written")).unwrap_or_default().lines() {
        let (partition, offset) = line.split_once(' ').expect("two numbers");
        let partition = partition.parse().expect("a partition");
        offsets.entry(partition).or_default().push(offset.parse().expect("an offset"));
    }
    offsets
}

fn wait_for(running: &mut Running, home: &Home, partition: i32, offsets: std::ops::Range<i64>) {
    let wanted: Vec<i64> = offsets.collect();
    running.wait_until(&format!("partition {partition}"), |_| {
        (written(home).get(&partition) == Some(&wanted)).then_some(())
    });
}

#[test]
fn a_partition_that_cannot_be_written_blocks_no_other_partition() {
    let broker = Broker::start();
    broker.topic("events", 4);
    send(&broker, 400);
    let home = Home::new(&["misbehaving"]);
    connector(&home, "", "");
    home.write("broken", "2");
    let mut running = home.start(&broker);
    for partition in [0, 1, 3] {
        wait_for(&mut running, &home, partition, 0..100);
    }
    let line = running.wait_for_log("partition paused");
    assert!(line.contains("events-2") && line.contains("unavailable"), "{line}");
    // The other partitions also deliver later records.
    send(&broker, 400);
    for partition in [0, 1, 3] {
        wait_for(&mut running, &home, partition, 0..200);
    }
    running.wait_until("the others' commits", |_| {
        (broker.committed("connect-a", "events", 3) == Some(200)).then_some(())
    });
    assert_eq!(written(&home).get(&2), None);
    assert!(broker.committed("connect-a", "events", 2).unwrap_or_default() == 0);

    home.write("broken", "");
    wait_for(&mut running, &home, 2, 0..200);
    running.wait_for_log("partition works again");
    let _finished = running.terminate().expect_code(0);
    for partition in 0..4 {
        assert_eq!(written(&home)[&partition], (0..200).collect::<Vec<_>>(), "partition {partition}");
        assert_eq!(broker.committed("connect-a", "events", partition), Some(200));
    }
}

#[test]
fn when_no_partition_can_be_written_the_task_is_retrying_and_fails_in_time() {
    let broker = Broker::start();
    broker.topic("events", 4);
    send(&broker, 40);
    let home = Home::new(&["misbehaving"]);
    connector(&home, "", "");
    home.write("broken", "0 1 2 3");
    let mut running = home.start(&broker);
    let status = home.wait_for_status(&mut running, "a", |status| {
        status["tasks"][0]["reason"].as_str().is_some_and(|reason| reason.contains("4 of 4 partitions"))
    });
    let task = &status["tasks"][0];
    assert_eq!((&status["state"], &task["state"]), (&"RETRYING".into(), &"RETRYING".into()));
    let reason = task["reason"].as_str().expect("a reason");
    assert!(reason.contains("sink \"independent\"") && reason.contains("unavailable"), "{reason}");
    assert!(task["retry"]["attempt"].as_u64() >= Some(1), "{task}");
    assert!(task["retry"]["next_attempt"].as_str().is_some_and(|at| at.ends_with('Z')), "{task}");
    let metrics = home.run(&["metrics"]).expect_code(0).stdout;
    let retries = "tidegate_retries_total{connector=\"a\",task=\"0\",stage=\"sink\",plugin=\"independent\"}";
    assert!(metrics.contains(retries), "{metrics}");
    assert!(
        metrics.contains("tidegate_task_state{connector=\"a\",task=\"0\",state=\"RETRYING\"} 1"),
        "{metrics}"
    );
    home.write("broken", "");
    for partition in 0..4 {
        wait_for(&mut running, &home, partition, 0..10);
    }
    let status = home.wait_for_status(&mut running, "a", |status| status["state"] == "RUNNING");
    assert_eq!(status["tasks"][0]["reason"], "", "the reason goes with the state");
    let _finished = running.terminate().expect_code(0);

    connector(&home, "", "\n[errors.retry]\ntimeout = \"300ms\"\n");
    let text = fs::read_to_string(home.path("connectors.d/a.toml")).expect("the file");
    // Replaces the first [errors.retry].
    home.write("connectors.d/a.toml", text.replacen(RETRY, "[restart]\npolicy = \"never\"\n", 1));
    home.write("broken", "1");
    send(&broker, 40);
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("sink \"independent\" still fails after");
}

#[test]
fn a_lost_position_fails_the_task_or_is_reset_as_configured() {
    let first = Broker::start();
    first.topic("events", 4);
    send(&first, 400);
    let home = Home::new(&["misbehaving"]);
    let offsets = "offsets = \"@offsets\"";
    connector(&home, "", offsets);
    let _finished = home.run_once(&first).expect_code(0);
    drop(first);
    fs::remove_file(home.path("written")).expect("what was written");

    // With another broker the topic is a new one, and the sink's offset is beyond its end.
    let second = Broker::start();
    second.topic("events", 4);
    send(&second, 40);
    let finished = home.run_until_failed(&second, &[]);
    let line = finished.expect_log("is outside the log");
    assert!(line.contains("position 100 of events-") && line.contains("from 0 to 10"), "{line}");
    assert_eq!(written(&home), BTreeMap::new());

    connector(&home, "on_lost_position = \"earliest\"", offsets);
    let finished = home.run_once(&second).expect_code(0);
    assert_eq!(finished.count_log("position lost;"), 4, "{}", finished.stderr);
    for partition in 0..4 {
        assert_eq!(written(&home)[&partition], (0..10).collect::<Vec<_>>(), "partition {partition}");
        assert_eq!(second.committed("connect-a", "events", partition), Some(10));
    }
}
