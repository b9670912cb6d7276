//! Envelopes with missing fields.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record, source::Source};

pub(crate) fn cases() -> Vec<Case> {
    let missing = with("u", |value| {
        value.as_object_mut().expect("an envelope").remove("after");
    });
    let empty = with("u", |value| value["after"] = json!({}));
    let text = with("u", |value| value["after"] = "not a row".into());
    let list = with("c", |value| value["after"] = json!([1, 2]));
    let nothing = with("c", |value| value["after"] = Json::Null);
    let unknown = with("x", |_| {});
    let no_before = with("d", |value| {
        value["after"] = Json::Null;
        value.as_object_mut().expect("an envelope").remove("before");
    });
    let null_before = with("d", |value| value["after"] = Json::Null);
    let left_alone = |name: &str, records: Vec<Record>, parts: &'static [&'static str]| {
        Case::new(name, records).rejected("cdc.public.carts", 1, parts).table(
            "carts",
            &["id", "v"],
            &["1 a", "2 b"],
        )
    };
    vec![
        left_alone("update-with-after-missing", missing, &["after"]),
        left_alone("update-with-empty-after", empty, &["after"]),
        left_alone("update-with-text-as-after", text, &["after"]),
        left_alone("insert-with-list-as-after", list, &["after"]),
        left_alone("insert-without-after", nothing, &["after"]),
        left_alone("unknown-operation", unknown, &["op"]),
        // The key of the message identifies the deleted row.
        Case::new("delete-with-before-missing", no_before).table("carts", &["id", "v"], &["2 b"]),
        Case::new("delete-with-null-before", null_before).table("carts", &["id", "v"], &["2 b"]),
    ]
}

/// A row, an event of it with a changed value, and another row.
fn with(op: &str, change: impl Fn(&mut Json)) -> Vec<Record> {
    let carts = Source::postgres("carts", &["id"]);
    let mut record = carts.lsn(120, 1000).event(op, Json::Null, json!({ "id": 1, "v": "changed" }));
    let mut value: Json =
        serde_json::from_str(record.value.as_deref().expect("a value")).expect("an envelope");
    change(&mut value);
    record.value = Some(value.to_string());
    vec![
        carts.lsn(100, 0).insert(json!({ "id": 1, "v": "a" })),
        record,
        carts.lsn(130, 2000).insert(json!({ "id": 2, "v": "b" })),
    ]
}
