//! Measurement: tables and flushes when every statement takes 300 ms, as in a real account.
//!
//! `cargo test --workspace --test snowflake -- --ignored slow_statements --nocapture` prints the table for
//! `docs/performance.md`. The stand-in delays every login and every statement. The test only asserts that all rows arrive.
//! `slow_stages` prints the times with and without a stage. `slow_batches` instead of `slow_statements` prints the table of batch sizes for `docs/snowflake.md`. With `TRACE` set, what
//! every session sent when is printed as well, to see the critical path.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tidegate_tests::{Broker, Home, LogEntry, Running, StandIn};

/// The connector's name.
const NAME: &str = "slow";
/// What every statement takes longer, in seconds.
const DELAY: f64 = 0.3;
/// Position of the first event that is measured, after those of the events before.
const MEASURED: usize = 50_000_000;
/// The operations of 20 events: 12 updates, 5 inserts, 3 deletes.
const PATTERN: &[u8; 20] = b"iuuduuiuuuidiuuuduiu";

/// Events of one case.
struct Case {
    what: &'static str,
    tables: usize,
    /// Events of each table.
    events: usize,
    partitions: u32,
    tasks: u32,
    /// Whether the tables are new.
    is_new: bool,
    /// Whether all tasks have their partitions before the events are sent.
    is_running: bool,
    /// `[batch]`. With several tasks, their last batches are not full, and must not wait for long.
    batch: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        what: "300 new tables, 12 events each",
        tables: 300,
        events: 12,
        partitions: 1,
        tasks: 1,
        is_new: true,
        is_running: false,
        batch: "max_wait = \"3s\"\n",
    },
    Case {
        what: "1,000 events over 6 tables, one flush",
        tables: 6,
        events: 167,
        partitions: 1,
        tasks: 1,
        is_new: false,
        is_running: false,
        batch: "max_wait = \"3s\"\n",
    },
    Case {
        what: "5,000 events over 50 tables, one flush",
        tables: 50,
        events: 100,
        partitions: 1,
        tasks: 1,
        is_new: false,
        is_running: false,
        batch: "max_wait = \"3s\"\n",
    },
    Case {
        what: "24,000 events, 6 tables, 8 partitions, 1 task",
        tables: 6,
        events: 4_000,
        partitions: 8,
        tasks: 1,
        is_new: false,
        is_running: true,
        batch: "max_records = 500\nmax_wait = \"1s\"\n",
    },
    Case {
        what: "24,000 events, 6 tables, 8 partitions, 4 tasks",
        tables: 6,
        events: 4_000,
        partitions: 8,
        tasks: 4,
        is_new: false,
        is_running: true,
        batch: "max_records = 500\nmax_wait = \"1s\"\n",
    },
];

/// A topic of the source.
fn topic(table: usize) -> String {
    format!("cdc.public.t{table:03}")
}

/// One event of a table as Debezium writes it: its partition, key and value.
fn event(
    table: usize,
    number: usize,
    lsn: usize,
    op: &str,
    id: usize,
    partitions: u32,
) -> (String, i32, String, String) {
    let row =
        json!({ "id": id, "name": format!("name {number}"), "city": "Amsterdam", "quantity": number % 7 });
    let (before, after) = if op == "d" { (json!({ "id": id }), json!(null)) } else { (json!(null), row) };
    let source = json!({
        "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": format!("t{table:03}"),
        "lsn": lsn, "ts_ms": 1_700_000_000_000_i64, "snapshot": "false",
    });
    let value = json!({ "op": op, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_000_000_i64 });
    // Spread as by a hash: ids of inserts are even more often than odd.
    let partition = ((id.wrapping_mul(2_654_435_761) >> 16) % partitions as usize) as i32;
    (topic(table), partition, json!({ "id": id }).to_string(), value.to_string())
}

/// The events of all tables, the tables taking turns. New tables only get inserts and updates, as after a snapshot.
fn events(case: &Case, first: usize) -> Vec<(String, i32, String, String)> {
    let mut known: Vec<Vec<usize>> = vec![Vec::new(); case.tables];
    let mut events = Vec::new();
    for number in 0..case.events {
        for (table, known) in known.iter_mut().enumerate() {
            let lsn = first + number * case.tables + table + 1;
            let op = PATTERN[number % PATTERN.len()];
            let any = if known.is_empty() { 0 } else { number * 7919 % known.len() };
            let (op, id) = match op {
                b'u' if !known.is_empty() => ("u", known[any]),
                b'd' if !known.is_empty() && !case.is_new => ("d", known.remove(any)),
                _ => {
                    known.push(first + number);
                    ("c", first + number)
                }
            };
            events.push(event(table, number, lsn, op, id, case.partitions));
        }
    }
    events
}

