//! Rows that ExtractNewRecordState has flattened, with all its ways of handling deletes and naming fields.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record};

const TOPIC: &str = "cdc.public.devices";

pub(crate) fn cases() -> Vec<Case> {
    let columns: &[&str] = &["id", "kind"];
    vec![
        // delete.tombstone.handling.mode=rewrite
        Case::new(
            "flattened-rewrite",
            vec![
                row(4, "pump", "c", 100),
                row(5, "fan", "c", 110),
                row(4, "valve", "u", 120),
                row(5, "fan", "d", 130),
            ],
        )
        .table("devices", columns, &["4 valve"]),
        // rewrite-with-tombstone
        Case::new(
            "flattened-rewrite-with-tombstone",
            vec![
                row(4, "pump", "c", 100),
                row(4, "pump", "d", 110),
                tombstone(4),
                row(4, "valve", "c", 120),
                row(5, "fan", "c", 130),
                row(5, "fan", "d", 140),
                tombstone(5),
            ],
        )
        .table("devices", columns, &["4 valve"]),
        // tombstone: the only sign of the delete.
        Case::new(
            "flattened-tombstones",
            vec![
                without_mark(row(4, "pump", "c", 100)),
                without_mark(row(5, "fan", "r", 110)),
                tombstone(5),
                without_mark(row(6, "lamp", "c", 130)),
                tombstone(6),
                without_mark(row(6, "light", "c", 150)),
            ],
        )
        .table("devices", columns, &["4 pump", "6 light"]),
        // The same with another add.fields.prefix.
        Case::new(
            "flattened-with-another-prefix",
            vec![
                with_prefix(row(4, "pump", "c", 100)),
                with_prefix(row(5, "fan", "c", 110)),
                with_prefix(row(4, "valve", "u", 120)),
                with_prefix(row(5, "fan", "d", 130)),
            ],
        )
        .source("flattened_prefix = \"cdc_\"")
        .table("devices", columns, &["4 valve"]),
        // Without add.fields there are only the rows.
        Case::new(
            "flattened-bare",
            vec![
                Record::of(TOPIC, json!({ "id": 4 }), json!({ "id": 4, "kind": "pump" })),
                Record::of(TOPIC, json!({ "id": 5 }), json!({ "id": 5, "kind": "fan" })),
                Record::of(TOPIC, json!({ "id": 4 }), json!({ "id": 4, "kind": "valve" })),
                tombstone(5),
            ],
        )
        .source("change_events = \"flattened\"")
        .table("devices", columns, &["4 valve"]),
        // The events since the restart of Debezium are sent again.
        Case::new(
            "flattened-sent-again",
            vec![
                row(4, "pump", "c", 100),
                row(4, "valve", "u", 110),
                row(5, "fan", "c", 120),
                row(4, "valve", "u", 110),
                row(5, "fan", "c", 120),
            ],
        )
        .unchanged_from(3)
        .table("devices", columns, &["4 valve", "5 fan"]),
    ]
}

fn row(id: i64, kind: &str, op: &str, lsn: i64) -> Record {
    let deleted = if op == "d" { "true" } else { "false" };
    let row: Json = json!({ "id": id, "kind": kind, "__op": op, "__table": "devices", "__lsn": lsn, "__deleted": deleted });
    Record::of(TOPIC, json!({ "id": id }), row)
}

/// Without `__deleted`, which only the mode rewrite adds.
fn without_mark(mut record: Record) -> Record {
    let mut row: Json = serde_json::from_str(record.value.as_deref().expect("a row")).expect("a row");
    row.as_object_mut().expect("an object").remove("__deleted");
    record.value = Some(row.to_string());
    record
}

/// The prefix applies to `add.fields` only, not to `__deleted`.
fn with_prefix(mut record: Record) -> Record {
    record.value =
        record.value.map(|value| value.replace("\"__", "\"cdc_").replace("cdc_deleted", "__deleted"));
    record
}

fn tombstone(id: i64) -> Record {
    Record::new(TOPIC, Some(&json!({ "id": id }).to_string()), None)
}
