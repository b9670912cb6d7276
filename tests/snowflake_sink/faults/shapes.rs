//! Tables and rows that do not suit each other: a clear error or a rejected record, never a wrong row, never a lost one.

use serde_json::{Value as Json, json};
use tidegate_tests::{Finished, StandIn};

use super::{
    Trial,
    shop::{self, change},
    trial::NO_RESTART,
};

const SKIP: &str = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";

type Row = Vec<Option<String>>;
/// A name, the sink's options, key and row of the second order, and the parts of the error.
type Scene<'a> = (&'a str, &'a str, Option<Json>, Json, &'a [&'a str]);

/// Sends orders, each with its key as JSON and its row.
fn send(trial: &Trial<'_>, rows: impl IntoIterator<Item = (Option<Json>, Json)>) {
    let events: Vec<(Option<String>, String)> = rows
        .into_iter()
        .zip(1..)
        .map(|((key, row), lsn)| {
            (key.map(|key| key.to_string()), change("orders", "c", lsn, Json::Null, row))
        })
        .collect();
    trial.broker.produce(events.iter().map(|(key, event)| (shop::ORDERS, 0, key.as_deref(), Some(event))));
}

fn plain(id: i64) -> (Option<Json>, Json) {
    (Some(json!({ "id": id })), json!({ "id": id, "v": format!("v{id}") }))
}

fn texts(rows: &[[&str; 2]]) -> Vec<Row> {
    rows.iter().map(|row| row.iter().map(|text| Some((*text).to_owned())).collect()).collect()
}

fn connector(trial: &Trial<'_>, sink: &str, more: &str) {
    trial.connector_as(&trial.stand_in.options(), sink, &format!("{NO_RESTART}{more}"));
}

/// Checks that the second of three orders is rejected for a reason with all `parts`: first the task fails at it, then,
/// with tolerance, the other two are written.
#[track_caller]
fn expect_second_refused(trial: &Trial<'_>, sink: &str, second: (Option<Json>, Json), parts: &[&str]) {
    send(trial, [plain(1), second, plain(3)]);
    connector(trial, sink, "");
    let finished = trial.run_once().expect_code(3);
    let line = finished.expect_log(&format!("rejected {}-0 offset 1: ", shop::ORDERS));
    expect_parts(line, parts);
    assert!(trial.committed().unwrap_or(0) <= 1, "{:?}", trial.committed());
    connector(trial, sink, SKIP);
    let finished = trial.run_once().expect_code(0);
    expect_parts(finished.expect_log("record skipped: "), parts);
    expect_first_and_third(trial, &finished, sink.contains("upper"));
    assert_eq!(trial.committed(), Some(3));
}

fn expect_parts(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[track_caller]
fn expect_first_and_third(trial: &Trial<'_>, finished: &Finished, upper: bool) {
    let (columns, table) = if upper { ("\"ID\", \"V\"", "ORDERS") } else { ("\"id\", \"v\"", "orders") };
    assert_eq!(trial.select(columns, table), texts(&[["1", "v1"], ["3", "v3"]]), "{}", finished.stderr);
}

#[test]
fn rows_that_cannot_be_written_are_rejected_by_offset() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let key = Some(json!({ "id": 2 }));
    let scenes: [Scene<'_>; 8] = [
        (
            "clash",
            "identifiers = \"upper\"\n",
            key.clone(),
            json!({ "id": 2, "v": "x", "V": "y" }),
            &["two columns of the source map to \"V\"", "identifiers = \"preserve\""],
        ),
        (
            "metadata_name",
            "",
            key.clone(),
            json!({ "id": 2, "v": "x", "_cdc_operation": "mine" }),
            &["\"_cdc_operation\"", "one of its own columns"],
        ),
        ("no_key", "", None, json!({ "id": 2, "v": "x" }), &["the record has no key"]),
        (
            "null_key",
            "",
            Some(json!({ "id": null })),
            json!({ "id": null, "v": "x" }),
            &["key column \"id\" is null"],
        ),
        (
            "missing_key",
            "tables.orders.key_columns = [\"id\"]\n",
            Some(json!({ "other": 2 })),
            json!({ "v": "x" }),
            &["the record has no key column \"id\""],
        ),
        (
            "too_large",
            "type_conflict = \"fail\"\n",
            key.clone(),
            json!({ "id": 2, "v": "x", "small": 10_i64.pow(18) }),
            &[
                "column \"small\" of \"TIDEGATE\".\"TOO_LARGE\".\"orders\" is BOOLEAN and cannot hold \"1000000000000000000\"",
            ],
        ),
        ("empty_name", "", key.clone(), json!({ "id": 2, "v": "x", "": 1 }), &["it is empty"]),
        ("nul_name", "", key, json!({ "id": 2, "v": "x", "a\u{0}b": 1 }), &["it contains a NUL character"]),
    ];
    for (name, sink, key, row, parts) in scenes {
        let trial = Trial::empty(&stand_in, name);
        if name == "too_large" {
            let _status = trial.query(&format!(
                "CREATE TABLE {} (\"id\" NUMBER(38,0) NOT NULL, \"v\" VARCHAR, \"small\" BOOLEAN)",
                trial.table("orders")
            ));
        }
        expect_second_refused(&trial, sink, (key, row), parts);
    }
}

#[test]
fn a_metadata_column_of_another_type_fails_the_task() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = Trial::new(&stand_in, "metadata_type");
    let _status = trial.query(&format!(
        "CREATE TABLE {} (\"id\" NUMBER(38,0) NOT NULL, \"_cdc_timestamp\" VARCHAR)",
        trial.table("orders")
    ));
    let finished = trial.run_once().expect_code(3);
    let line = finished
        .expect_log("column \"_cdc_timestamp\" of \"TIDEGATE\".\"METADATA_TYPE\".\"orders\" is VARCHAR");
    expect_parts(line, &["must be TIMESTAMP_TZ", "rename it, or let the sink create the table", " ERROR "]);
    assert_eq!(trial.select("\"id\"", "orders"), Vec::<Row>::new());
    let _status = trial.query(&format!("DROP TABLE {}", trial.table("orders")));
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
}

