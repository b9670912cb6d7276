//! Events that are read again, after an offset reset or at new offsets.

use std::collections::BTreeMap;

use tidegate_tests::{Broker, Rows};

use super::{
    Connector, Pipe, STAGED, Source,
    pipe::{events, topics},
};
use serde_json::json;

/// The table without a key.
const KEYLESS: &str = "page_views";

fn read_once(test: &str, set: &str, sink: &str) -> Option<(Pipe, BTreeMap<String, Rows>)> {
    let pipe = Pipe::find(test)?;
    pipe.load(set, "json-schema", 1);
    pipe.connector(Connector { sink, batch: Some(100), ..Connector::default() });
    let _finished = pipe.run();
    let tables = pipe.everything();
    Some((pipe, tables))
}

/// Checks that no value of any table has changed, including the metadata columns and the sink's own tables.
#[track_caller]
fn expect_unchanged(before: &BTreeMap<String, Rows>, after: &BTreeMap<String, Rows>) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (table, rows) in before {
        let changed: Vec<_> =
            rows.rows.iter().zip(&after[table].rows).filter(|(was, is)| was != is).collect();
        assert!(changed.is_empty(), "{table}: {} rows, such as {:?}", changed.len(), changed.first());
        assert_eq!(*rows, after[table], "{table}");
    }
    let values: usize = before.values().map(|rows| rows.rows.len() * rows.columns.len()).sum();
    println!("{} tables, {values} values are as they were", before.len());
    assert!(values > 0, "nothing was compared");
}

#[track_caller]
fn set_back_and_read_again(test: &str, set: &str) {
    let Some((pipe, before)) = read_once(test, set, "") else { return };
    let topics = topics(set);
    let ends: Vec<Option<i64>> = topics.iter().map(|topic| pipe.committed(topic)).collect();
    // With the same and with another batch size.
    for batch in [100, 7_000] {
        pipe.reset_offsets(&topics);
        assert!(topics.iter().all(|topic| pipe.committed(topic) == Some(0)), "{topics:?}");
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let _finished = pipe.run();
        expect_unchanged(&before, &pipe.everything());
        assert_eq!(topics.iter().map(|topic| pipe.committed(topic)).collect::<Vec<_>>(), ends);
    }
}

#[test]
fn nothing_changes_when_the_shops_offsets_are_reset() {
    set_back_and_read_again("set_back_shop", "shop-precise");
}

#[test]
fn nothing_changes_when_the_offsets_of_a_truncated_table_are_reset() {
    set_back_and_read_again("set_back_types", "types-adaptive");
}

#[track_caller]
fn produce_again(test: &str, set: &str, sink: &str) {
    let Some((pipe, before)) = read_once(test, set, sink) else { return };
    pipe.load(set, "json-schema", 1);
    let _finished = pipe.run();
    let after = pipe.everything();
    assert_eq!(before.contains_key(KEYLESS), set.starts_with("shop"), "{set}");
    type Tables = BTreeMap<String, Rows>;
    let is_of_deletes = |(table, _): &(String, Rows)| table.ends_with("__cdc_deleted");
    let (known, before): (Tables, Tables) = before.into_iter().partition(is_of_deletes);
    let (learnt, after): (Tables, Tables) = after.into_iter().partition(is_of_deletes);
    expect_unchanged(&before, &after);
    expect_remembered(&known, &learnt);
    // The sets are not empty.
    assert!(events(set).len() > 10);
}

/// Checks that every stored delete is unchanged. There may be more: whether a delete is stored if its row was inserted
/// again right after it depends on the batches, and has no effect.
#[track_caller]
fn expect_remembered(before: &BTreeMap<String, Rows>, after: &BTreeMap<String, Rows>) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (table, rows) in before {
        let forgotten: Vec<_> = rows.rows.iter().filter(|row| !after[table].rows.contains(row)).collect();
        assert!(forgotten.is_empty(), "{table}: {forgotten:?}");
        println!("{table}: {} deletes, then {}", rows.rows.len(), after[table].rows.len());
    }
}

