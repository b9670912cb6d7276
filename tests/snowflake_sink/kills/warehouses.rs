//! Several warehouses: each has its own transaction, and nothing is written twice if a host is killed between two.

use std::collections::BTreeSet;

use serde_json::json;
use tidegate_tests::LogEntry;

use super::{Scenario, change};

/// A warehouse for one table, and one for snapshots.
const SINK: &str =
    "snapshot_warehouse = \"SNAP_WH\"\n[sink.config.tables.\"public.audits\"]\nwarehouse = \"AUDIT_WH\"\n";
/// Warehouses in the order of their transactions.
const WAREHOUSES: [&str; 3] = ["SNAP_WH", "LOAD_WH", "AUDIT_WH"];
/// Two tables without a key.
const KEYLESS: [&str; 2] = ["views", "audits"];
/// Rows per table that the snapshot has read, and that were inserted after it.
const READ: i64 = 20;
const CAME: i64 = 30;
/// Events of `orders`: every row is read by the snapshot, then a third is updated and a third deleted.
const ORDERS: i64 = READ + 14;
/// Number of all events.
const ALL: i64 = 2 * (READ + CAME) + ORDERS;

/// One batch with all records, written by this number of lanes.
fn scenario(lanes: usize) -> Option<Scenario> {
    let batch = format!("max_records = {ALL}\nmax_wait = \"60s\"\n");
    let scenario = Scenario::find(&format!("lanes = {lanes}\n{SINK}"), &batch)?;
    let mut lsn = 0;
    let mut event = |table: &str, op: &str, id: i64| {
        lsn += 1;
        let snapshot = if op == "r" { "true" } else { "false" };
        change(table, op, lsn, snapshot, json!({ "id": id, "v": format!("{op} {id}") }))
    };
    for table in KEYLESS {
        // No column may look like a key.
        let row = |text: String| text.replace("\"id\"", "\"number\"");
        let read: Vec<String> = (0..READ).map(|id| row(event(table, "r", id))).collect();
        let came: Vec<String> = (READ..READ + CAME).map(|id| row(event(table, "c", id))).collect();
        scenario.broker.topic(&format!("cdc.public.{table}"), 1);
        scenario.broker.send(&format!("cdc.public.{table}"), read.into_iter().chain(came));
    }
    let read = (0..READ).map(|id| ("r", id));
    let changed = (0..READ).filter(|id| id % 3 == 0).map(|id| ("u", id));
    let gone = (0..READ).filter(|id| id % 3 == 1).map(|id| ("d", id));
    let orders: Vec<(String, String)> = read
        .chain(changed)
        .chain(gone)
        .map(|(op, id)| (json!({ "id": id }).to_string(), event("orders", op, id)))
        .collect();
    assert_eq!(orders.len() as i64, ORDERS);
    scenario.broker.topic("cdc.public.orders", 1);
    scenario.broker.produce(
        orders.iter().map(|(key, event)| ("cdc.public.orders", 0, Some(key.as_str()), Some(event.as_str()))),
    );
    Some(scenario)
}

/// The rows of `orders` at the end.
fn orders() -> Vec<Vec<Option<String>>> {
    let rows = (0..READ).filter(|id| id % 3 != 1);
    rows.map(|id| {
        let op = if id % 3 == 0 { "u" } else { "r" };
        vec![Some(id.to_string()), Some(format!("{op} {id}"))]
    })
    .collect()
}

#[track_caller]
fn expect_all(scenario: &Scenario, log: &str) {
    for table in KEYLESS {
        scenario.expect_once(table, READ + CAME, log);
    }
    assert_eq!(scenario.query("SELECT \"id\", \"v\" FROM \"orders\" ORDER BY 1"), orders(), "{log}");
}

/// The successful writes: warehouse, and table.
fn writes(log: &[LogEntry]) -> Vec<(String, String)> {
    let is_write = |entry: &&LogEntry| entry.in_transaction && entry.done.is_some() && entry.code.is_none();
    let table = |entry: &LogEntry| {
        let sql = entry.sql.as_deref()?;
        let name = sql.strip_prefix("INSERT INTO ").or_else(|| sql.strip_prefix("MERGE INTO "))?;
        let name = name.split([' ', '\n']).next()?.rsplit('.').next()?.trim_matches('"');
        (!name.contains("_cdc_")).then(|| (entry.warehouse.clone().unwrap_or_default(), name.to_owned()))
    };
    log.iter().filter(is_write).filter_map(table).collect()
}

