//! Interrupted runs: killed hosts, offset resets, partitions that move to another host, recreated topics.

use std::{thread, time::Duration};

use tidegate_tests::{Home, Running, Snowflake, StandIn, wait_for};

use super::{
    case::Case,
    failovers, key_changes,
    record::file,
    replays,
    scene::{CaseRun, Mode, broker, expect_right, run_once},
    snapshots,
    source::Source,
};

/// A short session timeout for killed hosts.
const SHORT_SESSION: &str =
    "[source.properties]\n\"session.timeout.ms\" = 1000\n\"heartbeat.interval.ms\" = 200\n";

const ONE_BY_ONE: Mode = Mode { isolation: "thread", batch: 1 };

/// Cases whose result depends on the stored order state.
fn stateful() -> Vec<Case> {
    let mut cases = vec![
        Case::new("01", file("01")).table("notes", &["id", "title", "body"], &["9 a L*3000"]),
        Case::new("04", file("04"))
            .table("accounts", &["id", "state"], &["1 paid", "3 new"])
            .warned(failovers::LOG_BEGAN_AGAIN),
        Case::new("19", file("19b")).table("stock", &["id", "v"], &["1 new", "2 same", "3 missed"]),
    ];
    let names = [
        "mysql-failover-and-back-without-gtid",
        "postgres-snapshot-again",
        "incremental-between-changes",
        "incremental-after-failover",
        "key-changes-twice",
        "restored-and-sent-again-and-on",
        "two-servers-one-sent-again",
    ];
    let others = [failovers::cases(), snapshots::cases(), key_changes::cases(), replays::cases()].concat();
    cases.extend(others.into_iter().filter(|case| names.contains(&case.name.as_str())).map(|case| Case {
        // These cases have no runs of their own between which tables could be compared.
        unchanged_from: None,
        restarts: Vec::new(),
        ..case
    }));
    assert_eq!(cases.len(), 3 + names.len());
    cases
}

#[test]
fn nothing_is_lost_when_hosts_are_killed() {
    // The transaction of a killed host is aborted as soon as it blocks another one.
    let Some(stand_in) = StandIn::start(&["--idle-seconds", "0.3"]) else { return };
    let service = Snowflake::StandIn(stand_in);
    let Snowflake::StandIn(stand_in) = &service else { return };
    let cases: Vec<Case> =
        stateful().into_iter().map(|case| case.source(SHORT_SESSION).with_optional_warnings()).collect();
    let mut case_runs: Vec<CaseRun<'_>> = cases.iter().map(|case| CaseRun::new(case, &service)).collect();
    let home = Home::new(&["snowflake-sink"]);
    for case_run in &mut case_runs {
        case_run.send_until(case_run.case.records.len());
        home.connector(&case_run.case.name, &case_run.connector(ONE_BY_ONE));
    }
    let mut met = 0;
    // Every connector sends a COMMIT for each batch.
    for (kill, action) in ["delay:30", "slow:0.3", "lost"].into_iter().cycle().take(6).enumerate() {
        let since = stand_in.log_end();
        stand_in.clear_faults();
        stand_in.fault_at("^COMMIT", 3 + 2 * kill, 1, action);
        let mut host = Running::start(home.command().args(["run"]));
        let is_met = || stand_in.log(since).iter().any(|entry| entry.fault.as_deref() == Some(action));
        let is_met = wait_a_while(|| is_met() || !host.is_running());
        host.signal("KILL");
        let _finished = host.finish();
        met += usize::from(is_met);
    }
    stand_in.clear_faults();
    let log = run_once(&home);
    for case_run in &mut case_runs {
        case_run.read(&log.stderr);
    }
    expect_right(&mut case_runs, "after six kills");
    assert!(met >= 3, "of six kills, {met} met a COMMIT");
}