#[test]
fn the_shops_tables_are_unchanged_by_a_replay() {
    produce_again("again_shop", "shop-precise", "");
}

#[test]
fn a_truncated_table_is_unchanged_by_a_replay() {
    produce_again("again_types", "types-adaptive", "");
}

#[test]
fn soft_deleted_rows_are_unchanged_by_a_replay() {
    produce_again("again_soft", "types-adaptive", "delete_mode = \"soft\"\n");
}

#[test]
fn rows_from_a_stage_are_unchanged_by_a_replay() {
    produce_again("again_staged", "shop-precise", STAGED);
}

#[track_caller]
fn late_events_change_nothing(test: &str, sink: &str) {
    let Some(pipe) = Pipe::find(test) else { return };
    pipe.connector(Connector { sink, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let insert = [1, 2, 3].map(|id| orders.insert(json!({ "id": id, "v": "new" })));
    let update = orders.update(json!({ "id": 2, "v": "changed" }));
    let delete = orders.delete(json!({ "id": 1 }));
    let insert_of_4 = orders.insert(json!({ "id": 4, "v": "new" }));
    let truncate = orders.truncate();
    let last = orders.insert(json!({ "id": 5, "v": "new" }));
    orders.send(&pipe.broker, insert.iter().chain([&update, &delete]).cloned());
    let _finished = pipe.run();
    orders.send(&pipe.broker, insert.iter().cloned());
    let _finished = pipe.run();
    let live = |pipe: &Pipe| {
        let rows = pipe.select("\"id\", \"v\", \"_cdc_operation\"", "orders").into_iter();
        rows.filter(|row| !row.ends_with(" d")).collect::<Vec<_>>()
    };
    assert_eq!(live(&pipe), ["2 changed u", "3 new c"]);
    orders.send(&pipe.broker, [insert_of_4.clone(), truncate, last]);
    let _finished = pipe.run();
    orders.send(&pipe.broker, [insert_of_4, update, delete]);
    let _finished = pipe.run();
    assert_eq!(live(&pipe), ["5 new c"]);
}

#[test]
fn late_events_do_not_restore_deleted_rows() {
    late_events_change_nothing("late_hard", "");
}

#[test]
fn late_events_do_not_restore_soft_deleted_rows() {
    late_events_change_nothing("late_soft", "delete_mode = \"soft\"\n");
}

#[test]
fn a_recreated_topic_is_read_from_its_beginning_if_configured() {
    let Some(mut pipe) = Pipe::find("start_over") else { return };
    let mut orders = Source::new("orders", &["id"]);
    let inserts: Vec<_> = (1..=5).map(|id| orders.insert(json!({ "id": id, "v": "new" }))).collect();
    orders.send(&pipe.broker, inserts);
    let _finished = pipe.run();

    pipe.broker = Broker::start();
    let update = orders.update(json!({ "id": 2, "v": "changed" }));
    orders.send(&pipe.broker, [update]);
    pipe.run_with_code(3)
        .expect_log("offsets of topic cdc.public.orders were stored for another Kafka cluster");
    let values = |pipe: &Pipe| pipe.select("\"id\", \"v\"", "orders").join(", ");
    assert_eq!(values(&pipe), "1 new, 2 new, 3 new, 4 new, 5 new");

    pipe.connector(Connector { source: "on_lost_position = \"earliest\"", ..Connector::default() });
    let _finished = pipe.run();
    assert_eq!(values(&pipe), "1 new, 2 changed, 3 new, 4 new, 5 new");
    let update = orders.update(json!({ "id": 3, "v": "changed" }));
    orders.send(&pipe.broker, [update]);
    let _finished = pipe.run();
    assert_eq!(values(&pipe), "1 new, 2 changed, 3 changed, 4 new, 5 new");
}