/// A table of the user whose columns are too narrow for the rows.
fn narrow<'s>(stand_in: &'s StandIn, name: &str) -> Trial<'s> {
    let trial = Trial::empty(stand_in, name);
    let _status = trial.query(&format!(
        "CREATE TABLE {} (\"id\" NUMBER(5,0) NOT NULL, \"v\" VARCHAR(3))",
        trial.table("orders")
    ));
    let large = json!({ "id": 123_456_789, "v": "four" });
    send(
        &trial,
        [
            (Some(json!({ "id": 1 })), json!({ "id": 1, "v": "one" })),
            (Some(json!({ "id": 123_456_789 })), large),
        ],
    );
    trial
}

#[test]
fn narrow_columns_are_widened() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = narrow(&stand_in, "narrow");
    connector(&trial, "", "");
    let finished = trial.run_once().expect_code(0);
    assert_eq!(trial.select("\"id\", \"v\"", "orders"), texts(&[["1", "one"], ["123456789", "four"]]));
    assert_eq!(finished.count_log("Table altered: ALTER COLUMN"), 2, "{}", finished.stderr);
}

/// Splits statements at semicolons, except within string literals.
fn split(statements: &str) -> Vec<&str> {
    let mut is_text = false;
    let parts = statements.split(|character| {
        is_text ^= character == '\'';
        character == ';' && !is_text
    });
    parts.map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

#[test]
fn without_schema_evolution_the_statement_to_run_is_logged() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = narrow(&stand_in, "fixed");
    connector(&trial, "schema_evolution = \"off\"\n", "");
    // Each run logs the next statement, which can be executed unchanged.
    let mut runs = 0;
    let finished = loop {
        let finished = trial.run_once();
        let Some((_, rest)) = finished.stderr.split_once("run `") else { break finished };
        let (statements, _) = rest.split_once('`').expect("an end of the statement");
        for statement in split(statements) {
            let _status = trial.query(statement);
        }
        runs += 1;
        assert!(runs < 6, "{}", finished.stderr);
    };
    let finished = finished.expect_code(0);
    assert_eq!(trial.select("\"id\", \"v\"", "orders"), texts(&[["1", "one"], ["123456789", "four"]]));
    assert_eq!(finished.count_log(" ERROR "), 0);
    assert!(
        trial.log().iter().all(|entry| !entry.kind.starts_with("ALTER") && !entry.kind.starts_with("CREATE"))
    );
}

#[test]
fn values_that_do_not_fit_go_to_the_variant_column() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    for (conflict, column, expected) in [("variant", "v__variant", "\"maybe\""), ("text", "v__text", "maybe")]
    {
        let trial = Trial::empty(&stand_in, &format!("beside_{conflict}"));
        let _status = trial.query(&format!(
            "CREATE TABLE {} (\"id\" NUMBER(38,0) NOT NULL, \"v\" BOOLEAN)",
            trial.table("orders")
        ));
        let row = |id: i64, v: Json| (Some(json!({ "id": id })), json!({ "id": id, "v": v }));
        send(&trial, [row(1, json!(true)), row(2, json!("maybe")), row(3, json!(null))]);
        connector(&trial, &format!("type_conflict = \"{conflict}\"\n"), "");
        let _finished = trial.run_once().expect_code(0);
        let found = trial.select(&format!("\"id\", \"v\", \"{column}\""), "orders");
        let text = |text: &str| Some(text.to_owned());
        let expected: Vec<Row> = vec![
            vec![text("1"), text("true"), None],
            vec![text("2"), None, text(expected)],
            vec![text("3"), None, None],
        ];
        assert_eq!(found, expected, "{conflict}");
    }
}
