//! Only settled records are committed: those that are durable, filtered or dropped.

use tidegate_tests::{Broker, Home, Recording};

const ONE_BY_ONE: &str = "[batch]\nmax_records = 1\n";
const ALL_IN_ONE: &str = "[batch]\nmax_records = 10\nmax_wait = \"10s\"\n";
const SKIP: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";

/// Ten events. Those with these offsets are bad.
fn events(bad: &[i64]) -> Vec<String> {
    (0..10).map(|id| format!(r#"{{"id":{id},"bad":{}}}"#, bad.contains(&id))).collect()
}

fn all_but(missing: &[i64]) -> Vec<i64> {
    (0..10).filter(|offset| !missing.contains(offset)).collect()
}

#[test]
fn nothing_is_committed_past_a_failure_and_a_restart_resumes_there() {
    let broker = Broker::with_events(events(&[6]));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "how = \"fatal\"", ONE_BY_ONE);
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("sink \"recorder\" failed: a batch of 1 failed on purpose");
    assert_eq!(recording.offsets(), (0..6).collect::<Vec<_>>());
    let committed = broker.committed("connect-a", "events", 0).unwrap_or_default();
    assert!(committed <= 6, "{committed}");

    let recording = home.recorder("a", "", ONE_BY_ONE);
    let _finished = home.run_once(&broker).expect_code(0);
    let offsets = recording.offsets();
    assert_eq!(offsets[6..], (committed..10).collect::<Vec<_>>());
    assert_eq!(broker.committed("connect-a", "events", 0), Some(10));
}

#[test]
fn a_rejected_record_fails_the_task_and_is_reported_by_offset() {
    let broker = Broker::with_events(events(&[3]));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "reject = true", ALL_IN_ONE);
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("sink \"recorder\" rejected events-0 offset 3: offset 3 is bad");
    // The batch was not written in part.
    assert!(recording.offsets().is_empty());
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn a_rejected_record_is_dropped_with_tolerance_all() {
    let broker = Broker::with_events(events(&[3, 9]));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "reject = true", &format!("{ALL_IN_ONE}{SKIP}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), all_but(&[3, 9]));
    let outcomes: Vec<String> = recording.writes().into_iter().map(|write| write.outcome).collect();
    assert_eq!(outcomes, ["rejected", "written"]);
    for offset in [3, 9] {
        let line = finished.expect_log(&format!("record skipped: offset {offset} is bad"));
        assert!(line.contains(&format!("topic=events partition=0 offset={offset}")), "{line}");
    }
    assert_eq!(numbers(&finished.stdout), ["10", "8", "0", "2", "10"]);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(10));
}

#[test]
fn a_rejected_record_is_found_by_bisection_if_the_sink_does_not_name_it() {
    let broker = Broker::with_events(events(&[2, 7, 8]));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "how = \"rejected\"", &format!("{ALL_IN_ONE}{SKIP}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), all_but(&[2, 7, 8]));
    assert_left_before_right(&recording, &[2, 7, 8]);
    assert_eq!(finished.count_log("record skipped"), 3);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(10));
}

/// Checks that every write begins with the first record that is not settled.
fn assert_left_before_right(recording: &Recording, bad: &[i64]) {
    let mut next = 0;
    for write in recording.writes() {
        let first = write.records.first().expect("a write has records").offset;
        assert_eq!(first, next);
        if write.outcome == "written" {
            next = write.positions[0].next;
        } else if write.records.len() == 1 {
            assert!(bad.contains(&first), "{first}");
            next += 1;
        }
    }
    assert_eq!(next, 10);
}

#[test]
fn too_many_rejected_records_fail_the_task() {
    let broker = Broker::with_events(events(&[1, 2, 3, 4]));
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "reject = true", &format!("{ONE_BY_ONE}{SKIP}max_rejected = 2\n"));
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("errors.max_rejected = 2");
    let committed = broker.committed("connect-a", "events", 0).unwrap_or_default();
    assert!(committed <= 3, "{committed}");
}

#[test]
fn retriable_errors_are_retried() {
    let broker = Broker::with_events(events(&[5]));
    let home = Home::new(&["misbehaving"]);
    let retry = "[errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\n";
    let recording = home.recorder("a", "how = \"retriable\"\ntimes = 3", &format!("{ALL_IN_ONE}{retry}"));
    let finished = home.run_once(&broker).expect_code(0);
    let outcomes: Vec<String> = recording.writes().into_iter().map(|write| write.outcome).collect();
    assert_eq!(outcomes, ["failed", "failed", "failed", "written"]);
    assert_eq!(recording.offsets(), all_but(&[]));
    finished.expect_log("is not ready yet");
    finished.expect_log("works again");
}

#[test]
fn retries_end_after_the_timeout() {
    let broker = Broker::with_events(events(&[5]));
    let home = Home::new(&["misbehaving"]);
    let retry = "[errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\ntimeout = \"50ms\"\n";
    let recording = home.recorder("a", "how = \"retriable\"", &format!("{ALL_IN_ONE}{retry}"));
    let finished = home.run_until_failed(&broker, &[]);
    finished.expect_log("sink \"recorder\" still fails after");
    assert!(recording.offsets().is_empty());
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn a_record_rejected_by_a_transform_is_dropped_with_its_outputs() {
    let broker = Broker::with_events(events(&[0, 5]));
    let home = Home::new(&["misbehaving"]);
    let transform =
        "[[transforms]]\nplugin = \"failing\"\nname = \"check\"\n[transforms.config]\nhow = \"rejected\"\n";
    let recording = home.recorder("a", "", &format!("{ALL_IN_ONE}{SKIP}{transform}"));
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), all_but(&[0, 5]));
    let line = finished.expect_log("record skipped: offset 5 is bad");
    assert!(
        line.contains("transform \"check\"") && line.contains("topic=events partition=0 offset=5"),
        "{line}"
    );
    assert_eq!(numbers(&finished.stdout), ["10", "8", "0", "2", "10"]);
}

/// The numbers of the only connector: read, delivered, filtered, rejected, committed.
fn numbers(table: &str) -> Vec<&str> {
    table.lines().nth(1).expect("a line for the connector").split_whitespace().skip(1).take(5).collect()
}
