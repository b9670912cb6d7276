//! Filters with different conditions.

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind,
    testing::{Event, Records, TransformTest},
};

use super::*;

/// The inputs that are kept.
fn kept(config: Json, records: &Records) -> Vec<u32> {
    let applied = TransformTest::<Filter>::open(config).unwrap().apply(records).unwrap();
    assert!(applied.rejected.is_empty());
    applied.records.iter().map(|record| record.input).collect()
}

fn error(config: Json) -> String {
    TransformTest::<Filter>::open(config).unwrap_err().to_string()
}

fn orders() -> Records {
    let order = |id: i64, status: &str, total: &str| json!({"id": id, "status": status, "total": total, "to": {"city": "Rome"}});
    Records::new()
        .event(Event::insert("orders").key(json!({"id": 1})).after(order(1, "paid", "10.50")))
        .event(
            Event::update("orders")
                .key(json!({"id": 2}))
                .before(order(2, "new", "7"))
                .after(order(2, "paid", "7")),
        )
        .event(Event::delete("orders").key(json!({"id": 3})).before(order(3, "new", "99.90")))
        .tombstone("cdc.public.orders", json!({"id": 3}))
        .json("plain", Json::Null, json!({"status": "paid", "note": null}))
        .header("trace", b"1")
}

#[track_caller]
fn assert_kept(condition: Json, expected: &[u32]) {
    assert_eq!(kept(json!({"conditions": [condition]}), &orders()), expected);
}

#[test]
fn fields_are_tested_in_the_latest_row() {
    assert_kept(json!({"field": "status", "equals": "paid"}), &[0, 1, 4]);
    assert_kept(json!({"field": "status", "equals": "new"}), &[2]);
    assert_kept(json!({"field": "status", "equals": "new", "of": "before"}), &[1, 2]);
    assert_kept(json!({"field": "id", "equals": 3, "of": "key"}), &[2, 3]);
    assert_kept(json!({"field": "source.table", "equals": "orders", "of": "value"}), &[0, 1, 2]);
    assert_kept(json!({"field": "to.city", "one_of": ["Oslo", "Rome"]}), &[0, 1, 2]);
}

#[test]
fn numbers_are_compared_in_any_encoding() {
    assert_kept(json!({"field": "total", "minimum": 10.5}), &[0, 2]);
    assert_kept(json!({"field": "total", "minimum": 7, "maximum": 11}), &[0, 1]);
    assert_kept(json!({"field": "total", "equals": 7}), &[1]);
    let records =
        Records::new().event(Event::insert("t").after(json!({"n": "7.00"})).column("n", Kind::DECIMAL));
    assert_eq!(kept(json!({"conditions": [{"field": "n", "equals": 7}]}), &records), [0]);
    assert_eq!(kept(json!({"conditions": [{"field": "n", "equals": "7.00"}]}), &records), [0]);
    let records = Records::new().json("t", Json::Null, json!({"n": i64::MAX}));
    assert_eq!(
        kept(json!({"conditions": [{"field": "n", "equals": i64::MAX - 1}]}), &records),
        [] as [u32; 0]
    );
}

#[test]
fn patterns_and_existence() {
    assert_kept(json!({"field": "status", "matches": "^(paid|void)$"}), &[0, 1, 4]);
    assert_kept(json!({"field": "total", "matches": "9"}), &[2]);
    assert_kept(json!({"field": "note", "exists": true}), &[4]);
    assert_kept(json!({"field": "note"}), &[]);
    assert_kept(json!({"field": "note", "exists": false}), &[0, 1, 2, 3]);
}

#[test]
fn headers_are_tested_as_fields() {
    let records = Records::new().json("t", Json::Null, json!({})).header("trace.id", b"17").json(
        "t",
        Json::Null,
        json!({}),
    );
    let condition = |test: Json| json!({"conditions": [test]});
    assert_eq!(kept(condition(json!({"of": "headers", "field": "trace.id", "equals": 17})), &records), [0]);
    assert_eq!(
        kept(condition(json!({"of": "headers", "field": "trace.id", "matches": "^1"})), &records),
        [0]
    );
    assert_eq!(
        kept(condition(json!({"of": "headers", "field": "trace.id", "exists": false})), &records),
        [1]
    );
}

#[test]
fn conditions_on_the_kind_of_record() {
    assert_kept(json!({"operation": ["insert", "delete"]}), &[0, 2]);
    assert_kept(json!({"table": "ord.*"}), &[0, 1, 2]);
    assert_kept(json!({"table": "ord"}), &[]);
    assert_kept(json!({"topic": r"cdc\..*"}), &[0, 1, 2, 3]);
    assert_kept(json!({"tombstone": true}), &[3]);
    assert_kept(json!({"header": "trace"}), &[4]);
    assert_kept(json!({"not": true, "tombstone": true}), &[0, 1, 2, 4]);
    assert_kept(json!({"operation": ["update"], "field": "status", "equals": "new"}), &[]);
}

#[test]
fn conditions_can_be_combined() {
    let conditions = json!([{"tombstone": true}, {"operation": ["delete"]}]);
    assert_eq!(kept(json!({"conditions": conditions}), &orders()), [] as [u32; 0]);
    assert_eq!(kept(json!({"conditions": conditions, "match": "any"}), &orders()), [2, 3]);
    assert_eq!(
        kept(json!({"conditions": conditions, "match": "any", "action": "drop"}), &orders()),
        [0, 1, 4]
    );
}

#[test]
fn invalid_options_are_rejected() {
    assert!(error(json!({"conditions": []})).starts_with("conditions: nothing to filter by"));
    assert!(
        error(json!({"conditions": [{"not": true}]})).starts_with("conditions[0]: the condition is empty")
    );
    assert_eq!(
        error(json!({"conditions": [{"tombstone": true}, {"equals": 1}]})),
        "conditions[1]: `field` is missing"
    );
    assert!(
        error(json!({"conditions": [{"field": "a", "matches": "("}]}))
            .starts_with("conditions[0].matches: not a valid pattern: ")
    );
    assert_eq!(
        error(json!({"conditions": [{"topic": "["}, {"tombstone": true}, {"table": ")"}]})),
        "conditions[0].topic: not a valid pattern: unclosed character class; \
         conditions[2].table: not a valid pattern: unopened group"
    );
    assert!(
        error(json!({"conditions": [{"field": "a", "exists": false, "equals": 1}]}))
            .contains("never matches")
    );
}
