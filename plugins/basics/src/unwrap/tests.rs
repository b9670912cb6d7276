//! Options of `unwrap`, and what it reports. The cases of Debezium are in `tests/e2e/unwrap`.

use serde_json::{Value as Json, json};
use tidegate_plugin::testing::{self, Event, Records, TransformTest};

use super::*;

fn error(config: Json) -> String {
    TransformTest::<Unwrap>::open(config).unwrap_err().to_string()
}

#[test]
fn lists_and_booleans_may_be_text() {
    let records = Records::new().event(Event::delete("t").key(json!({"id": 1})).before(json!({"id": 1})));
    let text =
        json!({"delete.handling.mode": "rewrite", "drop.tombstones": "false", "add.fields": "op:OP, table"});
    let typed = json!({"delete.handling.mode": "rewrite", "drop.tombstones": false, "add.fields": ["op:OP", "table"]});
    for config in [text, typed] {
        let records = records.clone().tombstone("cdc.public.t", json!({"id": 1}));
        let applied = TransformTest::<Unwrap>::open(config).unwrap().apply(&records).unwrap();
        assert_eq!(
            applied.records[0].value,
            json!({"id": 1, "__deleted": "true", "__OP": "d", "__table": "t"})
        );
        assert_eq!(applied.records.len(), 2);
    }
}

#[test]
fn invalid_options_are_rejected() {
    for fields in ["a:b:c", "a.b.c", "op,", "op:", ".a", "a."] {
        let error = error(json!({"add.fields": fields}));
        assert!(error.starts_with("add.fields: ") && error.contains("is not a field"), "{error}");
    }
    let error_of_headers = error(json!({"add.headers": ["lsn", "source.x:lsn"]}));
    assert_eq!(
        error_of_headers,
        "add.headers: two fields are called \"__lsn\": rename one of them, such as `x:other`"
    );
    let both = error(
        json!({"delete.tombstone.handling.mode": "drop", "drop.tombstones": true, "delete.handling.mode": "none"}),
    );
    assert!(both.starts_with("drop.tombstones: has no effect with delete.tombstone.handling.mode"), "{both}");
    assert!(both.contains("delete.handling.mode: has no effect"), "{both}");
}

#[test]
fn what_is_dropped_is_counted_and_the_first_truncate_of_a_table_is_logged() {
    let truncate = |table: &str| Event::new(Operation::Truncate, table);
    let records = Records::new()
        .event(Event::delete("a").key(json!({"id": 1})).before(json!({"id": 1})))
        .tombstone("cdc.public.a", json!({"id": 1}))
        .event(truncate("a"))
        .event(truncate("a"))
        .event(truncate("b"))
        .event(Event::new(Operation::Message, "").key(json!(null)));
    let mut transform = TransformTest::<Unwrap>::open(json!({"delete.handling.mode": "drop"})).unwrap();
    let (_, _) = (testing::logs(), testing::metrics());
    let applied = transform.apply(&records).unwrap();
    assert_eq!(applied.records.iter().map(|record| record.input).collect::<Vec<_>>(), [5]);
    let logged: Vec<_> =
        testing::logs().into_iter().map(|log| (log.level, log.fields["table"].clone())).collect();
    assert_eq!(logged, [("warn", "a".to_owned()), ("warn", "b".to_owned())]);
    assert_eq!(testing::metrics()["unwrap_dropped"], 5.0);
}

#[test]
fn an_unknown_operation_is_rejected() {
    let records = Records::new().event(Event::new(Operation::Other(b'x'), "t").after(json!({"id": 1})));
    let applied = TransformTest::<Unwrap>::open(json!({})).unwrap().apply(&records).unwrap();
    assert_eq!(applied.rejected[0].1, "operation 'x' is unknown: exclude the record with `when`");
}
