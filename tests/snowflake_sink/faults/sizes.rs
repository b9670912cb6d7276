//! Statements that are too large are split. If that does not help, the record is reported.

use serde_json::{Value as Json, json};
use tidegate_tests::StandIn;

use super::{
    Trial,
    shop::{self, change},
    trial::WHOLE,
};

const ORDERS: &str = "^MERGE INTO [^ ]*\"orders\"";

#[test]
fn a_statement_that_is_too_large_is_split() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    // The last one exceeds the statement timeout, which splitting can fix too.
    let scenes = [
        ("by_size", "", "code:001795:54001", "001795/54001"),
        ("by_value", "", "code:100069:22P02", "100069/22P02"),
        ("by_time", "statement_timeout = \"1s\"\n", "delay:5", "000630/57014"),
    ];
    for (name, sink, action, code) in scenes {
        let trial = Trial::new(&stand_in, name);
        trial.connector(&format!("max_statement_bytes = 10000\n{sink}"), WHOLE);
        let finished = trial.run_past(ORDERS, 1, 1, action);
        let line = finished.expect_log(code);
        assert!(line.contains("MERGE into ") && line.contains("query "), "{line}");
        let merges = merges(&trial);
        // The rejected statement, and its halves.
        assert!(merges >= 3, "{merges} statements");
        println!("{action}: {merges} statements");
    }
}

#[test]
fn a_single_row_that_is_too_large_is_reported_by_offset() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = Trial::new(&stand_in, "never_small_enough");
    stand_in.fault_at(ORDERS, 1, 0, "code:100069:22P02");
    let finished = trial.run_once().expect_code(3);
    let line = finished.expect_log("rejected cdc.public.orders-0 offset 0");
    assert!(line.contains("100069/22P02") && line.contains("NEVER_SMALL_ENOUGH\".\"orders\""), "{line}");
    assert_eq!(trial.select("\"id\"", "orders"), Vec::<Vec<Option<String>>>::new());
    assert_eq!(trial.broker.committed("connect-never_small_enough", shop::ORDERS, 0).unwrap_or(0), 0);
}

#[test]
fn values_that_snowflake_cannot_hold_are_rejected_by_column_before_they_are_sent() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::empty(&stand_in, "large_values");
    let sink = "max_value_bytes = 4000\ntables.orders.columns = { photo = \"binary\" }\n";
    trial.connector_as(
        &stand_in.options(),
        sink,
        &format!("[source.columns]\n\"orders.photo\" = \"bytes\"\n[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n[batch]\n{WHOLE}"),
    );
    let fits = "x".repeat(3_000);
    let rows = [
        json!({ "id": 0, "body": fits, "photo": null }),
        json!({ "id": 1, "body": "x".repeat(5_000), "photo": null }),
        // Half of the limit as text, and all of it as JSON in JSON.
        json!({ "id": 2, "body": "\"".repeat(2_000), "photo": null }),
        // Twice the limit of a BINARY, and below that of the row in base64.
        json!({ "id": 3, "body": null, "photo": "A".repeat(3_600) }),
        json!({ "id": 4, "body": "x".repeat(2_000), "note": "x".repeat(2_000) }),
        json!({ "id": 5, "body": "small", "photo": "AAAA" }),
    ];
    let events: Vec<(String, String)> = rows
        .iter()
        .map(|row| {
            let id = row["id"].as_i64().expect("a number");
            let event = change("orders", "c", id + 1, Json::Null, row.clone());
            (json!({ "id": id }).to_string(), event)
        })
        .collect();
    let events = events.iter().map(|(key, event)| (shop::ORDERS, 0, Some(key.as_str()), Some(event)));
    trial.broker.produce(events);
    let finished = trial.run_once().expect_code(0);
    for (offset, expected) in [
        (1, "in column \"body\""),
        (2, "in column \"body\""),
        (3, "column \"photo\""),
        (4, "the row takes 4"),
    ] {
        let line = finished.expect_log(&format!("topic={} partition=0 offset={offset}", shop::ORDERS));
        assert!(line.contains(expected) && line.contains("LARGE_VALUES\".\"orders\""), "{line}");
    }
    let kept = trial.select("\"id\", LENGTH(\"body\")", "orders");
    let text = |id: &str, length: &str| vec![Some(id.to_owned()), Some(length.to_owned())];
    assert_eq!(kept, [text("0", "3000"), text("5", "5")]);
    let refused = trial.log().into_iter().find(|entry| entry.code.is_some());
    assert!(refused.is_none(), "{refused:?}");
}

#[test]
fn statements_stay_below_their_size() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "small_statements");
    trial.connector("max_statement_bytes = 1000\n", WHOLE);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    let merges = merges(&trial);
    // There are sixty rows of more than eighty bytes each.
    assert!(merges > 4, "{merges} statements");
}

fn merges(trial: &Trial<'_>) -> usize {
    let log = trial.log();
    let is_merge = |sql: &str| {
        sql.starts_with("MERGE INTO") && sql.lines().next().is_some_and(|line| line.contains("\"orders\""))
    };
    log.iter().filter(|entry| entry.sql.as_deref().is_some_and(is_merge)).count()
}
