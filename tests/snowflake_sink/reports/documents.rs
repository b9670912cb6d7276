//! MongoDB documents: rows and keys are extended JSON in strings.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record, source::START};

const TOPIC: &str = "app.app.carts";
const ID: &str = "65a000000000000000000001";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        typed_values(),
        other_ids(),
        changed_fields(),
        update_without_document(),
        replaced(),
        deleted_and_back(),
        new_replica_set("mongodb-new-replica-set", 100_000),
        new_replica_set("mongodb-new-replica-set-earlier-clock", -100_000).unless_warned("carts"),
        incremental(),
    ]
}

/// An event; `id` is the `_id` in extended JSON.
fn event(op: &str, id: &str, after: Option<&str>, description: Json, at: i64, ord: i64) -> Record {
    let source = json!({
        "version": "3.6.3.Final", "connector": "mongodb", "name": "app", "ts_ms": START + at, "snapshot": "false",
        "db": "app", "sequence": null, "collection": "carts", "ord": ord, "lsid": null, "txnNumber": null,
        "wallTime": START + at,
    });
    let value = json!({
        "before": null, "after": after, "updateDescription": description, "source": source, "op": op,
        "ts_ms": START + at + 5, "transaction": null,
    });
    Record::of(TOPIC, json!({ "id": id }), value)
}

fn oid() -> String {
    json!({ "$oid": ID }).to_string()
}

fn document(id: &str, rest: &str) -> String {
    format!("{{\"_id\": {id}, {rest}}}")
}

fn insert(rest: &str, at: i64, ord: i64) -> Record {
    event("c", &oid(), Some(&document(&oid(), rest)), Json::Null, at, ord)
}

fn update(rest: &str, description: Json, at: i64, ord: i64) -> Record {
    event("u", &oid(), Some(&document(&oid(), rest)), description, at, ord)
}

fn typed_values() -> Case {
    let rest = r#""at": {"$date": 1790000000123}, "big": {"$numberLong": "9007199254740993"}, "price": {"$numberDecimal": "12.340"}, "raw": {"$binary": "AAEC", "$type": "00"}, "n": {"$numberInt": "7"}, "d": {"$numberDouble": "1.5"}, "tags": ["x", {"$numberLong": "5"}], "in": {"deep": {"$oid": "65a000000000000000000002"}}, "nothing": null"#;
    Case::new("mongodb-typed-values", vec![insert(rest, 0, 1)]).table(
        "carts",
        &["_id", "at", "big", "price", "raw", "n", "d", "tags", "in"],
        &[
            r#"65a000000000000000000001 2026-09-21T14:13:20.123000Z 9007199254740993 12.340 000102 7 1.5 ["x",5] {"deep":"65a000000000000000000002"}"#,
        ],
    )
}

fn other_ids() -> Case {
    let row =
        |id: &str, n: i64| event("c", id, Some(&document(id, &format!("\"n\": {n}"))), Json::Null, 0, n);
    let delete = event("d", "\"b\"", None, Json::Null, 1000, 1);
    let tombstone = delete.tombstone();
    let records = vec![row("\"a\"", 1), row("\"b\"", 2), row("\"a b\"", 3), delete, tombstone];
    Case::new("mongodb-ids-of-text", records).table("carts", &["_id", "n"], &["a 1", "a b 3"])
}

/// A removed field is not in later documents.
fn changed_fields() -> Case {
    let removed =
        json!({ "removedFields": ["note"], "updatedFields": "{\"items\": 3}", "truncatedArrays": null });
    let records = vec![
        insert("\"items\": 2, \"note\": \"x\"", 0, 1),
        update("\"items\": 3", removed, 1000, 1),
        update("\"items\": 3, \"late\": \"y\"", Json::Null, 2000, 1),
    ];
    // If all documents are in one batch, no row has a note.
    Case::new("mongodb-field-removed", records)
        .table("carts", &["_id", "items", "note", "late"], &["65a000000000000000000001 3 - y"])
        .in_batches_of(&[1])
        .table("carts", &["_id", "items", "late"], &["65a000000000000000000001 3 y"])
        .in_batches_of(&[1000])
}

/// With `capture.mode=change_streams`, the document is missing; the changes are only in the update description.
fn update_without_document() -> Case {
    let description =
        json!({ "removedFields": ["note"], "updatedFields": "{\"items\": 3}", "truncatedArrays": null });
    let records = vec![
        insert("\"items\": 2, \"note\": \"x\", \"kept\": \"k\"", 0, 1),
        event("u", &oid(), None, description, 1000, 1),
    ];
    Case::new("mongodb-update-without-document", records).rejected(TOPIC, 1, &["capture.mode"]).table(
        "carts",
        &["_id", "items", "note", "kept"],
        &["65a000000000000000000001 2 x k"],
    )
}

fn replaced() -> Case {
    let records = vec![
        insert("\"items\": 2, \"note\": \"x\"", 0, 1),
        event("r", &oid(), Some(&document(&oid(), "\"items\": 9")), Json::Null, 1000, 1),
    ];
    Case::new("mongodb-replaced", records)
        .table("carts", &["_id", "items", "note"], &["65a000000000000000000001 9 -"])
        .in_batches_of(&[1])
        .table("carts", &["_id", "items"], &["65a000000000000000000001 9"])
        .in_batches_of(&[1000])
}

fn deleted_and_back() -> Case {
    let delete = event("d", &oid(), None, Json::Null, 1000, 1);
    let tombstone = delete.tombstone();
    let records = vec![insert("\"items\": 2", 0, 1), delete, tombstone, insert("\"items\": 5", 1000, 2)];
    Case::new("mongodb-deleted-and-back", records).table(
        "carts",
        &["_id", "items"],
        &["65a000000000000000000001 5"],
    )
}

fn new_replica_set(name: &str, later: i64) -> Case {
    let records = vec![
        insert("\"items\": 1", 0, 7),
        update("\"items\": 2", Json::Null, 1000, 9),
        update("\"items\": 3", Json::Null, later, 1),
        update("\"items\": 4", Json::Null, later, 2),
    ];
    Case::new(name, records).table("carts", &["_id", "items"], &["65a000000000000000000001 4"])
}

fn incremental() -> Case {
    let read = |rest: &str| {
        let mut record = event("r", &oid(), Some(&document(&oid(), rest)), Json::Null, 0, 0);
        let mut value: Json =
            serde_json::from_str(record.value.as_deref().expect("a value")).expect("an envelope");
        value["source"]["snapshot"] = "incremental".into();
        value["source"]["ord"] = Json::Null;
        record.value = Some(value.to_string());
        record
    };
    let records = vec![
        insert("\"items\": 1", 0, 1),
        update("\"items\": 2", Json::Null, 1000, 1),
        read("\"items\": 3"),
        update("\"items\": 4", Json::Null, 2000, 1),
        read("\"items\": 5"),
    ];
    Case::new("mongodb-incremental", records).table(
        "carts",
        &["_id", "items"],
        &["65a000000000000000000001 5"],
    )
}
