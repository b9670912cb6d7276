//! Sinks that are durable on flush: nothing is committed before a flush has returned, and the host flushes whenever records have
//! to be settled.

use tidegate_tests::{Broker, Home, Ledger, Running, SinkFaults};

use crate::dead_letters::DEAD_LETTERS;

/// Limits that are never reached: only the host's own reasons cause a flush. A batch per record, so that batches can be counted.
const NEVER: &str = "[batch]\nmax_records = 1\n[flush]\nmax_records = 1000000\nmax_wait = \"1h\"\n";

/// A connector that reads the topic `events` into a ledger of `database`.
fn connector(home: &Home, database: &Home, more: &str) -> Ledger {
    let path = database.path("flushed.db");
    home.connector(
        "a",
        &format!(
            "[source]\ntopics = [\"events\"]\n[source.properties]\n\"session.timeout.ms\" = 6000\n\
             [sink]\nplugin = \"ledger-flushed\"\n[sink.config]\npath = \"{}\"\nfail_file = \"@faults\"\n\
             reject_bad = true\n[errors.retry]\ninitial = \"5ms\"\nmax = \"20ms\"\n{more}",
            path.display()
        ),
    );
    Ledger::of(path)
}

fn events(count: usize) -> Vec<String> {
    (0..count).map(|id| format!(r#"{{"id":{id}}}"#)).collect()
}

/// A host that has written five records and flushed none.
fn scene() -> (Broker, Home, Ledger, Running) {
    let broker = Broker::with_events(events(5));
    let home = Home::new(&["ledger"]);
    let ledger = connector(&home, &home, NEVER);
    let mut running = home.start(&broker);
    wait_for_batches(&home, &mut running, 5);
    assert!(ledger.offsets().is_empty());
    (broker, home, ledger, running)
}

fn wait_for_batches(home: &Home, running: &mut Running, batches: u64) {
    let status =
        home.wait_for_status(running, "a", |status| status["counts"]["batches"].as_u64() >= Some(batches));
    assert_eq!(status["counts"]["delivered"], 0, "{status}");
    assert_eq!(status["counts"]["committed"], 0, "{status}");
}

fn wait_for_offsets(running: &mut Running, ledger: &Ledger, offsets: &[i64]) {
    running.wait_until("the flushed records", |_| (ledger.offsets() == offsets).then_some(()));
}

fn command(home: &Home, command: &str) {
    let _accepted = home.run(&[command, "a"]).expect_code(0);
}

#[test]
fn records_since_the_last_flush_are_read_again_after_a_kill() {
    let (broker, home, ledger, running) = scene();
    running.signal("KILL");
    let _killed = running.finish();
    assert_eq!(broker.committed("connect-a", "events", 0), None);
    assert!(ledger.offsets().is_empty());
    // The end of the logs causes a flush too.
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4]);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(5));
}

#[test]
fn a_stop_flushes() {
    let (broker, _home, ledger, running) = scene();
    let _finished = running.terminate().expect_code(0);
    assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4]);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(5));
}

#[test]
fn a_pause_flushes() {
    let (_broker, home, ledger, mut running) = scene();
    command(&home, "pause");
    wait_for_offsets(&mut running, &ledger, &[0, 1, 2, 3, 4]);
    home.wait_for_status(&mut running, "a", |status| {
        status["state"] == "PAUSED"
            && status["counts"]["delivered"] == 5
            && status["counts"]["committed"] == 5
    });
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_reopened_sink_is_flushed_before() {
    let (broker, home, ledger, mut running) = scene();
    command(&home, "reopen");
    running.wait_for_log("sink reopened");
    assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4]);
    broker.send("events", ["{}"]);
    home.wait_for_status(&mut running, "a", |status| status["counts"]["batches"] == 6);
    let _finished = running.terminate().expect_code(0);
    assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn each_limit_causes_a_flush() {
    for (limits, flushed) in [
        ("max_records = 3\nmax_wait = \"1h\"", vec![0, 1, 2]),
        ("max_bytes = \"1 KiB\"\nmax_wait = \"1h\"", vec![0, 1]),
        ("max_wait = \"1ms\"", vec![0, 1, 2, 3]),
    ] {
        let home = Home::new(&["ledger"]);
        let broker = Broker::with_events((0..4).map(|_| format!("\"{}\"", "x".repeat(600))));
        let ledger = connector(&home, &home, &format!("[batch]\nmax_records = 1\n[flush]\n{limits}\n"));
        let mut running = home.start(&broker);
        running.wait_until(limits, |_| (ledger.last() >= flushed.len() as i64).then_some(()));
        assert_eq!(ledger.offsets()[..flushed.len()], flushed, "{limits}");
        let _finished = running.terminate().expect_code(0);
        assert_eq!(ledger.offsets(), [0, 1, 2, 3], "{limits}");
    }
}

