//! Any row: unwrapped with `rewrite`, written as JSON and read again as a flattened row, it is the row of the event.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::prelude::*;

use super::*;

fn column() -> impl Strategy<Value = String> {
    // Names that begin with the prefix may be those of added fields.
    "[a-zA-Z_$. -]{1,12}".prop_filter("a column", |name| !name.starts_with("__"))
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ]
}

fn row() -> impl Strategy<Value = BTreeMap<String, Json>> {
    let value = leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(column(), inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    });
    prop::collection::btree_map(column(), value, 1..8)
}

fn message(id: usize, op: &str, row: &BTreeMap<String, Json>) -> Message {
    let [before, after] = if op == "d" { [json!(row), Json::Null] } else { [Json::Null, json!(row)] };
    let source =
        json!({ "connector": "postgresql", "schema": "public", "table": "t", "lsn": 100 + id, "ts_ms": 5 });
    let value = json!({ "before": before, "after": after, "op": op, "source": source, "ts_ms": 9 });
    Message {
        key: Some(json!({ "id": id }).to_string()),
        value: Some(value.to_string()),
        headers: Vec::new(),
    }
}

#[test]
fn a_rewritten_row_is_recognised_as_the_row_of_its_event() {
    let rewrite = |fields: &str| json!({ "delete.tombstone.handling.mode": "rewrite", "add.fields": fields });
    let bare = RefCell::new(Line::open(&rewrite("")));
    let full = RefCell::new(Line::open(&rewrite("op,table,schema,connector,lsn,source.ts_ms,ts_ms")));
    let op = prop_oneof![Just("c"), Just("r"), Just("u"), Just("d")];
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) }, |(rows in prop::collection::vec((op, row()), 1..12))| {
        let messages: Vec<Message> = rows.iter().enumerate().map(|(id, (op, row))| message(id, op, row)).collect();
        let mut original = Batch::new();
        decode(&mut original, &mut decoder(), "dummy", &messages);
        for (line, with_op) in [(&bare, false), (&full, true)] {
            let mut line = line.borrow_mut();
            line.decoder = decoder();
            line.run(&messages);
            prop_assert!(line.batch.rejected().is_empty(), "{:?}", line.batch.rejected());
            let flattened: Vec<Message> = line.batch.records().map(|record| Message {
                key: Some(text_of(record.key())), value: Some(text_of(record.value())), headers: Vec::new(),
            }).collect();
            let mut again = Batch::new();
            decode(&mut again, &mut decoder(), "dummy", &flattened);
            prop_assert!(again.rejected().is_empty(), "{:?}", again.rejected());
            for ((event, unwrapped), read) in original.records().zip(line.batch.records()).zip(again.records()) {
                let [event, unwrapped, read] = [event, unwrapped, read].map(|record| record.change().expect("an event"));
                let text = text_of(event.row().to_value());
                prop_assert_eq!(&text_of(unwrapped.row().to_value()), &text);
                prop_assert_eq!(&text_of(read.row().to_value()), &text);
                prop_assert_eq!(unwrapped.operation(), event.operation());
                if with_op {
                    prop_assert_eq!(read.operation(), event.operation());
                    prop_assert_eq!((read.table(), read.schema(), read.connector()), ("t", "public", "postgresql"));
                    prop_assert_eq!((read.commit_ms(), read.event_ms()), (Some(5), Some(9)));
                    prop_assert_eq!(read.position(), event.position());
                }
            }
        }
    });
}
