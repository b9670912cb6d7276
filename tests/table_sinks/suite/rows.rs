//! Small tables with known values: deletes, truncates, changed keys, tables without a key, rejected rows.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidegate_tests::{
    captured_sets,
    change_events::{Event, KeyForm, Source},
};

use crate::{
    pipe::{Connector, Pipe},
    probe::Probe,
};

const SOFT: &str = "delete_mode = \"soft\"\n";
const SHOWN: &str = "\"id\", \"v\", \"_cdc_operation\"";
/// Batches in which events meet the table, and in which they meet each other.
const BATCHES: [usize; 2] = [1, 100];

fn row(id: i64, v: &str) -> Json {
    json!({ "id": id, "v": v })
}

/// Deletes a row and one that does not exist, and inserts both again.
#[track_caller]
fn delete_and_come_again<P: Probe>(sink: &str, deleted: &[&str]) {
    for batch in BATCHES {
        let Some(pipe) = Pipe::<P>::find("deletes") else { return };
        pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
        let mut orders = Source::new("orders", &["id"]);
        let inserts = [1, 2].map(|id| orders.insert(row(id, "new")));
        let deletes = [1, 9].map(|id| orders.delete(json!({ "id": id })));
        orders.send(&pipe.broker, inserts.into_iter().chain(deletes));
        let _finished = pipe.run();
        assert_eq!(pipe.select(SHOWN, "orders"), deleted);
        let inserts = [1, 9].map(|id| orders.insert(row(id, "again")));
        orders.send(&pipe.broker, inserts);
        let _finished = pipe.run();
        assert_eq!(pipe.select(SHOWN, "orders"), ["1 again c", "2 new c", "9 again c"]);
    }
}

pub(crate) fn deleted_rows_are_removed_and_come_back<P: Probe>() {
    delete_and_come_again::<P>("", &["2 new c"]);
}

pub(crate) fn soft_deleted_rows_keep_their_values<P: Probe>() {
    delete_and_come_again::<P>(SOFT, &["1 new d", "2 new c", "9 - d"]);
}

pub(crate) fn truncates_remove_earlier_rows<P: Probe>() {
    for (sink, expected) in
        [("", &["2 behind c", "3 behind c"][..]), (SOFT, &["1 before d", "2 behind c", "3 behind c"])]
    {
        for batch in BATCHES {
            let Some(pipe) = Pipe::<P>::find("truncates") else { return };
            pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
            let mut orders = Source::new("orders", &["id"]);
            let events = vec![
                orders.insert(row(1, "before")),
                orders.insert(row(2, "before")),
                orders.truncate(),
                orders.insert(row(2, "behind")),
                orders.insert(row(3, "behind")),
            ];
            orders.send(&pipe.broker, events.clone());
            let _finished = pipe.run();
            assert_eq!(pipe.select(SHOWN, "orders"), expected);
            // An event from before the truncate, read late.
            orders.send(&pipe.broker, events.into_iter().take(1));
            let _finished = pipe.run();
            assert_eq!(pipe.select(SHOWN, "orders"), expected);
        }
    }
}

pub(crate) fn changed_keys_end_with_one_row<P: Probe>() {
    for (sink, expected) in [("", &["2 moved c"][..]), (SOFT, &["1 new d", "2 moved c"])] {
        for batch in BATCHES {
            let Some(pipe) = Pipe::<P>::find("moved") else { return };
            pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
            let mut orders = Source::new("orders", &["id"]);
            let insert = orders.insert(row(1, "new"));
            let moves = orders.moves(json!({ "id": 1 }), row(2, "moved"), KeyForm::Struct);
            orders.send(&pipe.broker, [insert].into_iter().chain(moves));
            let _finished = pipe.run();
            assert_eq!(pipe.select(SHOWN, "orders"), expected);
        }
    }
}

