//! Tables of the user's own, with SQLite's peculiarities.

use serde_json::json;
use tidegate_tests::change_events::{Event, Source};

use super::File;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
};

fn pipe(test: &str) -> Pipe<File> {
    Pipe::find(test).expect("SQLite needs no server")
}

#[test]
fn values_that_the_affinity_of_a_column_would_change_go_beside() {
    let pipe = pipe("affinity");
    pipe.probe
        .execute("CREATE TABLE bills (id INTEGER PRIMARY KEY, total DECIMAL(20,2), code NUMERIC, day DATE)");
    let mut bills = Source::new("bills", &["id"]);
    let rows = [
        json!({ "id": 1, "total": "12.50", "code": "A7", "day": "2024-02-29" }),
        json!({ "id": 2, "total": "12345678901234567.89", "code": "007", "day": "12" }),
    ];
    let events: Vec<Event> = rows.into_iter().map(|row| bills.insert(row)).collect();
    bills.send(&pipe.broker, events);
    let _finished = pipe.run();
    let columns = "id, total, total__variant, code, code__variant, day, typeof(day)";
    assert_eq!(
        pipe.select(columns, "bills"),
        ["1 12.5 - A7 - 2024-02-29 text", "2 - \"12345678901234567.89\" - \"007\" 12 integer"]
    );
}

#[test]
fn strict_tables_without_rowid_and_with_generated_columns_are_written() {
    let pipe = pipe("strict");
    pipe.probe.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT, n ANY, twice INT AS (id * 2), more TEXT AS (v || '!') STORED) \
         STRICT, WITHOUT ROWID",
    );
    let mut orders = Source::new("orders", &["id"]);
    let events = [
        orders.insert(json!({ "id": 1, "v": "a", "n": 5 })),
        orders.insert(json!({ "id": 2, "v": "b", "n": "5" })),
        orders.update(json!({ "id": 2, "v": "c", "n": "5" })),
        orders.delete(json!({ "id": 1 })),
    ];
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(pipe.select("id, v, typeof(n), twice, more", "orders"), ["2 c text 4 c!"]);
}

#[test]
fn a_view_is_refused_with_the_option_to_set() {
    let pipe = pipe("view");
    pipe.probe.execute("CREATE TABLE base (id); CREATE VIEW orders AS SELECT id FROM base");
    let mut orders = Source::new("orders", &["id"]);
    let insert = orders.insert(json!({ "id": 1 }));
    orders.send(&pipe.broker, [insert]);
    let finished = pipe.home.run_once(&pipe.broker).expect_code(3);
    let line = finished.expect_log("it is a view");
    assert!(line.contains("[sink.config.tables]"), "{line}");
}

#[test]
fn foreign_keys_of_the_user_do_not_order_the_tables() {
    let pipe = pipe("foreign_keys");
    pipe.probe.execute(
        "CREATE TABLE lines (id INTEGER PRIMARY KEY, bill INTEGER REFERENCES bills (id)); CREATE TABLE bills (id INTEGER PRIMARY KEY)",
    );
    let mut lines = Source::new("lines", &["id"]);
    let insert = lines.insert(json!({ "id": 1, "bill": 7 }));
    lines.send(&pipe.broker, [insert]);
    let _finished = pipe.run();
    assert_eq!(pipe.select("id, bill", "lines"), ["1 7"]);
}

#[test]
fn odd_values_and_names_are_stored_exactly() {
    let pipe = pipe("odd");
    let mut orders = Source::new("orders", &["id"]);
    let text = "a\u{0}b \"quoted\" 'single' \\ \u{1f9ca}\n";
    let row =
        json!({ "id": 1, "t\"x": text, "select": 9_007_199_254_740_993_i64, "ä": 0.1, "_rowid_": true });
    let insert = orders.insert(row);
    orders.send(&pipe.broker, [insert]);
    let _finished = pipe.run();
    let found = pipe.probe.query("SELECT \"t\"\"x\", \"select\", \"ä\", \"_rowid_\" FROM orders").remove(0);
    let found: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    assert_eq!(found, [text, "9007199254740993", "0.1", "1"]);
}

#[test]
fn names_that_sqlite_reserves_are_rejected_alone() {
    let pipe = pipe("reserved");
    let mut reserved = Source::new("sqlite_orders", &["id"]);
    let mut orders = Source::new("orders", &["id"]);
    let (bad, good) = (reserved.insert(json!({ "id": 1 })), orders.insert(json!({ "id": 2 })));
    reserved.send(&pipe.broker, [bad]);
    orders.send(&pipe.broker, [good]);
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { more, ..Connector::default() });
    let finished = pipe.run();
    let line = finished.expect_log("record skipped: ");
    assert!(line.contains("reserved for internal use"), "{line}");
    assert_eq!(pipe.select("id", "orders"), ["2"]);
}

#[test]
fn tables_whose_names_differ_only_in_case_are_not_mixed() {
    let pipe = pipe("case");
    let (mut lower, mut upper) = (Source::new("orders", &["id"]), Source::new("Orders", &["id"]));
    let (one, other) = (lower.insert(json!({ "id": 1 })), upper.insert(json!({ "id": 2 })));
    lower.send(&pipe.broker, [one]);
    upper.send(&pipe.broker, [other]);
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { more, ..Connector::default() });
    let finished = pipe.run();
    let line = finished.expect_log("record skipped: ");
    assert!(line.contains("would both become") && line.contains("{schema}_{table}"), "{line}");
    assert_eq!(pipe.select("COUNT(*)", "orders"), ["1"]);
}