/// Seconds from the first BEGIN, or the upload before it, to the response to the last COMMIT, or for new tables from the first
/// request; and the number of requests in this time.
fn measured(log: &[LogEntry], is_new: bool) -> (f64, usize) {
    let is_begin = |entry: &&LogEntry| matches!(entry.kind.as_str(), "BEGIN" | "PUT");
    let first = if is_new { log.first() } else { log.iter().find(is_begin) };
    let since = first.expect("a flush").time;
    let commits = log.iter().filter(|entry| entry.kind == "COMMIT");
    let end = commits.filter_map(|entry| entry.done).fold(0.0, f64::max);
    (end - since, log.iter().filter(|entry| entry.time >= since && entry.time < end).count())
}

/// Prints the requests of each session, in seconds since the first one.
fn trace(log: &[LogEntry]) {
    let since = log.first().map_or(0.0, |entry| entry.time);
    let sessions: BTreeSet<Option<u64>> = log.iter().map(|entry| entry.session).collect();
    for session in sessions {
        println!("session {session:?}");
        for entry in log.iter().filter(|entry| entry.session == session) {
            let text = entry.sql.as_deref().unwrap_or_default();
            let line: String = text.lines().next().unwrap_or_default().chars().take(90).collect();
            let (from, to) = (entry.time - since, entry.done.map_or(f64::NAN, |done| done - since));
            println!(
                "  {from:7.2} {to:7.2} {:12} {}{line}",
                entry.kind,
                entry.code.as_deref().unwrap_or_default()
            );
        }
    }
}

/// Events written by each task.
fn written(home: &Home) -> Vec<u64> {
    let finished = home.run(&["status", "--json"]);
    let status: Json = serde_json::from_str(&finished.stdout).unwrap_or_default();
    let tasks = status["connectors"][0]["tasks"].as_array().cloned().unwrap_or_default();
    tasks.iter().map(|task| task["counts"]["committed"].as_u64().unwrap_or_default()).collect()
}

/// Starts the host, and sends events until every task writes some, so that the partitions are assigned.
fn started(
    case: &Case,
    home: &Home,
    broker: &Broker,
    stand_in: &StandIn,
    send: &impl Fn(&[(String, i32, String, String)]),
) -> Running {
    let mut running = home.start(broker);
    let mut number = 0;
    running.wait_until("all tasks", |_| {
        let (since, before) = (stand_in.log_end(), written(home));
        number += 1;
        let mut some = events(case, 2_000_000 + number * 10_000);
        some.truncate(case.tables * 20);
        send(&some);
        let all = before.iter().sum::<u64>() + some.len() as u64;
        let is_written =
            tidegate_tests::wait_for(|| (written(home).iter().sum::<u64>() >= all).then_some(()));
        is_written.expect("events are written");
        let is_claim = |entry: &LogEntry| entry.tag.as_deref().is_some_and(|tag| tag.ends_with("claim"));
        let after = written(home);
        let all_wrote = after.len() == case.tasks as usize
            && after.iter().zip(&before).all(|(after, before)| after > before);
        (all_wrote && !stand_in.log(since).iter().any(is_claim)).then_some(())
    });
    running
}

/// What was measured.
struct Measured {
    seconds: f64,
    requests: usize,
    commits: usize,
    /// Events per second.
    rate: f64,
}

/// Measures a case with a delay of every statement, in seconds; `None` without Python.
fn run(case: &Case, delay: f64) -> Option<Measured> {
    run_with(case, delay, "")
}

