//! Hard and soft deletes.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate_tests::compare;

use super::{Connector, Pipe, Source, pipe::events};

const SOFT: &str = "delete_mode = \"soft\"\n";

#[test]
fn rows_that_are_not_soft_deleted_equal_the_source() {
    let Some(pipe) = Pipe::find("soft_shop") else { return };
    let set = "shop-string";
    pipe.load(set, "json-schema", 1);
    pipe.connector(Connector { sink: SOFT, batch: Some(100), ..Connector::default() });
    let _finished = pipe.run();
    let mut marked = BTreeMap::new();
    let comparison = compare(set, "json-schema", |table| {
        let mut rows = pipe.schema.table(table);
        let operation = rows.columns.iter().position(|column| column.name == "_cdc_operation");
        let operation = operation.expect("the operation");
        let all = rows.rows.len();
        rows.rows.retain(|row| row[operation].as_deref() != Some("d"));
        marked.insert(table.to_owned(), all - rows.rows.len());
        rows
    });
    comparison.expect_none();
    let mut last = BTreeMap::new();
    for event in events(set) {
        last.insert((event.table, event.key), event.op);
    }
    let mut gone: BTreeMap<String, usize> = BTreeMap::new();
    for ((table, _), op) in last {
        *gone.entry(table).or_default() += usize::from(op == "d");
    }
    assert_eq!(marked, gone);
    println!("{} values are equal beside marked rows: {marked:?}", comparison.values);
}

#[track_caller]
fn delete_and_come_again(test: &str, sink: &str, batch: usize, deleted: &[&str], again: &[&str]) {
    let Some(pipe) = Pipe::find(test) else { return };
    pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let inserts = [1, 2].map(|id| orders.insert(json!({ "id": id, "v": "new" })));
    // There is no row for the last one.
    let deletes = [1, 9].map(|id| orders.delete(json!({ "id": id })));
    orders.send(&pipe.broker, inserts.into_iter().chain(deletes));
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\", \"v\", \"_cdc_operation\"", "orders"), deleted);
    let inserts = [1, 9].map(|id| orders.insert(json!({ "id": id, "v": "again" })));
    orders.send(&pipe.broker, inserts);
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\", \"v\", \"_cdc_operation\"", "orders"), again);
}

#[test]
fn a_deleted_row_is_removed_and_can_be_inserted_again() {
    for batch in [1, 100] {
        let again = ["1 again c", "2 new c", "9 again c"];
        delete_and_come_again(&format!("hard_{batch}"), "", batch, &["2 new c"], &again);
    }
}

#[test]
fn a_soft_deleted_row_keeps_its_values_and_can_be_inserted_again() {
    for batch in [1, 100] {
        let again = ["1 again c", "2 new c", "9 again c"];
        let deleted = ["1 new d", "2 new c", "9 - d"];
        delete_and_come_again(&format!("soft_{batch}"), SOFT, batch, &deleted, &again);
    }
}

#[test]
fn a_changed_primary_key_ends_with_one_row() {
    for (test, sink, expected) in
        [("moved_hard", "", &["2 moved c"][..]), ("moved_soft", SOFT, &["1 new d", "2 moved c"])]
    {
        let Some(pipe) = Pipe::find(test) else { return };
        pipe.connector(Connector { sink, batch: Some(1), ..Connector::default() });
        let mut orders = Source::new("orders", &["id"]);
        let insert = orders.insert(json!({ "id": 1, "v": "new" }));
        let delete = orders.delete(json!({ "id": 1 }));
        let tombstone = delete.tombstone();
        let create = orders.insert(json!({ "id": 2, "v": "moved" }));
        orders.send(&pipe.broker, [insert, delete, tombstone, create]);
        let _finished = pipe.run();
        assert_eq!(pipe.select("\"id\", \"v\", \"_cdc_operation\"", "orders"), expected);
    }
}