#[test]
fn partitions_are_flushed_before_they_are_handed_over() {
    const PARTITIONS: i32 = 4;
    let broker = Broker::start();
    broker.topic("events", PARTITIONS as u32);
    let send = || {
        let record = |index| ("events", index % PARTITIONS, None, Some(format!(r#"{{"id":{index}}}"#)));
        broker.produce((0..40).map(record));
    };
    let homes: [Home; 2] = std::array::from_fn(|_| Home::new(&["ledger"]));
    let ledger = connector(&homes[0], &homes[0], NEVER);
    connector(&homes[1], &homes[0], NEVER);
    send();
    let mut first = homes[0].start(&broker);
    wait_for_batches(&homes[0], &mut first, 40);
    let mut second = homes[1].start(&broker);
    for (home, running) in [(&homes[0], &mut first), (&homes[1], &mut second)] {
        home.wait_for_status(running, "a", |status| status["counts"]["partitions"] == 2);
    }
    // All that the first host has written, also of the partitions that it keeps.
    assert_eq!(ledger.last(), 40);
    send();
    wait_for_batches(&homes[1], &mut second, 20);
    let _finished = first.terminate().expect_code(0);
    // A host that stops during a rebalance may be late.
    homes[1].wait_for_status(&mut second, "a", |status| status["counts"]["partitions"] == 4);
    let _finished = second.terminate().expect_code(0);
    let mut found: Vec<(i32, i64)> =
        ledger.entries().iter().map(|entry| (entry.partition, entry.offset)).collect();
    found.sort_unstable();
    let all: Vec<(i32, i64)> =
        (0..PARTITIONS).flat_map(|partition| (0..20).map(move |offset| (partition, offset))).collect();
    assert_eq!(found, all, "each record once");
}

#[test]
fn records_that_a_flush_rejects_are_dead_lettered_and_the_others_are_flushed() {
    let broker = Broker::with_events((0..6).map(|id| format!(r#"{{"id":{id},"bad":{}}}"#, id % 4 == 1)));
    let home = Home::new(&["ledger"]);
    let ledger = connector(&home, &home, &format!("{NEVER}{DEAD_LETTERS}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(ledger.offsets(), [0, 2, 3, 4]);
    let dead_letters = broker.stored("dlq.events");
    let texts: Vec<String> = dead_letters.iter().map(|dead_letter| dead_letter.text().to_owned()).collect();
    assert_eq!(texts, [r#"{"id":1,"bad":true}"#, r#"{"id":5,"bad":true}"#], "as they were consumed");
    assert_eq!(dead_letters[0].header("__connect.errors.offset"), "1");
    assert_eq!(dead_letters[0].header("tidegate.errors.stage"), "sink");
    assert_eq!(broker.committed("connect-a", "events", 0), Some(6));
    let counts: Vec<&str> =
        finished.stdout.lines().nth(1).expect("a connector").split_whitespace().skip(1).take(6).collect();
    assert_eq!(
        counts,
        ["6", "4", "0", "2", "6", "2"],
        "read, delivered, filtered, rejected, committed, dead-lettered"
    );
}

#[test]
fn a_rejection_by_a_flush_fails_the_task_without_a_policy() {
    let broker = Broker::with_events([r#"{"id":0}"#, r#"{"id":1,"bad":true}"#]);
    let home = Home::new(&["ledger"]);
    let ledger = connector(&home, &home, NEVER);
    home.write("tidegate.toml", "[defaults.restart]\npolicy = \"never\"\n");
    let finished = home.run_once(&broker).expect_code(3);
    finished.expect_log("offset 1 is invalid");
    assert!(ledger.offsets().is_empty());
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn a_flush_that_fails_for_now_or_whose_answer_is_lost_is_repeated() {
    for faults in [
        SinkFaults { retriable: 1.0, ..SinkFaults::default() },
        SinkFaults { lost_answers: 1.0, ..SinkFaults::default() },
    ] {
        let (broker, home, ledger, mut running) = scene();
        faults.write_to(&home.path("faults"));
        command(&home, "pause");
        running.wait_for_log("the ledger ");
        home.wait_for_status(&mut running, "a", |status| {
            status["tasks"][0]["state"] == "RETRYING" && status["counts"]["delivered"] == 0
        });
        SinkFaults::default().write_to(&home.path("faults"));
        home.wait_for_status(&mut running, "a", |status| status["counts"]["committed"] == 5);
        let _finished = running.terminate().expect_code(0);
        assert_eq!(ledger.offsets(), [0, 1, 2, 3, 4], "{faults:?}");
        assert_eq!(broker.committed("connect-a", "events", 0), Some(5));
    }
}

#[test]
fn unflushed_records_stay_within_the_memory_limit() {
    let broker = Broker::with_events((0..800).map(|_| format!("\"{}\"", "x".repeat(10_000))));
    let home = Home::new(&["ledger"]);
    let limits = "[flush]\nmax_records = 1000000\nmax_bytes = \"1 GiB\"\nmax_wait = \"1h\"\n[limits]\nmemory = \"4 MiB\"\n";
    // Dead letters need the records as they were consumed, which are kept until the flush.
    let ledger = connector(&home, &home, &format!("{limits}{DEAD_LETTERS}"));
    let mut running = home.start(&broker);
    // 8 MB are read, of which less than 2 MB may be kept.
    running.wait_until("early flushes", |_| (ledger.last() >= 600).then_some(()));
    home.wait_for_status(&mut running, "a", |status| status["counts"]["read"] == 800);
    let _finished = running.terminate().expect_code(0);
    assert_eq!(ledger.offsets(), (0..800).collect::<Vec<_>>());
}

#[test]
fn flush_limits_of_a_sink_that_is_never_flushed_are_invalid() {
    let home = Home::new(&["ledger"]);
    home.write("tidegate.toml", "[defaults.flush]\nmax_wait = \"1s\"\n");
    let text = "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"ledger-exact\"\n[sink.config]\npath = \"@a.db\"\n";
    home.connector("a", text);
    let _finished = home.run(&["validate"]).expect_code(0);
    home.connector("a", &format!("{text}[flush]\nmax_records = 5\n"));
    let finished = home.run(&["validate"]).expect_code(1);
    let error = "connectors.d/a.toml:8:1: flush.max_records: the sink \"ledger-exact\" makes each batch durable at once, and is never flushed";
    assert!(finished.stdout.contains(error), "{}", finished.stdout);
}