/// Two rows exchange their keys, while the events omit their large values.
pub(crate) fn large_values_move_with_their_key<P: Probe>() {
    const OMITTED: &str = "__debezium_unavailable_value";
    for batch in BATCHES {
        let Some(pipe) = Pipe::<P>::find("large_values") else { return };
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let mut notes = Source::new("notes", &["id"]);
        let inserts = [notes.insert(row(1, "one")), notes.insert(row(2, "two"))];
        let mut moved = |old: i64, new: i64| {
            notes.moves(json!({ "id": old, "v": null }), row(new, OMITTED), KeyForm::Struct)
        };
        let moves = [moved(1, 9), moved(2, 1), moved(9, 2)].into_iter().flatten();
        let events: Vec<Event> = inserts.into_iter().chain(moves).collect();
        notes.send(&pipe.broker, events);
        let update = notes.update(json!({ "id": 2, "v": OMITTED, "w": "added" }));
        notes.send(&pipe.broker, [update]);
        let _finished = pipe.run();
        assert_eq!(pipe.select("\"id\", \"v\", \"w\"", "notes"), ["1 two -", "2 one added"], "{batch}");
    }
}

pub(crate) fn tables_without_a_key_have_every_event_once<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("keyless") else { return };
    let mut views = Source::new("views", &[]);
    let events: Vec<Event> = (0..250).map(|n| views.insert(json!({ "page": n % 10 }))).collect();
    views.send(&pipe.broker, events);
    pipe.connector(Connector { batch: Some(40), ..Connector::default() });
    let _finished = pipe.run();
    pipe.reset_offsets(&[views.topic().to_owned()]);
    let _finished = pipe.run();
    let expected: Vec<String> = (0..10).map(|page| format!("{page} 25")).collect();
    let counted = pipe.probe.query("SELECT \"page\", COUNT(*) FROM \"views\" GROUP BY \"page\" ORDER BY 1");
    let counted: Vec<String> =
        counted.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(counted, expected);
}

pub(crate) fn append_has_a_row_for_every_event<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("append") else { return };
    let set = "types-adaptive";
    pipe.load(set, "json-schema", 1);
    let sink = "mode = \"append\"\nmetadata = [\"topic\", \"offset\"]\n";
    pipe.connector(Connector { sink, batch: Some(5), ..Connector::default() });
    let _finished = pipe.run();
    pipe.reset_offsets(&captured_sets::topics(set));
    let _finished = pipe.run();
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in captured_sets::events(set) {
        *expected.entry((event.table, event.op)).or_default() += 1;
    }
    let mut found = BTreeMap::new();
    for (table, op) in expected.keys() {
        let rows = pipe.select("\"_cdc_operation\"", table);
        found.insert((table.clone(), op.clone()), rows.iter().filter(|row| *row == op).count());
    }
    assert_eq!(found, expected);
}

pub(crate) fn columns_are_added_and_values_that_do_not_fit_go_beside<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = Pipe::<P>::find("evolution") else { return };
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let mut orders = Source::new("orders", &["id"]);
        orders.declare(json!([
            { "type": "int64", "optional": false, "field": "id" },
            { "type": "int64", "optional": true, "field": "n" },
        ]));
        let first = orders.insert(json!({ "id": 1, "n": 10 }));
        orders.send(&pipe.broker, [first]);
        let _finished = pipe.run();
        orders.declare(json!([
            { "type": "int64", "optional": false, "field": "id" },
            { "type": "string", "optional": true, "field": "n" },
            { "type": "string", "optional": true, "field": "later" },
        ]));
        let second = orders.insert(json!({ "id": 2, "n": "n/a", "later": "x" }));
        let third = orders.update(json!({ "id": 1, "n": "12", "later": null }));
        orders.send(&pipe.broker, [second, third]);
        let finished = pipe.run();
        let _warning = finished.expect_log("cannot hold a value: the column is NULL");
        let columns = "\"id\", \"n\", \"n__variant\", \"later\"";
        assert_eq!(pipe.select(columns, "orders"), ["1 12 - -", "2 - \"n/a\" x"]);
    }
}

