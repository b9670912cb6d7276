//! Two hosts of one connector. The first is suspended during a transaction, the second takes over its partitions and
//! writes everything, then the first resumes its transaction.

use serde_json::json;
use tidegate_tests::{Home, LogEntry, Running};

use super::{Scenario, change};

/// The table without a key, in which duplicates are visible.
const VIEWS: &str = "views";
/// Number of events that are sent at first, and again after the other host has taken over.
const EVENTS: i64 = 60;
/// What the sink reports when it has lost a partition, and what the host logs.
const FENCED: &str = "another task has claimed cdc.public.views-0";
const LOST: &str = "partitions lost: the group removed this task";

fn send(scenario: &Scenario, from: i64) {
    let events = (from..from + EVENTS).map(|page| change(VIEWS, "c", page, "false", json!({ "page": page })));
    scenario.broker.send("cdc.public.views", events);
}

/// A suspended host with an open transaction, and another one that has written everything.
struct Frozen {
    scenario: Scenario,
    zombie: Running,
    other: Running,
    _other_home: Home,
    /// The statement.
    statement: LogEntry,
}

/// Suspends the host during the `nth` statement that matches, which the stand-in still executes.
#[track_caller]
fn freeze(pattern: &str, nth: usize) -> Option<Frozen> {
    let scenario = Scenario::find("", "max_records = 20\nmax_wait = \"100ms\"\n")?;
    scenario.broker.topic("cdc.public.views", 1);
    send(&scenario, 0);
    // Long enough to send a signal meanwhile.
    scenario.stand_in.fault_at(pattern, nth, 1, "delay:3");
    let mut zombie = scenario.start();
    let number = scenario.wait_for_fault(&mut zombie, 0, "delay:3").number;
    zombie.signal("STOP");
    let statement =
        scenario.stand_in.wait_for_entry(number - 1, |entry| entry.number == number && entry.done.is_some());
    assert_eq!(statement.code, None, "{statement:?}");

    let other_home = scenario.another_home();
    let mut other = other_home.start(&scenario.broker);
    let _claimed = other.wait_for_log(" reading 1 partition");
    send(&scenario, EVENTS);
    other.wait_until("all events", |_| (scenario.count(VIEWS) >= Some(2 * EVENTS)).then_some(()));
    Some(Frozen { scenario, zombie, other, _other_home: other_home, statement })
}

/// The first log line about the lost partition.
fn first_line(host: &Running) -> Option<String> {
    let log = host.log();
    log.lines().find(|line| line.contains(LOST) || line.contains(FENCED)).map(str::to_owned)
}

impl Frozen {
    /// Resumes the host, waits until it notices that it has lost the partition, and checks that it wrote nothing. On a
    /// busy machine it may learn that from the group before it learns it from Snowflake; then it joins the group again.
    #[track_caller]
    fn expect_fenced(self) {
        let Self { scenario, mut zombie, other, _other_home, statement } = self;
        let since = scenario.stand_in.log_end();
        let known = scenario.stand_in.log(0).into_iter().filter_map(|entry| entry.session).max();
        zombie.signal("CONT");
        let line = zombie.wait_until("the end of its ownership", first_line);
        let is_fenced = line.contains(FENCED);
        let zombie = if is_fenced { zombie.finish() } else { zombie.terminate() };
        let other = other.terminate().expect_code(0);
        let mut late = scenario.stand_in.log(since);
        late.retain(|entry| entry.session == statement.session || (is_fenced && entry.session > known));
        let committed = late.iter().filter(|entry| entry.kind == "COMMIT" && entry.code.is_none()).count();
        println!(
            "frozen in {}, {} requests after that, {committed} commits: {line}",
            statement.kind,
            late.len()
        );
        assert_eq!(committed, 0, "{late:#?}");
        scenario.expect_once(VIEWS, 2 * EVENTS, &format!("{}\n{}", zombie.stderr, other.stderr));
    }
}

#[test]
fn a_zombie_that_has_written_its_rows_cannot_commit_them() {
    if let Some(frozen) = freeze(r#"^INSERT INTO \S+"views""#, 2) {
        frozen.expect_fenced();
    }
}

#[test]
fn a_zombie_that_holds_the_offsets_cannot_commit() {
    if let Some(frozen) = freeze(r"^MERGE INTO \S*_cdc_offsets_.*next_offset", 2) {
        // Its transaction blocked the other host's claim and was therefore aborted.
        let mut log = frozen.scenario.stand_in.log(0).into_iter();
        assert!(log.any(|entry| entry.kind == "DETACHED" && entry.session == frozen.statement.session));
        frozen.expect_fenced();
    }
}

#[test]
fn rows_committed_by_a_zombie_are_not_written_again() {
    let Some(frozen) = freeze("^COMMIT", 2) else { return };
    let Frozen { scenario, mut zombie, other, _other_home, .. } = frozen;
    zombie.signal("CONT");
    // It learns this from the group, or from Snowflake with its next write, whichever is first.
    let line = zombie.wait_until("the end of its ownership", first_line);
    println!("frozen in COMMIT: {line}");
    let other = other.terminate().expect_code(0);
    scenario.expect_once(VIEWS, 2 * EVENTS, &other.stderr);
}
