//! Values that are not stored as in the source cause one warning with table and column.

use serde_json::{Value as Json, json};
use tidegate_tests::Finished;

use super::{Connector, Event, Pipe, Source};

/// Writes each row in its own batch.
#[track_caller]
fn written(test: &str, sink: &str, make: impl FnOnce(&mut Source) -> Vec<Event>) -> Option<(Pipe, Finished)> {
    let pipe = Pipe::find(test)?;
    pipe.connector(Connector { sink, batch: Some(1), ..Connector::default() });
    let mut source = Source::new("tariffs", &["id"]);
    let events = make(&mut source);
    source.send(&pipe.broker, events);
    let finished = pipe.run();
    Some((pipe, finished))
}

/// Checks that the log has one warning with all of these parts.
#[track_caller]
fn expect_once(finished: &Finished, parts: &[&str]) {
    let has_all = |line: &&str| line.contains(" WARN ") && parts.iter().all(|part| line.contains(part));
    let lines: Vec<&str> = finished.stderr.lines().filter(has_all).collect();
    assert_eq!(lines.len(), 1, "{parts:?} in\n{}", finished.stderr);
}

fn rows(source: &mut Source, column: &str, values: &[Json]) -> Vec<Event> {
    (1..).zip(values).map(|(id, value)| source.insert(json!({ "id": id, column: value }))).collect()
}

#[test]
fn values_that_do_not_fit_are_reported_with_the_fix() {
    let values = [json!(1), json!(1.5), json!(2), json!(2.5), json!("n/a")];
    let Some((pipe, finished)) = written("beside_told", "", |source| rows(source, "qty", &values)) else {
        return;
    };
    let parts = [
        "column \"qty\"",
        "\"tariffs\" is NUMBER(38,0)",
        "\"qty__variant\"",
        "[source.columns]",
        "columns and have the table",
    ];
    expect_once(&finished, &parts);
    // The other values are counted.
    expect_once(&finished, &["2 more values did not fit their column", "tariffs qty"]);
    let found = pipe.select("\"id\", \"qty\", \"qty__variant\"", "tariffs");
    assert_eq!(found, ["1 1 -", "2 - 1.5", "3 2 -", "4 - 2.5", "5 - \"n/a\""]);
}

#[test]
fn a_placeholder_within_a_document_is_reported() {
    let document = json!({ "text": "__debezium_unavailable_value", "n": 1 });
    let make = |source: &mut Source| rows(source, "document", &[json!({ "text": "x" }), document]);
    let Some((_, finished)) = written("nested_told", "", make) else { return };
    expect_once(&finished, &["column \"document\"", "contains Debezium's placeholder"]);
}

#[test]
fn values_for_unmanaged_columns_are_reported() {
    let sink = "tables.tariffs.unmanaged_columns = [\"mine\"]\n";
    let make = |source: &mut Source| rows(source, "mine", &[json!("a"), json!(null), json!("b")]);
    let Some((pipe, finished)) = written("unmanaged_told", sink, make) else { return };
    expect_once(&finished, &["column \"mine\"", "is listed in unmanaged_columns: they are dropped"]);
    assert_eq!(pipe.columns("tariffs"), ["id fixed"]);
}

#[test]
fn a_column_missing_from_updates_is_reported() {
    let make = |source: &mut Source| {
        vec![
            source.insert(json!({ "id": 1, "name": "a", "tier": 3 })),
            source.insert(json!({ "id": 2, "name": "b" })),
            source.update(json!({ "id": 1, "name": "c" })),
        ]
    };
    let Some((pipe, finished)) = written("absent_told", "", make) else { return };
    expect_once(&finished, &["updates do not have column \"tier\"", "unmanaged_columns"]);
    assert_eq!(pipe.select("\"id\", \"name\", \"tier\"", "tariffs"), ["1 c -", "2 b -"]);
}

#[test]
fn skipped_records_are_reported_once_per_topic() {
    let Some(pipe) = Pipe::find("skipped_told") else { return };
    pipe.connector(Connector { sink: "other_records = \"skip\"\n", ..Connector::default() });
    let mut source = Source::new("tariffs", &["id"]);
    let row = source.insert(json!({ "id": 1 }));
    source.send(&pipe.broker, [row]);
    pipe.broker.send("cdc.public.plain", [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
    let finished = pipe.run();
    expect_once(&finished, &["a record of topic \"cdc.public.plain\" is not a change event and is skipped"]);
    expect_once(&finished, &["2 more records were skipped"]);
    assert_eq!(pipe.select("\"id\"", "tariffs"), ["1"]);
}
