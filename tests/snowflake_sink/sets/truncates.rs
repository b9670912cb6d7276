//! Truncates, within a batch and alone.

use serde_json::json;

use super::{Connector, Event, Pipe, Source};

/// Rows are inserted, the table is truncated, and others are inserted; the last events are for rows from before the
/// truncate.
fn events(table: &mut Source) -> Vec<Event> {
    vec![
        table.insert(json!({ "id": 1, "v": "before" })),
        table.insert(json!({ "id": 2, "v": "before" })),
        table.truncate(),
        table.insert(json!({ "id": 2, "v": "behind" })),
        table.insert(json!({ "id": 3, "v": "behind" })),
    ]
}

const ALL: [&str; 4] = ["1 before c", "2 before c", "2 behind c", "3 behind c"];

#[track_caller]
fn run(test: &str, key: &'static [&'static str], sink: &str, batch: usize) -> Option<Vec<String>> {
    let pipe = Pipe::find(test)?;
    pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
    let mut orders = Source::new("views", key);
    let events = events(&mut orders);
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    let mut rows = pipe.select("\"id\", \"v\", \"_cdc_operation\"", "views");
    rows.sort();
    Some(rows)
}

#[test]
fn a_truncate_removes_earlier_rows() {
    for batch in [1, 100] {
        let Some(rows) = run(&format!("truncate_{batch}"), &["id"], "", batch) else { return };
        assert_eq!(rows, ["2 behind c", "3 behind c"]);
    }
}

#[test]
fn a_truncate_soft_deletes_earlier_rows() {
    for batch in [1, 100] {
        let sink = "delete_mode = \"soft\"\n";
        let Some(rows) = run(&format!("truncate_soft_{batch}"), &["id"], sink, batch) else { return };
        assert_eq!(rows, ["1 before d", "2 behind c", "3 behind c"]);
    }
}

#[test]
fn truncates_are_ignored_if_configured() {
    for batch in [1, 100] {
        let sink = "truncate = \"ignore\"\n";
        let Some(rows) = run(&format!("truncate_ignore_{batch}"), &["id"], sink, batch) else { return };
        assert_eq!(rows, ["1 before c", "2 behind c", "3 behind c"]);
    }
}

/// A table without a key and without a column that looks like one.
#[track_caller]
fn run_keyless(test: &str, sink: &str, batch: usize) -> Option<Vec<String>> {
    let pipe = Pipe::find(test)?;
    pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
    let mut views = Source::new("views", &[]);
    let events = [
        views.insert(json!({ "page": 1 })),
        views.insert(json!({ "page": 1 })),
        views.truncate(),
        views.insert(json!({ "page": 2 })),
        views.insert(json!({ "page": 2 })),
    ];
    views.send(&pipe.broker, events);
    let _finished = pipe.run();
    Some(pipe.select("\"page\", \"_cdc_operation\"", "views"))
}

#[test]
fn a_truncate_removes_rows_without_a_key() {
    for batch in [1, 100] {
        let Some(rows) = run_keyless(&format!("truncate_keyless_{batch}"), "", batch) else { return };
        assert_eq!(rows, ["2 c", "2 c"]);
    }
    let Some(rows) = run_keyless("truncate_keyless_soft", "delete_mode = \"soft\"\n", 100) else { return };
    assert_eq!(rows, ["1 d", "1 d", "2 c", "2 c"]);
}

#[test]
fn append_mode_keeps_rows_after_a_truncate() {
    let Some(rows) = run("truncate_append", &["id"], "mode = \"append\"\n", 100) else { return };
    assert_eq!(
        rows.iter().filter(|row| !row.ends_with(" t")).collect::<Vec<_>>(),
        ALL.iter().collect::<Vec<_>>()
    );
    assert_eq!(rows.len(), 5);
}

#[test]
fn truncates_are_rejected_if_configured() {
    let Some(pipe) = Pipe::find("truncate_fail") else { return };
    let mut orders = Source::new("orders", &["id"]);
    let events = events(&mut orders);
    orders.send(&pipe.broker, events);
    pipe.connector(Connector { sink: "truncate = \"fail\"\n", ..Connector::default() });
    let failed = pipe.run_with_code(3);
    let line = failed.expect_log("truncate = \"fail\"");
    assert!(line.contains("cdc.public.orders-0 offset 2"), "{line}");
    let sink = "truncate = \"fail\"\n";
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { sink, more, ..Connector::default() });
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\", \"v\"", "orders"), ["1 before", "2 behind", "3 behind"]);
}
