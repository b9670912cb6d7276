//! Fields and headers from all sources, into all kinds of records.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tidegate_plugin::testing::{self, Applied, Event, Records, TransformTest};

use super::*;

fn run(config: Json, records: &Records) -> Applied {
    TransformTest::<Enrich>::open(config).unwrap().apply(records).unwrap()
}

fn error(config: Json) -> String {
    TransformTest::<Enrich>::open(config).unwrap_err().to_string()
}

fn update() -> Records {
    let event = Event::update("orders")
        .key(json!({"id": 1}))
        .before(json!({"id": 1, "n": 1}))
        .after(json!({"id": 1, "n": 2}));
    Records::new().event(event.lsn(17)).at(3, 42)
}

#[test]
fn every_property_has_its_value() {
    let config = json!({"fields": {
        "a": "operation", "b": "op", "c": "table", "d": "schema", "e": "database", "f": "source", "g": "snapshot",
        "h": "position", "i": "transaction", "j": "commit_time", "k": "event_time", "l": "topic", "m": "partition",
        "o": "offset", "p": "timestamp", "q": "connector", "r": "task", "s": {"constant": "eu"}, "t": {"constant": 7},
        "u": {"constant": true}, "v": {"constant": 0.5},
    }});
    let expected = json!({
        "id": 1, "n": 2, "a": "update", "b": "u", "c": "orders", "d": "public", "e": "shop", "f": "postgresql", "g": "false",
        "h": "17", "i": null, "j": "2023-11-14T22:13:19.995Z", "k": "2023-11-14T22:13:20Z", "l": "cdc.public.orders", "m": 3,
        "o": 42, "p": "2023-11-14T22:13:20Z", "q": "tested", "r": 0, "s": "eu", "t": 7, "u": true, "v": 0.5,
    });
    let applied = run(config, &update());
    assert_eq!(applied.records[0].after, expected);
    assert_eq!(
        (&applied.records[0].value["after"], &applied.records[0].before),
        (&expected, &json!({"id": 1, "n": 1}))
    );
    assert_eq!(applied.records[0].operation, Some(Operation::Update));
}

#[test]
fn lag_now_and_host_are_those_of_this_moment_and_machine() {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let before = now();
    let applied = run(json!({"fields": {"lag": "lag_ms", "now": "now", "host": "host"}}), &update());
    let row = &applied.records[0].after;
    let lag = row["lag"].as_i64().unwrap();
    let commit = 1_700_000_000_000 - 5;
    assert!((before - commit..=now() - commit).contains(&lag), "{lag}");
    assert!(row["now"].as_str().unwrap() > "2025-01-01T00:00:00Z");
    assert_eq!(row["host"], std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
}

#[test]
fn fields_go_into_the_latest_row_or_the_value() {
    let records = update()
        .event(Event::delete("orders").key(json!({"id": 1})).before(json!({"id": 1})))
        .json("plain", Json::Null, json!({"id": 1}))
        .tombstone("plain", json!({"id": 1}))
        .event(Event::new(Operation::Truncate, "orders"));
    let _earlier = testing::metrics();
    let config = |into: &str| json!({"into": into, "fields": {"op2": "op"}, "headers": {"table": "table"}});
    let applied = run(config("row"), &records);
    let [update, delete, plain, tombstone, truncate] = applied.records.as_slice() else {
        panic!("{applied:?}")
    };
    assert_eq!(update.after["op2"], "u");
    assert_eq!(update.value.get("op2"), None);
    assert_eq!((&delete.before["op2"], &delete.after), (&json!("d"), &Json::Null));
    assert_eq!(plain.value, json!({"id": 1, "op2": null}));
    assert_eq!((&tombstone.value, truncate.operation), (&Json::Null, Some(Operation::Truncate)));
    let header = |value: &[u8]| vec![("table".to_owned(), value.to_vec())];
    assert_eq!((&update.headers, &truncate.headers), (&header(b"orders"), &header(b"orders")));
    assert_eq!((&plain.headers, &tombstone.headers), (&header(b""), &header(b"")));
    assert_eq!(testing::metrics()["enrich_skipped"], 2.0);

    let applied = run(config("value"), &records);
    let [update, delete, plain, tombstone, truncate] = applied.records.as_slice() else {
        panic!("{applied:?}")
    };
    for (event, op) in [(update, "u"), (delete, "d"), (truncate, "t")] {
        assert_eq!((&event.value["op2"], &event.value["op"]), (&json!(op), &json!(op)));
        assert_eq!(event.table, "orders");
    }
    assert_eq!((&update.after, &plain.value), (&json!({"id": 1, "n": 2}), &json!({"id": 1, "op2": null})));
    assert_eq!(tombstone.value, Json::Null);
}

#[test]
fn existing_names_are_rejected_or_overwritten() {
    let records = update().header("trace", b"old").json("t", Json::Null, json!({"m": 1}));
    let applied = run(json!({"fields": {"n": "op"}}), &records);
    let reason = "there is a field \"n\" already: choose another name, or set existing = \"overwrite\"";
    assert_eq!(applied.rejected, [(0, reason.to_owned())]);
    assert_eq!(applied.records[0].value, json!({"m": 1, "n": null}));
    let applied = run(json!({"headers": {"trace": "op"}}), &records);
    assert!(applied.rejected[0].1.starts_with("there is a header \"trace\" already"), "{applied:?}");
    let both = json!({"fields": {"n": "op", "z": "op"}, "headers": {"trace": "op"}, "existing": "overwrite"});
    let applied = run(both, &records);
    assert_eq!(applied.records[0].after, json!({"id": 1, "n": "u", "z": "u"}));
    assert_eq!(applied.records[0].headers, [("trace".to_owned(), b"u".to_vec())]);
}

#[test]
fn a_value_that_is_not_an_object_is_rejected() {
    let records = Records::new().json("t", Json::Null, json!("text"));
    let applied = run(json!({"fields": {"n": "op"}}), &records);
    assert!(applied.rejected[0].1.starts_with("the value is not an object"), "{applied:?}");
    assert!(run(json!({"headers": {"n": "offset"}}), &records).rejected.is_empty());
}

#[test]
fn headers_become_fields() {
    let records = update().header("trace.id", b"17").header("trace", b"x");
    let applied =
        run(json!({"fields": {"trace": {"header": "trace.id"}, "none": {"header": "missing"}}}), &records);
    assert_eq!(
        (&applied.records[0].after["trace"], &applied.records[0].after["none"]),
        (&json!("17"), &Json::Null)
    );
}

#[test]
fn invalid_options_are_rejected() {
    assert_eq!(error(json!({})), "nothing to add: set `fields` or `headers`");
    assert!(error(json!({"fields": {"": "op"}})).contains("is empty: set a name"));
    error(json!({"fields": {"a": "unknown"}}));
}
