//! The filter as a connector uses it.

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind,
    testing::{Event, Records, TransformTest},
};

use super::*;

/// The inputs that pass.
fn passing(config: Json, records: &Records) -> Vec<u32> {
    let applied = TransformTest::<Filter>::open(config).unwrap().apply(records).unwrap();
    assert!(applied.rejected.is_empty());
    applied.records.iter().map(|record| record.input).collect()
}

fn refusal(config: Json) -> String {
    TransformTest::<Filter>::open(config).unwrap_err().message().to_owned()
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
fn assert_passes(condition: Json, expected: &[u32]) {
    assert_eq!(passing(json!({"conditions": [condition]}), &orders()), expected);
}

#[test]
fn fields_are_looked_up_in_the_row_as_it_last_was() {
    assert_passes(json!({"field": "status", "equals": "paid"}), &[0, 1, 4]);
    assert_passes(json!({"field": "status", "equals": "new"}), &[2]);
    assert_passes(json!({"field": "status", "equals": "new", "of": "before"}), &[1, 2]);
    assert_passes(json!({"field": "id", "equals": 3, "of": "key"}), &[2, 3]);
    assert_passes(json!({"field": "source.table", "equals": "orders", "of": "value"}), &[0, 1, 2]);
    assert_passes(json!({"field": "to.city", "one_of": ["Oslo", "Rome"]}), &[0, 1, 2]);
}

#[test]
fn numbers_count_as_numbers_whatever_their_encoding() {
    assert_passes(json!({"field": "total", "minimum": 10.5}), &[0, 2]);
    assert_passes(json!({"field": "total", "minimum": 7, "maximum": 11}), &[0, 1]);
    assert_passes(json!({"field": "total", "equals": 7}), &[1]);
    let records =
        Records::new().event(Event::insert("t").after(json!({"n": "7.00"})).column("n", Kind::DECIMAL));
    assert_eq!(passing(json!({"conditions": [{"field": "n", "equals": 7}]}), &records), [0]);
    assert_eq!(passing(json!({"conditions": [{"field": "n", "equals": "7.00"}]}), &records), [0]);
    let records = Records::new().json("t", Json::Null, json!({"n": i64::MAX}));
    assert_eq!(
        passing(json!({"conditions": [{"field": "n", "equals": i64::MAX - 1}]}), &records),
        [] as [u32; 0]
    );
}

#[test]
fn patterns_and_existence() {
    assert_passes(json!({"field": "status", "matches": "^(paid|void)$"}), &[0, 1, 4]);
    assert_passes(json!({"field": "total", "matches": "9"}), &[2]);
    assert_passes(json!({"field": "note", "exists": true}), &[4]);
    assert_passes(json!({"field": "note"}), &[]);
    assert_passes(json!({"field": "note", "exists": false}), &[0, 1, 2, 3]);
}

#[test]
fn records_are_told_by_what_they_are() {
    assert_passes(json!({"operation": ["insert", "delete"]}), &[0, 2]);
    assert_passes(json!({"table": "ord.*"}), &[0, 1, 2]);
    assert_passes(json!({"table": "ord"}), &[]);
    assert_passes(json!({"topic": r"cdc\..*"}), &[0, 1, 2, 3]);
    assert_passes(json!({"tombstone": true}), &[3]);
    assert_passes(json!({"header": "trace"}), &[4]);
    assert_passes(json!({"not": true, "tombstone": true}), &[0, 1, 2, 4]);
    assert_passes(json!({"operation": ["update"], "field": "status", "equals": "new"}), &[]);
}

#[test]
fn conditions_are_combined() {
    let conditions = json!([{"tombstone": true}, {"operation": ["delete"]}]);
    assert_eq!(passing(json!({"conditions": conditions}), &orders()), [] as [u32; 0]);
    assert_eq!(passing(json!({"conditions": conditions, "match": "any"}), &orders()), [2, 3]);
    assert_eq!(
        passing(json!({"conditions": conditions, "match": "any", "action": "drop"}), &orders()),
        [0, 1, 4]
    );
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    assert!(refusal(json!({"conditions": []})).starts_with("nothing to filter by"));
    assert!(refusal(json!({"conditions": [{"not": true}]})).starts_with("conditions[0]: says nothing"));
    assert_eq!(
        refusal(json!({"conditions": [{"tombstone": true}, {"equals": 1}]})),
        "conditions[1]: which field? name it with `field`"
    );
    assert!(
        refusal(json!({"conditions": [{"field": "a", "matches": "("}]}))
            .starts_with("conditions[0]: matches: ")
    );
    assert!(
        refusal(json!({"conditions": [{"field": "a", "exists": false, "equals": 1}]}))
            .contains("holds for no field")
    );
}