#[test]
fn every_statement_runs_in_its_warehouse() {
    let Some(scenario) = scenario(1) else { return };
    let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
    expect_all(&scenario, &finished.stderr);
    let log = scenario.stand_in.log(0);
    let mut found = writes(&log);
    found.sort();
    println!("{found:?}");
    assert_eq!(found, of_warehouse(&WAREHOUSES));
    // Each warehouse has its own offset for each partition.
    let moved = log.iter().filter(|entry| entry.sql.as_deref().is_some_and(|sql| sql.contains("__expected")));
    let moved: BTreeSet<&str> = moved.filter_map(|entry| entry.warehouse.as_deref()).collect();
    assert_eq!(moved, BTreeSet::from(WAREHOUSES));
    let rows = scenario.query("SELECT DISTINCT \"warehouse\" FROM \"_cdc_offsets_warehouse\" ORDER BY 1");
    let mut names = WAREHOUSES.map(|name| vec![Some(name.to_owned())]).to_vec();
    names.sort();
    assert_eq!(rows, names);
}

/// Kills the host during the `nth` statement that matches, and lets another one finish. Returns what the first has
/// written, and what the second.
#[track_caller]
fn die_at(pattern: &str, nth: usize, action: &str) -> Option<[Vec<(String, String)>; 2]> {
    let scenario = scenario(1)?;
    scenario.stand_in.fault_at(pattern, nth, 1, action);
    let mut host = scenario.start();
    let _statement = scenario.wait_for_fault(&mut host, 0, action);
    host.signal("KILL");
    let _finished = host.finish();
    let before = scenario.stand_in.log(0);
    let end = before.last().map_or(0, |entry| entry.number);
    let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
    expect_all(&scenario, &finished.stderr);
    let parts = [writes(&before), writes(&scenario.stand_in.log(end))].map(|mut writes| {
        writes.sort();
        writes
    });
    println!("{action} at {pattern}: before {:?}, after {:?}", parts[0], parts[1]);
    Some(parts)
}

/// What these warehouses have to write.
fn of_warehouse(warehouses: &[&str]) -> Vec<(String, String)> {
    let tables = |warehouse: &str| match warehouse {
        "AUDIT_WH" => vec!["audits"],
        "LOAD_WH" => vec!["orders", "views"],
        _ => vec!["audits", "orders", "views"],
    };
    let mut all = Vec::new();
    for warehouse in warehouses {
        all.extend(tables(warehouse).into_iter().map(|table| ((*warehouse).to_owned(), table.to_owned())));
    }
    all.sort();
    all
}

#[test]
fn a_kill_between_two_transactions_leaves_each_row_once() {
    let Some([before, after]) = die_at("^BEGIN", 2, "delay:30") else { return };
    assert_eq!(before, of_warehouse(&WAREHOUSES[..1]));
    assert_eq!(after, of_warehouse(&WAREHOUSES[1..]));
}

#[test]
fn a_kill_in_the_second_transaction_leaves_each_row_once() {
    let Some([before, after]) = die_at("^COMMIT", 2, "delay:30") else { return };
    assert_eq!(before, of_warehouse(&WAREHOUSES[..2]));
    assert_eq!(after, of_warehouse(&WAREHOUSES[1..]), "what was rolled back is written again");
}

#[test]
fn a_kill_after_the_second_commit_leaves_each_row_once() {
    let Some([before, after]) = die_at("^COMMIT", 2, "slow:0.3") else { return };
    assert_eq!(before, of_warehouse(&WAREHOUSES[..2]));
    assert_eq!(after, of_warehouse(&WAREHOUSES[2..]));
}

#[test]
fn kills_between_the_lanes_of_warehouses_leave_each_row_once() {
    for nth in 1..=5 {
        let Some(scenario) = scenario(4) else { return };
        scenario.stand_in.fault_at("^COMMIT", nth, 0, "delay:30");
        let mut host = scenario.start();
        let _statement = scenario.wait_for_fault(&mut host, 0, "delay:30");
        host.signal("KILL");
        let _finished = host.finish();
        scenario.stand_in.clear_faults();
        let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
        expect_all(&scenario, &finished.stderr);
    }
}
