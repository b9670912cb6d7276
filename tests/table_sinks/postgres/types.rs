//! Column types: those of the source, where its schema tells them, and what the server makes of their texts.

use serde_json::{Value as Json, json};
use tidegate_tests::change_events::Source;

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
};

/// Columns and types of a table, in the order of the names.
fn columns(pipe: &Pipe<Schema>, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a\n\
         WHERE a.attrelid = '{}.{table}'::regclass AND a.attnum > 0 AND a.attname NOT LIKE '\\_cdc\\_%' ORDER BY 1",
        pipe.probe.name()
    );
    let rows = pipe.probe.query(&sql).into_iter();
    rows.map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
}

fn field(name: &str, kind: &str) -> Json {
    json!({ "type": kind, "optional": true, "field": name })
}

fn list(name: &str, items: Json) -> Json {
    json!({ "type": "array", "optional": true, "items": items, "field": name })
}

#[test]
fn columns_have_the_types_that_the_schema_tells() {
    let Some(pipe) = Pipe::<Schema>::find("declared_types") else { return };
    let mut orders = Source::new("orders", &["id"]);
    let bits = json!({ "type": "bytes", "name": "io.debezium.data.Bits", "parameters": { "length": "5" },
        "optional": true, "field": "bits" });
    let words =
        json!({ "type": "string", "name": "io.debezium.data.Tsvector", "optional": true, "field": "words" });
    let propagated = |name: &str, kind: &str| json!({ "type": "string", "parameters": { "__debezium.source.column.type": kind }, "optional": true, "field": name });
    let days = json!({ "type": "int32", "name": "io.debezium.time.Date", "optional": true });
    orders.declare(json!([
        { "type": "int32", "optional": false, "field": "id" },
        field("small", "int16"),
        field("large", "int64"),
        bits,
        words,
        propagated("address", "INET"),
        propagated("span", "INT4RANGE"),
        propagated("short", "VARCHAR"),
        list("tags", json!({ "type": "string", "optional": true })),
        list("numbers", json!({ "type": "int32", "optional": true })),
        list("days", days),
        list("matrix", json!({ "type": "array", "items": { "type": "int32" }, "optional": true })),
    ]));
    let first = json!({ "id": 1, "small": -7, "large": 1_i64 << 40, "bits": "BQ==", "words": "'a':1 'b':2",
        "address": "10.0.0.1", "span": "[1,5)", "short": "x",
        "tags": ["x", null], "numbers": [1, 2], "days": [0, 19_000], "matrix": [[1, 2], [3]] });
    let empty = json!({ "id": 2, "small": null, "large": null, "bits": null, "words": null,
        "address": null, "span": null, "short": null, "tags": [], "numbers": null, "days": null, "matrix": null });
    let events = [orders.insert(first), orders.insert(empty)];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    assert_eq!(finished.count_log(" WARN "), 0, "{}", finished.stderr);
    assert_eq!(
        columns(&pipe, "orders"),
        [
            "address inet",
            "bits bit varying",
            "days date[]",
            "id integer",
            "large bigint",
            "matrix jsonb",
            "numbers integer[]",
            "short text",
            "small smallint",
            "span int4range",
            "tags text[]",
            "words tsvector",
        ]
    );
    assert_eq!(
        pipe.select(
            "id, small, large, bits, words, address, span, short, tags, numbers, days, matrix",
            "orders"
        ),
        [
            "1 -7 1099511627776 00101 'a':1 'b':2 10.0.0.1 [1,5) x {x,NULL} {1,2} {1970-01-01,2022-01-08} [[1, 2], [3]]",
            "2 - - - - - - - {} - - -",
        ]
    );
}

#[test]
fn arrays_hold_every_text() {
    const ODD: [&str; 14] = [
        "",
        " ",
        "NULL",
        "null",
        "a\"b",
        "a\\b",
        "\\",
        "\"",
        "\\\"",
        "{",
        "}",
        ",",
        "tab\tline\nreturn\r",
        "\u{1f600}é",
    ];
    let Some(pipe) = Pipe::<Schema>::find("odd_arrays") else { return };
    pipe.connector(Connector {
        sink: "tables = { orders = { columns = { tags = \"text[]\" } } }\n",
        ..Connector::default()
    });
    let mut orders = Source::new("orders", &["id"]);
    let mut events: Vec<_> =
        (0..).zip(ODD).map(|(id, odd)| orders.insert(json!({ "id": id, "tags": [odd, null] }))).collect();
    events.push(orders.insert(json!({ "id": 100, "tags": ODD })));
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    let written = pipe.probe.query("SELECT to_jsonb(tags)::text FROM orders ORDER BY id");
    let written: Vec<Json> = written
        .into_iter()
        .flatten()
        .map(|text| serde_json::from_str(&text.expect("an array")).expect("JSON"))
        .collect();
    let mut expected: Vec<Json> = ODD.iter().map(|odd| json!([odd, null])).collect();
    expected.push(json!(ODD));
    assert_eq!(written, expected);
}

/// Elements that do not fit widen the column, go to the fallback column, or have their record rejected: never another value.
#[test]
fn arrays_are_widened_or_left_alone() {
    let Some(pipe) = Pipe::<Schema>::find("wider_arrays") else { return };
    pipe.probe.execute("CREATE TABLE orders (id bigint PRIMARY KEY, numbers smallint[], names varchar(3)[], moments timestamp(0)[])");
    let mut orders = Source::new("orders", &["id"]);
    let events = [
        orders.insert(json!({ "id": 1, "numbers": [1, null, 70_000], "names": ["abc", "longer"] })),
        orders.insert(json!({ "id": 2, "numbers": [1, "x"], "names": [["a"], ["b"]] })),
        orders.insert(json!({ "id": 3, "numbers": [3_000_000_000_i64], "moments": "{2020-01-01}" })),
    ];
    orders.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(
        pipe.select("id, numbers, \"numbers__variant\", names, \"names__variant\", moments", "orders"),
        [
            "1 {1,NULL,70000} - {abc,longer} - -",
            "2 - [1, \"x\"] - [[\"a\"], [\"b\"]] -",
            "3 {3000000000} - - - {\"2020-01-01 00:00:00\"}",
        ]
    );
}
