//! `io.debezium.data.Bits`: little-endian bytes, and the number of bits.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        // 256 + 1, and 1: nine bits need two bytes.
        of_length("bits-of-9", 9, &["AQE=", "AQA="], &["1 100000001", "2 000000001"]),
        // MySQL's BIT(1) is a boolean, but a custom converter may write bytes.
        of_length("bits-of-1", 1, &["AQ==", "AA=="], &["1 1", "2 0"]),
        of_length(
            "bits-of-64",
            64,
            &["AQAAAAAAAIA=", "/////////38="],
            &[
                "1 1000000000000000000000000000000000000000000000000000000000000001",
                "2 0111111111111111111111111111111111111111111111111111111111111111",
            ],
        ),
        // Trailing zero bytes may be missing, because Java's BitSet does not write them.
        of_length("bits-with-fewer-bytes", 16, &["Ag==", ""], &["1 0000000000000010", "2 0000000000000000"]),
        in_arrays(),
    ]
}

fn bits(length: u32) -> Json {
    json!({ "type": "bytes", "optional": true, "name": "io.debezium.data.Bits", "version": 1,
            "parameters": { "length": length.to_string() } })
}

/// One row for each value of the column `b`, which has this schema.
fn rows(field: &Json, values: &[Json]) -> Vec<Record> {
    let mut column = field.clone();
    column["field"] = "b".into();
    let id = json!({ "type": "int32", "optional": false, "field": "id" });
    let row = |name: &str| json!({ "type": "struct", "optional": true, "name": "cdc.public.masks.Value", "field": name, "fields": [id, column] });
    let source = json!({ "type": "struct", "optional": false, "name": "io.debezium.connector.postgresql.Source", "field": "source", "fields": [
        { "type": "string", "optional": true, "field": "connector" }, { "type": "string", "optional": true, "field": "name" },
        { "type": "string", "optional": true, "field": "schema" }, { "type": "string", "optional": true, "field": "table" },
        { "type": "int64", "optional": true, "field": "lsn" }, { "type": "int64", "optional": true, "field": "ts_ms" },
        { "type": "string", "optional": true, "field": "snapshot" },
    ] });
    let envelope = json!({ "type": "struct", "optional": false, "name": "cdc.public.masks.Envelope", "fields": [
        row("before"), row("after"), source,
        { "type": "string", "optional": false, "field": "op" }, { "type": "int64", "optional": true, "field": "ts_ms" },
    ] });
    let key = json!({ "type": "struct", "optional": false, "name": "cdc.public.masks.Key", "fields": [id] });
    let record = |(id, value): (usize, &Json)| {
        let source = json!({ "connector": "postgresql", "name": "cdc", "schema": "public", "table": "masks",
            "lsn": 100 + id, "ts_ms": 1_790_000_000_000_i64, "snapshot": "false" });
        let payload = json!({ "before": null, "after": { "id": id, "b": value }, "source": source, "op": "c",
            "ts_ms": 1_790_000_000_500_i64 });
        Record::of(
            "cdc.public.masks",
            json!({ "schema": key, "payload": { "id": id } }),
            json!({ "schema": envelope, "payload": payload }),
        )
    };
    (1..).zip(values).map(record).collect()
}

fn of_length(name: &str, length: u32, values: &[&str], expected: &[&'static str]) -> Case {
    let values: Vec<Json> = values.iter().map(|value| Json::from(*value)).collect();
    Case::new(name, rows(&bits(length), &values)).table("masks", &["id", "b"], expected)
}

fn in_arrays() -> Case {
    let field = json!({ "type": "array", "optional": true, "items": bits(16) });
    let values = [json!(["AgE=", null, "/wA="]), json!([])];
    Case::new("bits-in-arrays", rows(&field, &values)).table(
        "masks",
        &["id", "b"],
        &["1 [\"0000000100000010\",null,\"0000000011111111\"]", "2 []"],
    )
}