/// Like [`run`], with additions to `[sink.config]`.
fn run_with(case: &Case, delay: f64, sink: &str) -> Option<Measured> {
    let stand_in = StandIn::start(&[])?;
    let broker = Broker::start();
    (0..case.tables).for_each(|table| broker.topic(&topic(table), case.partitions));
    let home = Home::new(&["snowflake-sink"]);
    home.connector(
        NAME,
        &format!(
            "tasks = {}\n[source]\ntopics_regex = '^cdc[.]public[.]'\n[sink]\nplugin = \"snowflake\"\n[sink.config]\n{}{sink}\
             [batch]\n{}",
            case.tasks,
            stand_in.options(),
            case.batch
        ),
    );
    let send = |events: &[(String, i32, String, String)]| {
        broker.produce(events.iter().map(|(topic, partition, key, value)| {
            (topic.as_str(), *partition, Some(key.as_str()), Some(value.as_str()))
        }));
    };
    if !case.is_new {
        // Creates the tables, and warms up the stand-in, which translates each statement once.
        let mut first = events(case, 0);
        first.truncate(case.tables * 20);
        send(&first);
        let _finished = home.run_once(&broker).expect_code(0);
    }
    let mut running = case.is_running.then(|| started(case, &home, &broker, &stand_in, &send));
    let since = stand_in.log_end();
    let written_before = running.as_ref().map_or(0, |_| written(&home).iter().sum::<u64>());
    stand_in.fault_at(".", 1, 0, &format!("delay:{delay}"));
    send(&events(case, if case.is_new { 0 } else { MEASURED }));
    match &mut running {
        Some(running) => {
            let all = written_before + (case.tables * case.events) as u64;
            running.wait_until("all events", |_| (written(&home).iter().sum::<u64>() >= all).then_some(()));
        }
        None => drop(home.run_once(&broker).expect_code(0)),
    }
    let (seconds, requests) = measured(&stand_in.log(since), case.is_new);
    if std::env::var_os("TRACE").is_some() {
        trace(&stand_in.log(since));
    }
    let commits = stand_in.log(since).iter().filter(|entry| entry.kind == "COMMIT").count();
    let rate = (case.tables * case.events) as f64 / seconds;
    Some(Measured { seconds, requests, commits, rate })
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn slow_statements() {
    println!("| what | time | events per second | requests | COMMITs |\n|---|---|---|---|---|");
    // A part of the name of a case runs only this one.
    let wanted = std::env::var("CASE").unwrap_or_default();
    for case in CASES.iter().filter(|case| case.what.contains(&wanted)) {
        let Some(Measured { seconds, requests, commits, rate }) = run(case, DELAY) else { return };
        println!("| {} | {seconds:.1} s | {rate:.0} | {requests} | {commits} |", case.what);
    }
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn slow_batches() {
    println!("| events per batch, tables | 50 ms | 300 ms | 1,000 ms |\n|---|---|---|---|");
    for (tables, events) in [(1, 1_000), (1, 10_000), (6, 1_000), (6, 10_000), (50, 1_000), (50, 10_000)] {
        let case = Case {
            what: "",
            tables,
            events: events / tables,
            partitions: 1,
            tasks: 1,
            is_new: false,
            is_running: true,
            batch: "max_wait = \"3s\"\n",
        };
        print!("| {events}, {tables} |");
        for delay in [0.05, 0.3, 1.0] {
            let Some(Measured { seconds, rate, .. }) = run(&case, delay) else { return };
            print!(" {seconds:.2} s, {rate:.0} events/s |");
        }
        println!();
    }
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn slow_stages() {
    println!("| events in a batch | bound or staged | 300 ms | 1,000 ms |\n|---|---|---|---|");
    let ways = [
        ("bound", "stage_rows = \"never\"\nmax_statement_bytes = 100000\n"),
        ("staged", "stage_rows = \"require\"\nstage_from_bytes = 1000\n"),
    ];
    // The name of a way runs only this one.
    let wanted = std::env::var("CASE").unwrap_or_default();
    let events = 40_000;
    let case = Case {
        what: "",
        tables: 1,
        events,
        partitions: 1,
        tasks: 1,
        is_new: false,
        is_running: true,
        batch: "max_records = 100000\nmax_bytes = \"64 MiB\"\nmax_wait = \"3s\"\n[limits]\nmemory = \"512 MiB\"\n",
    };
    for (name, sink) in ways.iter().filter(|(name, _)| name.contains(&wanted)) {
        print!("| {events} | {name} |");
        for delay in [0.3, 1.0] {
            let Some(Measured { seconds, requests, .. }) = run_with(&case, delay, sink) else { return };
            print!(" {seconds:.2} s, {requests} requests |");
        }
        println!();
    }
}
