//! Updates and deletes without a matching row.

use serde_json::json;

use super::{Connector, Pipe, Source};

#[track_caller]
fn rows_after(test: &str, sink: &str, batch: usize) -> Option<(Vec<String>, String)> {
    let pipe = Pipe::find(test)?;
    pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events = [
        orders.insert(json!({ "id": 1, "v": "new" })),
        orders.update(json!({ "id": 71, "v": "changed" })),
        orders.update(json!({ "id": 1, "v": "changed" })),
        orders.delete(json!({ "id": 81 })),
    ];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    let rows = pipe.select("\"id\", \"v\", \"_cdc_operation\"", "orders");
    Some((rows, finished.stderr))
}

fn warning(log: &str) -> Option<&str> {
    log.lines().find(|line| line.contains(" WARN ") && line.contains("matched no row"))
}

#[test]
fn an_update_without_a_row_inserts_it() {
    for batch in [1, 100] {
        let Some((rows, log)) = rows_after(&format!("missing_insert_{batch}"), "", batch) else { return };
        assert_eq!(rows, ["1 changed u", "71 changed u"]);
        let line = warning(&log).expect("a warning");
        assert!(line.contains("71") && line.contains("orders") && line.contains("inserted"), "{line}");
    }
}

#[test]
fn an_update_without_a_row_is_skipped_if_configured() {
    for batch in [1, 100] {
        let sink = "update_missing = \"skip\"\n";
        let Some((rows, log)) = rows_after(&format!("missing_skip_{batch}"), sink, batch) else { return };
        assert_eq!(rows, ["1 changed u"]);
        let line = warning(&log).expect("a warning");
        assert!(line.contains("71") && line.contains("orders") && line.contains("skipped"), "{line}");
    }
}

#[test]
fn both_keys_of_a_batch_are_reported() {
    let Some((_, log)) = rows_after("missing_named", "", 4) else { return };
    let line = warning(&log).expect("a warning");
    assert!(line.contains("71") && line.contains("81") && line.contains("2 updates or deletes"), "{line}");
}

#[test]
fn updates_without_a_row_are_not_reported_if_configured() {
    let Some((rows, log)) = rows_after("missing_quiet", "unmatched = \"ignore\"\n", 100) else { return };
    assert_eq!(rows, ["1 changed u", "71 changed u"]);
    assert_eq!(warning(&log), None);
}