pub(crate) fn existing_tables_are_written_and_own_columns_left_alone<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("existing") else { return };
    pipe.probe.execute(
        "CREATE TABLE \"users\" (\"mine\" VARCHAR(20), \"NAME\" VARCHAR(20), \"region\" VARCHAR(20) DEFAULT 'emea', \
         \"id\" BIGINT NOT NULL PRIMARY KEY, \"old\" VARCHAR(20))",
    );
    pipe.probe.execute(
        "INSERT INTO \"users\" (\"id\", \"NAME\", \"mine\", \"old\") VALUES (1, 'a', 'kept', 'gone')",
    );
    let sink = "[sink.config.tables]\nusers.unmanaged_columns = [\"mine\"]\n";
    pipe.connector(Connector { sink, ..Connector::default() });
    let mut users = Source::new("users", &["id"]);
    let events = [
        users.update(json!({ "id": 1, "name": "b" })),
        users.insert(json!({ "id": 2, "name": "c" })),
        users.insert(json!({ "id": 3, "name": "d", "region": "apac" })),
    ];
    for event in events {
        users.send(&pipe.broker, [event]);
        let _finished = pipe.run();
    }
    let columns = "\"id\", \"NAME\", \"region\", \"mine\", \"old\"";
    assert_eq!(pipe.select(columns, "users"), ["1 b emea kept -", "2 c emea - -", "3 d apac - -"]);
}

/// A row that the sink cannot know to be wrong: the user's own table refuses it.
pub(crate) fn one_bad_row_of_many_is_named_and_rejected_alone<P: Probe>() {
    const ROWS: i64 = 500;
    const BAD: i64 = 317;
    let Some(pipe) = Pipe::<P>::find("bad_row") else { return };
    pipe.probe.execute(
        "CREATE TABLE \"orders\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \"v\" VARCHAR(20) CHECK (\"v\" <> 'refused'))",
    );
    let mut orders = Source::new("orders", &["id"]);
    let events = (0..ROWS).map(|id| orders.insert(row(id, if id == BAD { "refused" } else { "fine" })));
    let events: Vec<Event> = events.collect();
    orders.send(&pipe.broker, events);
    let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
    pipe.connector(Connector { batch: Some(1_000), more, ..Connector::default() });
    let finished = pipe.run();
    let line = finished.expect_log("record skipped: ");
    assert!(line.contains(&format!("topic={} partition=0 offset={BAD}", orders.topic())), "{line}");
    assert!(!line.contains("refused"), "{line}");
    assert_eq!(finished.count_log("record skipped: "), 1, "{}", finished.stderr);
    let mut ids: Vec<i64> =
        pipe.select("\"id\"", "orders").iter().map(|id| id.parse().expect("a number")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..ROWS).filter(|id| *id != BAD).collect::<Vec<_>>());
}

pub(crate) fn schema_evolution_off_names_the_statement<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("evolution_off") else { return };
    pipe.connector(Connector { sink: "schema_evolution = \"off\"\n", ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let insert = orders.insert(row(1, "new"));
    orders.send(&pipe.broker, [insert]);
    // Each run ends with the statements that are missing: those of the sink's own tables, then those of the source's.
    for _ in 0..4 {
        let finished = pipe.home.run_once(&pipe.broker);
        if finished.code == Some(0) {
            assert_eq!(pipe.select(SHOWN, "orders"), ["1 new c"]);
            return;
        }
        let line = finished.expect_log("schema_evolution = \"off\": run `");
        let (_, rest) = line.split_once(": run `").expect("statements");
        let (statements, _) = rest.split_once(";`").expect("an end");
        pipe.probe.execute(statements);
    }
    panic!("the named statements are not enough: {:?}", pipe.probe.tables());
}

pub(crate) fn a_dry_run_changes_nothing<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("dry_run") else { return };
    pipe.connector(Connector { sink: "dry_run = true\n", ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events = [orders.insert(row(1, "new")), orders.delete(json!({ "id": 1 }))];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    assert!(
        finished.stdout.contains("CREATE TABLE") && finished.stdout.contains("orders"),
        "{}",
        finished.stdout
    );
    assert!(pipe.probe.tables().is_empty(), "{:?}", pipe.probe.tables());
}
