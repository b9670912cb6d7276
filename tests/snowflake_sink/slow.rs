//! Measurement: tables and flushes when every statement takes 300 ms, as in a real account.
//!
//! `cargo test --workspace --test snowflake -- --ignored slow_statements --nocapture` prints the table for
//! `docs/performance.md`. The stand-in delays every login and every statement. The test only asserts that all rows arrive.

use std::time::Instant;

use serde_json::json;
use tidegate_tests::{Broker, Home, LogEntry, StandIn};

/// The connector's name.
const NAME: &str = "slow";
/// What every statement takes longer.
const DELAY: &str = "delay:0.3";
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
    /// Additions to `[batch]`.
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
        batch: "",
    },
    Case {
        what: "1,000 events over 6 tables, one flush",
        tables: 6,
        events: 167,
        partitions: 1,
        tasks: 1,
        is_new: false,
        batch: "",
    },
    Case {
        what: "5,000 events over 50 tables, one flush",
        tables: 50,
        events: 100,
        partitions: 1,
        tasks: 1,
        is_new: false,
        batch: "",
    },
    Case {
        what: "6,000 events, 6 tables, 8 partitions, 1 task",
        tables: 6,
        events: 1_000,
        partitions: 8,
        tasks: 1,
        is_new: false,
        batch: "max_records = 500\n",
    },
    Case {
        what: "6,000 events, 6 tables, 8 partitions, 4 tasks",
        tables: 6,
        events: 1_000,
        partitions: 8,
        tasks: 4,
        is_new: false,
        batch: "max_records = 500\n",
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
    let partition = (id % partitions as usize) as i32;
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

/// Seconds from the first BEGIN after the claims to the response to the last COMMIT, or for new tables from the first
/// request; and the number of requests in this time.
fn measured(log: &[LogEntry], is_new: bool) -> (f64, usize) {
    let is_claim = |entry: &&LogEntry| entry.tag.as_deref().is_some_and(|tag| tag.ends_with("claim"));
    let is_begin = |entry: &&LogEntry| entry.kind == "BEGIN" && !is_claim(entry);
    let first = if is_new { log.first() } else { log.iter().find(is_begin) };
    let since = first.expect("a flush").time;
    let commits = log.iter().filter(|entry| entry.kind == "COMMIT");
    let end = commits.filter_map(|entry| entry.done).fold(0.0, f64::max);
    (end - since, log.iter().filter(|entry| entry.time >= since && entry.time < end).count())
}

fn run(case: &Case) {
    let Some(stand_in) = StandIn::start(&[]) else { return };
    let broker = Broker::start();
    (0..case.tables).for_each(|table| broker.topic(&topic(table), case.partitions));
    let home = Home::new(&["snowflake-sink"]);
    home.connector(
        NAME,
        &format!(
            "tasks = {}\n[source]\ntopics_regex = '^cdc[.]public[.]'\n[sink]\nplugin = \"snowflake\"\n[sink.config]\n{}\
             [batch]\nmax_wait = \"3s\"\n{}",
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
    let since = stand_in.log_end();
    send(&events(case, if case.is_new { 0 } else { 1_000_000 }));
    stand_in.fault_at(".", 1, 0, DELAY);
    let started = Instant::now();
    let _finished = home.run_once(&broker).expect_code(0);
    let (seconds, requests) = measured(&stand_in.log(since), case.is_new);
    let flushed = stand_in.log(since).iter().filter(|entry| entry.kind == "COMMIT").count();
    let rate = (case.tables * case.events) as f64 / seconds;
    println!(
        "| {} | {seconds:.1} s | {rate:.0} | {requests} | {flushed} | {:.1} s |",
        case.what,
        started.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn slow_statements() {
    println!(
        "| what | time | events per second | requests | COMMITs | whole run |\n|---|---|---|---|---|---|"
    );
    // A part of the name of a case runs only this one.
    let wanted = std::env::var("CASE").unwrap_or_default();
    CASES.iter().filter(|case| case.what.contains(&wanted)).for_each(run);
}
