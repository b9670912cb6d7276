//! The ledger fixtures: duplicates are visible in `ledger-append`, `ledger-exact` has none, and a file switches faults
//! on and off.

use tidegate_tests::{Broker, Home, Ledger, Running, SinkFaults};

const EVENTS: [&str; 4] = [r#"{"id":0}"#, r#"{"id":1,"bad":true}"#, r#"{"id":2}"#, r#"{"id":3}"#];

/// A connector that reads the topic `events` into a ledger.
fn ledger(home: &Home, sink: &str, more: &str) -> Ledger {
    home.connector(
        sink,
        &format!(
            "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"{sink}\"\n[sink.config]\npath = \"@{sink}.db\"\n\
             fail_file = \"@faults\"\nreject_bad = true\n[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n\
             [errors.retry]\ninitial = \"5ms\"\nmax = \"20ms\"\n[limits]\ncall_timeout = \"1s\"\nshutdown = \"1s\"\n\
             [restart]\ninitial = \"10ms\"\nmax = \"50ms\"\n{more}"
        ),
    );
    Ledger::of(home.path(&format!("{sink}.db")))
}

fn wait_for_offsets(running: &mut Running, ledger: &Ledger, offsets: &[i64]) {
    running.wait_until("the ledger's records", |_| (ledger.offsets() == offsets).then_some(()));
}

#[test]
fn duplicates_are_visible_in_ledger_append_and_absent_from_ledger_exact() {
    let broker = Broker::with_events(EVENTS);
    let home = Home::new(&["ledger"]);
    let (append, exact) = (ledger(&home, "ledger-append", ""), ledger(&home, "ledger-exact", ""));
    let _finished = home.run_once(&broker).expect_code(0);
    let entries = append.entries();
    let first = entries.first().expect("an entry");
    assert_eq!((first.topic.as_str(), first.partition, first.offset, first.number), ("events", 0, 0, 1));
    assert_eq!(first.value.as_deref(), Some(EVENTS[0].as_bytes()));

    for group in ["connect-ledger-append", "connect-ledger-exact"] {
        assert_eq!(broker.committed(group, "events", 0), Some(4));
        broker.set_committed(group, &["events"], 0);
    }
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(append.offsets(), [0, 2, 3, 0, 2, 3]);
    assert_eq!(exact.offsets(), [0, 2, 3]);
    let stored_offsets = exact.stored_offsets();
    assert_eq!(
        (stored_offsets.len(), stored_offsets[0].next_offset, stored_offsets[0].epoch),
        (1, Some(4), 2)
    );
}

#[test]
fn a_lost_response_causes_duplicates_only_without_exactly_once() {
    let broker = Broker::with_events(EVENTS);
    let home = Home::new(&["ledger"]);
    let faults = home.path("faults");
    SinkFaults { lost_answers: 1.0, ..SinkFaults::default() }.write_to(&faults);
    let (append, exact) = (ledger(&home, "ledger-append", ""), ledger(&home, "ledger-exact", ""));
    let mut running = home.start(&broker);
    running.wait_until("doubles", |_| (append.last() >= 9 && exact.last() >= 3).then_some(()));
    running.wait_for_log("but the response is lost");
    SinkFaults::default().write_to(&faults);
    home.wait_for_status(&mut running, "ledger-append", |status| status["counts"]["committed"] == 4);
    home.wait_for_status(&mut running, "ledger-exact", |status| status["counts"]["committed"] == 4);
    let _finished = running.terminate().expect_code(0);
    assert_eq!(append.offsets()[..6], [0, 2, 3, 0, 2, 3]);
    assert_eq!(exact.offsets(), [0, 2, 3]);
}

#[test]
fn faults_are_switched_by_their_file() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["ledger"]);
    let faults = home.path("faults");
    let ledger = ledger(&home, "ledger-append", "");
    SinkFaults { retriable: 1.0, ..SinkFaults::default() }.write_to(&faults);
    let mut running = home.start(&broker);
    running.wait_for_log("is unavailable");
    assert!(ledger.offsets().is_empty());

    SinkFaults { reject_every: Some(2), unnamed: true, ..SinkFaults::default() }.write_to(&faults);
    running.wait_for_log("record skipped: a record of the batch is invalid");
    broker.send("events", ["{}", "{}"]);
    wait_for_offsets(&mut running, &ledger, &[1]);

    SinkFaults { hang: true, ..SinkFaults::default() }.write_to(&faults);
    broker.send("events", ["{}"]);
    running.wait_for_log("its thread was abandoned");
    SinkFaults::default().write_to(&faults);
    // Not by the number of records: if the task failed before it had committed the one before, both are read again.
    running.wait_until("the commit of all records", |_| {
        (broker.committed("connect-ledger-append", "events", 0) == Some(4)).then_some(())
    });
    let _finished = running.terminate().expect_code(0);
    // The abandoned thread has continued too, and may have written its batch.
    let offsets = ledger.offsets();
    assert!((1..=2).contains(&offsets.iter().filter(|offset| **offset == 3).count()), "{offsets:?}");
}

#[test]
fn a_claim_by_another_owner_fences() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["ledger"]);
    let ledger = ledger(&home, "ledger-exact", "");
    let mut running = home.start(&broker);
    wait_for_offsets(&mut running, &ledger, &[0]);
    ledger.claim("events", 0);
    broker.send("events", ["{}"]);
    running.wait_for_log("events[0] was claimed by another task: epoch 1 is fenced by epoch 2");
    // The restarted task claims it again.
    wait_for_offsets(&mut running, &ledger, &[0, 1]);
    assert_eq!(ledger.stored_offsets()[0].epoch, 3);
    let _finished = running.terminate().expect_code(0);
}