/// Whether something happens within twenty seconds. The embedded broker sometimes waits for a member that was killed
/// while it joined the group; then the next host has more to do.
fn wait_a_while(mut is_there: impl FnMut() -> bool) -> bool {
    for _ in 0..400 {
        if is_there() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

#[test]
fn nothing_changes_when_the_groups_offsets_are_reset() {
    read_again(false);
}

#[test]
fn nothing_changes_when_the_sinks_offsets_are_lost_too() {
    read_again(true);
}

/// The group's offsets were reset, or are those of another broker, and the sink's count.
const OTHER_OFFSETS: &str = "the group's committed offset differs from the one that the sink stores";

/// Reads everything twice.
#[track_caller]
fn read_again(loses_offsets: bool) {
    let Some(service) = Snowflake::find() else { return };
    let mut cases: Vec<Case> = stateful().into_iter().map(|case| case.tolerated(OTHER_OFFSETS)).collect();
    if loses_offsets {
        // It is not known any more that these events were read before, so there are warnings about rows that are newer.
        let warnings = ["rows were not changed", "updates were inserted"];
        cases = cases.into_iter().map(|case| warnings.into_iter().fold(case, Case::tolerated)).collect();
    }
    let mut case_runs: Vec<CaseRun<'_>> = cases.iter().map(|case| CaseRun::new(case, service)).collect();
    let home = Home::new(&["snowflake-sink"]);
    let mode = Mode { batch: 2, ..ONE_BY_ONE };
    for case_run in &mut case_runs {
        case_run.send_until(case_run.case.records.len());
        home.connector(&case_run.case.name, &case_run.connector(mode));
    }
    let log = run_once(&home);
    for case_run in &mut case_runs {
        case_run.read(&log.stderr);
        case_run.freeze();
        let topics: Vec<&str> = case_run.case.topics().into_iter().map(|(topic, _)| topic).collect();
        case_run.broker.set_committed(&format!("connect-{}", case_run.case.name), &topics, 0);
        if loses_offsets {
            let table = case_run.schema.qualified_table(&format!("_cdc_offsets_{}", case_run.case.name));
            let _status = case_run.schema.query(&format!("DELETE FROM {table}"));
        }
    }
    let log = run_once(&home);
    for case_run in &mut case_runs {
        case_run.read(&log.stderr);
    }
    expect_right(&mut case_runs, "read again");
}

#[test]
fn snapshot_rows_win_on_the_host_that_takes_over_a_partition() {
    let Some(service) = Snowflake::find() else { return };
    // The same changes of different rows in two partitions.
    let table = Source::postgres("stock", &["part", "id"]);
    let of_partition = |part: i32| {
        let table = table.clone().in_partition(part);
        let row = move |id: i64, v: &str| serde_json::json!({ "part": part, "id": id, "v": v });
        let before = [table.lsn(100, 0).insert(row(1, "old")), table.lsn(110, 0).insert(row(2, "old"))];
        let after = [
            table.incremental(row(1, "read")),
            table.lsn(120, 1000).update(row(2, "changed")),
            table.incremental(row(3, "missed")),
        ];
        (before, after)
    };
    let ((before_0, after_0), (before_1, after_1)) = (of_partition(0), of_partition(1));
    let records = [before_0.to_vec(), before_1.to_vec(), after_0.to_vec(), after_1.to_vec()].concat();
    let case = Case::new("taken-over", records).table(
        "stock",
        &["part", "id", "v"],
        &["0 1 read", "0 2 changed", "0 3 missed", "1 1 read", "1 2 changed", "1 3 missed"],
    );
    let mut case_runs = [CaseRun::new(&case, service)];
    let [case_run] = &mut case_runs;
    let homes = [Home::new(&["snowflake-sink"]), Home::new(&["snowflake-sink"])];
    for home in &homes {
        home.connector(&case.name, &case_run.connector(ONE_BY_ONE));
    }
    case_run.send_until(4);
    let start = |home: &Home| Running::start(home.command().args(["run"]));
    let first = start(&homes[0]);
    wait_for(|| (case_run.held() == 4).then_some(())).expect("the first records");
    let mut second = start(&homes[1]);
    let _line = second.wait_for_log("reading 1 partition");
    case_run.send_until(10);
    wait_for(|| (case_run.held() == 10).then_some(())).expect("the other records");
    for host in [first, second] {
        let finished = host.terminate().expect_code(0);
        case_run.read(&finished.stderr);
    }
    expect_right(&mut case_runs, "taken over");
}

#[test]
fn a_recreated_topic_continues_on_the_existing_rows() {
    let Some(service) = Snowflake::find() else { return };
    let source = "on_lost_position = \"earliest\"";
    // Offsets start again at 0, and the following events must not be treated as old.
    let snapshots = snapshots::cases().into_iter().map(|case| (2, case));
    let oracle =
        failovers::cases().into_iter().filter(|case| case.name == "oracle-resetlogs").map(|case| (2, case));
    let cases: Vec<(usize, Case)> = snapshots
        .chain(oracle)
        .map(|(first, case)| (first, case.source(source).with_optional_warnings().tolerated(OTHER_OFFSETS)))
        .collect();
    let mut case_runs: Vec<CaseRun<'_>> = cases.iter().map(|(_, case)| CaseRun::new(case, service)).collect();
    let home = Home::new(&["snowflake-sink"]);
    for (case_run, (first, _)) in case_runs.iter_mut().zip(&cases) {
        case_run.send_until(*first);
        home.connector(&case_run.case.name, &case_run.connector(ONE_BY_ONE));
    }
    let log = run_once(&home);
    for (case_run, (_, case)) in case_runs.iter_mut().zip(&cases) {
        case_run.read(&log.stderr);
        case_run.broker = broker(case);
        // After one record, the stored position is beyond the end of the new topic.
        case_run.send_until(3);
        home.connector(&case_run.case.name, &case_run.connector(ONE_BY_ONE));
    }
    let log = run_once(&home);
    for case_run in &mut case_runs {
        case_run.read(&log.stderr);
        case_run.send_until(case_run.case.records.len());
    }
    let log = run_once(&home);
    for case_run in &mut case_runs {
        case_run.read(&log.stderr);
    }
    expect_right(&mut case_runs, "created again");
}
