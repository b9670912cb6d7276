//! A value in one of a thousand rows that Snowflake rejects.

use serde_json::{Value as Json, json};
use tidegate_tests::StandIn;

use super::{
    Trial,
    shop::{self, change},
    trial::WHOLE,
};

const ROWS: i64 = 1_000;
const BAD: i64 = 617;
const SKIP: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";

/// A trial with a thousand orders, one of which has an invalid date. The sink cannot detect it: in the source the
/// column is a text, and in the table, which the user has created, a date.
fn trial<'s>(stand_in: &'s StandIn, name: &str) -> Trial<'s> {
    let trial = Trial::empty(stand_in, name);
    let _status = trial.query(&format!(
        "CREATE TABLE {} (\"id\" NUMBER(38,0) NOT NULL, \"day\" DATE, PRIMARY KEY (\"id\"))",
        trial.table("orders")
    ));
    let events: Vec<(String, String)> = (0..ROWS)
        .map(|id| {
            let day = if id == BAD { "2024-02-31" } else { "2024-02-29" };
            let event = change("orders", "c", id + 1, Json::Null, json!({ "id": id, "day": day }));
            (json!({ "id": id }).to_string(), event)
        })
        .collect();
    trial
        .broker
        .produce(events.iter().map(|(key, event)| (shop::ORDERS, 0, Some(key.as_str()), Some(event))));
    trial
}

fn ids(trial: &Trial<'_>) -> Vec<i64> {
    let rows = trial.select("\"id\"", "orders");
    let id = |row: &Vec<Option<String>>| row[0].as_ref().and_then(|id| id.parse().ok()).expect("a number");
    rows.iter().map(id).collect()
}

#[test]
fn one_bad_row_of_a_thousand_fails_the_task_and_is_reported() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = trial(&stand_in, "one_bad_row");
    trial.connector("", WHOLE);
    let finished = trial.run_once().expect_code(3);
    let line = finished.expect_log(&format!("rejected {}-0 offset {BAD}: ", shop::ORDERS));
    let query = trial.log().into_iter().rfind(|entry| entry.code.as_deref() == Some("100071"));
    assert!(query.is_some(), "{:#?}", trial.log());
    for part in ["MERGE into \"TIDEGATE\".\"ONE_BAD_ROW\".\"orders\"", "(100071/22000, query "] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(finished.count_log(&format!("rejected {}-0 offset ", shop::ORDERS)), 1, "{}", finished.stderr);
    assert!(trial.committed().unwrap_or(0) <= BAD, "{:?}", trial.committed());
    // Rows before the bad one may have been written; the others are read again.
    assert!(ids(&trial).iter().all(|id| *id < BAD));
}

#[test]
fn one_bad_row_of_a_thousand_is_dropped_with_tolerance_all() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    drop_one_bad_row(&trial(&stand_in, "all_but_one"), "");
}

#[test]
fn one_bad_row_of_a_thousand_in_a_stage_is_dropped_with_tolerance_all() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = trial(&stand_in, "all_but_one_staged");
    drop_one_bad_row(&trial, "stage_rows = \"require\"\nstage_from_bytes = \"10 kB\"\n");
    let uploads = trial.count("UPLOAD");
    println!("{uploads} uploads");
    assert!(uploads > 2, "{uploads}");
    assert_eq!(trial.staged_files(), []);
}

#[track_caller]
fn drop_one_bad_row(trial: &Trial<'_>, sink: &str) {
    trial.connector_as(
        &trial.stand_in.options(),
        sink,
        &format!("[batch]\n{WHOLE}{SKIP}[restart]\npolicy = \"never\"\n"),
    );
    let finished = trial.run_once().expect_code(0);
    let line = finished.expect_log("record skipped: ");
    assert!(line.contains(&format!("topic={} partition=0 offset={BAD}", shop::ORDERS)), "{line}");
    assert!(line.contains("100071/22000, query "), "{line}");
    let expected: Vec<i64> = (0..ROWS).filter(|id| *id != BAD).collect();
    assert_eq!(ids(trial), expected);
    assert_eq!(trial.committed(), Some(ROWS));
    let merges = trial.count("MERGE");
    println!("{merges} MERGE statements to find one row of {ROWS}");
    // By bisection, not one by one.
    assert!(merges < 60, "{merges}");
}

#[test]
fn the_value_of_a_bad_row_is_not_logged() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = trial(&stand_in, "no_values");
    trial.connector("", WHOLE);
    let finished = trial.run_once().expect_code(3);
    let texts: Vec<String> = trial.log().into_iter().filter_map(|entry| entry.sql).collect();
    assert!(texts.iter().all(|sql| !sql.contains("2024-02-")), "{texts:#?}");
    assert!(!finished.stderr.contains("USING ("), "{}", finished.stderr);
}
