//! Tables of the source that are called like the sink's own tables.

use serde_json::{Value as Json, json};

use super::{case::Case, record::Record, source::Source};

const REASON: &[&str] = &["is reserved", "[sink.config.tables]"];
/// The sink's own tables: the offsets of this connector and of another, and the deleted keys of `orders`, in several spellings.
const NAMES: [&str; 6] = [
    "_cdc_offsets_reserved_names",
    "_cdc_offsets_b",
    "_CDC_Offsets_B",
    "_cdc_later",
    "orders__cdc_deleted",
    "ORDERS__cdc_DELETED",
];

pub(crate) fn cases() -> Vec<Case> {
    let orders = Source::postgres("orders", &["id"]);
    let mut records = vec![
        orders.lsn(100, 0).insert(json!({ "id": 1, "v": "a" })),
        orders.lsn(110, 0).insert(json!({ "id": 2, "v": "b" })),
        orders.lsn(120, 0).delete(json!({ "id": 2, "v": "b" })),
    ];
    for name in NAMES {
        records.extend(of_every_kind(&Source::postgres(name, &["topic"]), name));
    }
    // Neither offsets nor deleted keys were changed: this is written.
    records.push(orders.lsn(900, 0).insert(json!({ "id": 2, "v": "c" })));
    let case = Case::new("reserved-names", records).table("orders", &["id", "v"], &["1 a", "2 c"]);
    let topics = NAMES.map(|name| format!("cdc.public.{name}"));
    vec![
        topics
            .iter()
            .fold(case, |case, topic| (0..4).fold(case, |case, offset| case.rejected(topic, offset, REASON))),
    ]
}

/// An insert, an update, a delete and a truncate, which would move the offsets of a partition and hide the key of a row.
fn of_every_kind(source: &Source, name: &str) -> [Record; 4] {
    let row = json!({
        "topic": "cdc.public.orders", "partition": 0, "epoch": 99, "next_offset": 1000, "key": "[\"2\"]", "position": "~",
        "name": name,
    });
    let source = source.lsn(500, 0);
    let truncate = Record { key: None, ..source.event("t", Json::Null, row.clone()) };
    let without_row = truncate.value.as_deref().map(|value| {
        let mut value: Json = serde_json::from_str(value).expect("an envelope");
        value["after"] = Json::Null;
        value.to_string()
    });
    [
        source.insert(row.clone()),
        source.update(row.clone()),
        source.delete(row),
        Record { value: without_row, ..truncate },
    ]
}
