//! Kills between the commits of two lanes, after which the host starts with another number of lanes.

use serde_json::json;
use tidegate_tests::LogEntry;

use super::{Scenario, change};

/// Tables without a key, in which duplicates are visible.
const TABLES: usize = 8;
/// Events of each table, sent before each run.
const EVENTS: i64 = 10;
/// The number of lanes of each run, and how many of them commit before the host is killed.
const RUNS: [(usize, usize); 6] = [(4, 1), (4, 3), (2, 1), (5, 2), (1, 0), (3, 2)];

fn table(number: usize) -> String {
    format!("lane_views_{number}")
}

fn send(scenario: &Scenario, run: usize) {
    let from = run as i64 * EVENTS;
    for number in 0..TABLES {
        let table = table(number);
        let events =
            (from..from + EVENTS).map(|page| change(&table, "c", page, "false", json!({ "page": page })));
        scenario.broker.send(&format!("cdc.public.{table}"), events);
    }
}

/// Whether an entry is the COMMIT of a flush that was answered.
fn is_commit(entry: &LogEntry) -> bool {
    entry.kind == "COMMIT" && entry.done.is_some() && entry.fault.is_none()
}

#[test]
fn a_kill_between_the_commits_of_two_lanes_loses_and_doubles_nothing() {
    let Some(mut scenario) = Scenario::find("", "") else { return };
    let mut committed_before_kills = 0;
    for (run, (lanes, committed)) in RUNS.into_iter().enumerate() {
        scenario.sink(&format!("lanes = {lanes}"), "max_records = 80\nmax_wait = \"2s\"\n");
        // The lanes of this run continue from what those of the killed host have written.
        scenario.stand_in.clear_faults();
        if run > 0 {
            let _finished = scenario.home.run_once(&scenario.broker).expect_code(0);
        }
        send(&scenario, run);
        let since = scenario.stand_in.log_end();
        // What is behind it waits for longer than the host lives.
        scenario.stand_in.fault_at("^COMMIT", committed + 1, 0, "delay:30");
        let mut host = scenario.start_reading();
        let _stopped = scenario.wait_for_fault(&mut host, since, "delay:30");
        host.wait_until("the other lanes", |_| {
            let log = scenario.stand_in.log(since);
            (log.iter().filter(|entry| is_commit(entry)).count() >= committed).then_some(())
        });
        host.signal("KILL");
        let _finished = host.finish();
        let log = scenario.stand_in.log(since);
        committed_before_kills += log.iter().filter(|entry| is_commit(entry)).count();
    }
    scenario.stand_in.clear_faults();
    let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
    for number in 0..TABLES {
        scenario.expect_once(&table(number), EVENTS * RUNS.len() as i64, &finished.stderr);
    }
    let expected: usize = RUNS.iter().map(|(_, committed)| committed).sum();
    assert!(committed_before_kills >= expected / 2, "{committed_before_kills}");
    println!("{committed_before_kills} lanes had committed when their host was killed");
}

#[test]
fn a_lane_that_is_behind_is_written_without_the_others() {
    let Some(mut scenario) = Scenario::find("", "") else { return };
    scenario.sink("lanes = 4", "max_records = 80\nmax_wait = \"2s\"\n");
    send(&scenario, 0);
    let since = scenario.stand_in.log_end();
    // One lane fails in its COMMIT, whose answer is lost; the others commit. The same host goes on.
    scenario.stand_in.fault_at("^COMMIT", 2, 1, "code:000603:XX000");
    scenario.stand_in.fault_at("^COMMIT", 3, 1, "lost");
    let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
    for number in 0..TABLES {
        scenario.expect_once(&table(number), EVENTS, &finished.stderr);
    }
    let sessions: std::collections::BTreeSet<_> = scenario
        .stand_in
        .log(since)
        .iter()
        .filter(|entry| is_commit(entry))
        .map(|entry| entry.session)
        .collect();
    assert!(sessions.len() > 1, "{sessions:?}");
}
