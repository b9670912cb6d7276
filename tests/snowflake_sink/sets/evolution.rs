//! Schema evolution.

use serde_json::{Value as Json, json};

use super::{Connector, Event, Pipe, Source};

/// Writes each row in its own batch.
#[track_caller]
fn one_by_one(test: &str, sink: &str) -> Option<Pipe> {
    let pipe = Pipe::find(test)?;
    pipe.connector(Connector { sink, batch: Some(1), ..Connector::default() });
    Some(pipe)
}

#[test]
fn new_columns_are_added_and_removed_columns_stay() {
    for batch in [1, 100] {
        let Some(pipe) = Pipe::find(&format!("added_{batch}")) else { return };
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let mut users = Source::new("users", &["id"]);
        let events = [
            users.insert(json!({ "id": 1, "name": "a" })),
            users.insert(json!({ "id": 2, "name": "b", "tier": 3 })),
            users.insert(json!({ "id": 3, "name": "c", "tier": 4, "tags": ["x"] })),
            users.insert(json!({ "id": 4, "name": "d" })),
            users.update(json!({ "id": 2, "name": "b2" })),
        ];
        users.send(&pipe.broker, events);
        let _finished = pipe.run();
        let rows = pipe.select("\"id\", \"name\", \"tier\"", "users");
        assert_eq!(rows, ["1 a -", "2 b2 -", "3 c 4", "4 d -"]);
        assert_eq!(pipe.columns("users"), ["id fixed", "name text", "tags variant", "tier fixed"]);
    }
}

#[test]
fn a_column_without_a_type_waits_for_its_first_value() {
    let Some(pipe) = one_by_one("null_first", "") else { return };
    let mut users = Source::new("users", &["id"]);
    let events = [
        users.insert(json!({ "id": 1, "score": null })),
        users.insert(json!({ "id": 2, "score": true })),
        users.insert(json!({ "id": 3, "score": null })),
    ];
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(pipe.columns("users"), ["id fixed", "score boolean"]);
    assert_eq!(pipe.select("\"id\", \"score\"", "users"), ["1 -", "2 true", "3 -"]);
}

/// A decimal field with this precision and two fractional digits.
fn decimal_of(precision: &str) -> Json {
    let parameters = json!({ "scale": "2", "connect.decimal.precision": precision });
    json!([
        { "field": "id", "type": "int64", "optional": false },
        { "field": "amount", "type": "bytes", "optional": true, "name": "org.apache.kafka.connect.data.Decimal",
          "version": 1, "parameters": parameters },
    ])
}

#[test]
fn more_digits_widen_a_column() {
    let Some(pipe) = one_by_one("digits", "") else { return };
    let mut bills = Source::new("bills", &["id"]);
    bills.declare(decimal_of("5"));
    // 999.99, and 12345678.90
    let first = bills.insert(json!({ "id": 1, "amount": "AYaf" }));
    bills.declare(decimal_of("10"));
    let second = bills.insert(json!({ "id": 2, "amount": "SZYC0g==" }));
    bills.send(&pipe.broker, [first, second]);
    let finished = pipe.run();
    let line = finished.expect_log("Table altered");
    assert!(line.contains("ALTER COLUMN \"amount\" SET DATA TYPE NUMBER(10,2)"), "{line}");
    assert_eq!(pipe.select("\"id\", \"amount\"", "bills"), ["1 999.99", "2 12345678.90"]);
    assert_eq!(pipe.columns("bills"), ["amount fixed", "id fixed"]);
}

#[test]
fn longer_text_and_bytes_widen_a_column() {
    let Some(pipe) = one_by_one("longer", "") else { return };
    let table = pipe.schema.qualified_table("notes");
    let _status =
        pipe.schema.query(&format!("CREATE TABLE {table} (\"id\" NUMBER(3,0), \"note\" VARCHAR(5))"));
    let mut notes = Source::new("notes", &["id"]);
    let events = [
        notes.insert(json!({ "id": 1, "note": "short" })),
        notes.insert(json!({ "id": 2, "note": "longer than five" })),
        notes.insert(json!({ "id": 12345, "note": "äöüß€" })),
    ];
    notes.send(&pipe.broker, events);
    let finished = pipe.run();
    let _text = finished.expect_log("ALTER COLUMN \"note\" SET DATA TYPE VARCHAR");
    let _number = finished.expect_log("ALTER COLUMN \"id\" SET DATA TYPE NUMBER(5,0)");
    let rows = pipe.select("\"id\", \"note\"", "notes");
    assert_eq!(rows, ["1 short", "2 longer than five", "12345 äöüß€"]);
}

/// A number, a text and a number; then the row with the text gets a number too.
fn conflict(users: &mut Source) -> [Event; 3] {
    [
        users.insert(json!({ "id": 1, "score": 7 })),
        users.insert(json!({ "id": 2, "score": "seven" })),
        users.insert(json!({ "id": 3, "score": 8 })),
    ]
}

#[track_caller]
fn beside(test: &str, sink: &str, column: &str, kind: &str, shown: &str) {
    let Some(pipe) = one_by_one(test, sink) else { return };
    let mut users = Source::new("users", &["id"]);
    let events = conflict(&mut users);
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    let select = format!("\"id\", \"score\", \"{column}\"");
    assert_eq!(pipe.columns("users"), ["id fixed", "score fixed", &format!("{column} {kind}")]);
    assert_eq!(pipe.select(&select, "users"), ["1 7 -", &format!("2 - {shown}"), "3 8 -"]);
    let update = [2, 3]
        .map(|id| users.update(json!({ "id": id, "score": if id == 2 { json!(9) } else { json!("ten") } })));
    users.send(&pipe.broker, update);
    let _finished = pipe.run();
    let shown = shown.replace("seven", "ten");
    assert_eq!(pipe.select(&select, "users"), ["1 7 -", "2 9 -", &format!("3 - {shown}")]);
}

#[test]
fn values_that_do_not_fit_go_to_a_variant_column() {
    beside("conflict_variant", "", "score__variant", "variant", "\"seven\"");
}

#[test]
fn values_that_do_not_fit_go_to_a_text_column() {
    beside("conflict_text", "type_conflict = \"text\"\n", "score__text", "text", "seven");
}

#[test]
fn values_that_do_not_fit_are_rejected_if_configured() {
    let sink = "type_conflict = \"fail\"\n";
    let Some(pipe) = one_by_one("conflict_fail", sink) else { return };
    let mut users = Source::new("users", &["id"]);
    let events = conflict(&mut users);
    users.send(&pipe.broker, events);
    let failed = pipe.run_with_code(3);
    let line = failed.expect_log("\"users\" is NUMBER(38,0) and cannot hold \"seven\"");
    assert!(line.contains("column \"score\" of ") && line.contains("cdc.public.users-0 offset 1"), "{line}");
    assert_eq!(pipe.select("\"id\", \"score\"", "users"), ["1 7"]);
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { sink, batch: Some(100), more, ..Connector::default() });
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\", \"score\"", "users"), ["1 7", "3 8"]);
}

#[test]
fn a_new_column_is_wide_enough_for_its_whole_batch() {
    let Some(pipe) = Pipe::find("joined") else { return };
    pipe.connector(Connector { batch: Some(3), ..Connector::default() });
    let mut users = Source::new("users", &["id"]);
    let events = conflict(&mut users);
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(pipe.columns("users"), ["id fixed", "score text"]);
    assert_eq!(pipe.select("\"id\", \"score\"", "users"), ["1 7", "2 seven", "3 8"]);
}
