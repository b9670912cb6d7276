//! `mode = "history"`: every version of a row, and from when to when it was valid.

use serde_json::{Value as Json, json};
use tidegate_tests::{
    Rows,
    captured_sets::{events, hints},
    change_events::{Event, KeyForm, Source},
    compare, final_table_names,
};

use super::replays;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe,
};

pub(crate) const HISTORY: &str = "mode = \"history\"\n";
/// Events have a second each, counted from here.
const BEGIN: &str = "22:13:20";
/// Debezium's placeholder for an unchanged large value.
const OMITTED: &str = "__debezium_unavailable_value";
/// Batches in which events meet the table, and in which they meet each other.
const BATCHES: [usize; 2] = [1, 100];

fn row(id: i64, v: &str) -> Json {
    json!({ "id": id, "v": v })
}

/// The seconds from the beginning to a time, which is that of the event with this number.
fn seconds(text: &str) -> i64 {
    let of_clock = |clock: &str| {
        let parts: Vec<i64> = clock.split(':').map(|part| part.parse().expect("a number")).collect();
        parts[0] * 3600 + parts[1] * 60 + parts[2]
    };
    let at = text.find("22:").unwrap_or_else(|| panic!("{text} is not a time of the test"));
    of_clock(&text[at..at + BEGIN.len()]) - of_clock(BEGIN)
}

/// The versions of a table: key, value, operation, and the numbers of the events from which and to which it was valid.
fn versions<P: Probe>(pipe: &Pipe<P>, table: &str) -> Vec<String> {
    let columns = "\"id\", \"v\", \"_cdc_operation\", \"_cdc_valid_from\", \"_cdc_valid_to\"";
    let rows =
        pipe.probe.query(&format!("SELECT {columns} FROM \"{table}\" ORDER BY \"id\", \"_cdc_source_lsn\""));
    let shown = |row: Vec<Option<String>>| {
        let value = |index: usize| row[index].clone().unwrap_or("-".to_owned());
        let time =
            |index: usize| row[index].as_deref().map_or("now".to_owned(), |at| seconds(at).to_string());
        format!("{} {} {} {}..{}", value(0), value(1), value(2), time(3), time(4))
    };
    rows.into_iter().map(shown).collect()
}

fn pipe<P: Probe>(test: &str, batch: usize) -> Option<Pipe<P>> {
    let pipe = Pipe::<P>::find(test)?;
    pipe.connector(Connector { sink: HISTORY, batch: Some(batch), ..Connector::default() });
    Some(pipe)
}

pub(crate) fn every_event_is_a_version<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("versions", batch) else { return };
        let mut orders = Source::new("orders", &["id"]);
        let delete = |orders: &mut Source| orders.delete(json!({ "id": 1 }));
        let events = vec![
            orders.insert(row(1, "new")),
            orders.update(row(1, "changed")),
            orders.insert(row(2, "new")),
            delete(&mut orders),
            orders.insert(row(1, "again")),
            orders.update(row(1, "last")),
        ];
        let deleted = delete(&mut orders);
        orders.send(&pipe.broker, events.into_iter().chain([deleted.tombstone()]));
        let _finished = pipe.run();
        let mut expected = vec![
            "1 new c 1..2",
            "1 changed u 2..4",
            "1 - d 4..4",
            "1 again c 5..6",
            "1 last u 6..now",
            "2 new c 3..now",
        ];
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
        orders.send(&pipe.broker, [deleted]);
        let _finished = pipe.run();
        expected[4] = "1 last u 6..7";
        expected.insert(5, "1 - d 7..7");
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
    }
}

/// The events of one key are in several partitions, of which any may lag behind.
pub(crate) fn late_events_get_their_place_and_replays_change_nothing<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("late_versions", batch) else { return };
        let mut orders = Source::new("orders", &["id"]);
        let events = [
            orders.insert(row(1, "new")),
            orders.update(row(1, "second")),
            orders.update(row(1, "third")),
            orders.delete(json!({ "id": 1 })),
            orders.insert(row(1, "again")),
        ];
        let partitions = [0, 1, 2, 1, 2];
        let events: Vec<Event> = events
            .into_iter()
            .zip(partitions)
            .map(|(event, partition)| event.in_partition(partition))
            .collect();
        for places in [&[2, 4][..], &[0], &[1, 3]] {
            orders.send(&pipe.broker, places.iter().map(|place| events[*place].clone()));
            let _finished = pipe.run();
        }
        let expected =
            ["1 new c 1..2", "1 second u 2..3", "1 third u 3..4", "1 - d 4..4", "1 again c 5..now"];
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
        let before = pipe.everything();
        orders.send(&pipe.broker, events);
        let _finished = pipe.run();
        replays::expect_unchanged(&before, &pipe.everything());
    }
}

pub(crate) fn truncates_end_earlier_versions<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("truncated_versions", batch) else { return };
        let mut orders = Source::new("orders", &["id"]);
        let late = orders.insert(row(1, "late")).in_partition(1);
        let events = vec![
            orders.truncate(),
            orders.insert(row(2, "before")),
            orders.truncate(),
            orders.insert(row(2, "behind")),
            orders.truncate(),
            orders.insert(row(3, "last")),
        ];
        orders.send(&pipe.broker, events.clone());
        let _finished = pipe.run();
        let mut expected = vec!["2 before c 3..4", "2 behind c 5..6", "3 last c 7..now"];
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
        orders.send(&pipe.broker, [late].into_iter().chain(events));
        let _finished = pipe.run();
        expected.insert(0, "1 late c 1..2");
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
    }
}

/// Two rows exchange their keys, while the events omit their large values.
pub(crate) fn changed_keys_keep_large_values<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("moved_versions", batch) else { return };
        let mut notes = Source::new("notes", &["id"]);
        let inserts = [notes.insert(row(1, "one")), notes.insert(row(2, "two"))];
        let mut moved = |old: i64, new: i64| {
            notes.moves(json!({ "id": old, "v": null }), row(new, OMITTED), KeyForm::Struct)
        };
        let moves = [moved(1, 9), moved(2, 1), moved(9, 2)].into_iter().flatten();
        let events: Vec<Event> = inserts.into_iter().chain(moves).collect();
        notes.send(&pipe.broker, events);
        let update = notes.update(row(2, OMITTED));
        notes.send(&pipe.broker, [update]);
        let finished = pipe.run();
        let expected = [
            "1 one c 1..3",
            "1 - d 3..3",
            "1 two c 4..now",
            "2 two c 2..4",
            "2 - d 4..4",
            "2 one c 5..6",
            "2 one u 6..now",
            "9 one c 3..5",
            "9 - d 5..5",
        ];
        assert_eq!(versions(&pipe, "notes"), expected, "{batch}");
        assert_eq!(finished.count_log(" WARN "), 0, "{}", finished.stderr);
    }
}

pub(crate) fn omitted_values_that_nothing_has_are_rejected_or_lost<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("lost_versions", batch) else { return };
        let mut notes = Source::new("notes", &["id"]);
        let events = [
            notes.insert(row(1, "one")),
            notes.delete(json!({ "id": 1 })),
            // The row was inserted again, but that event is missing.
            notes.update(row(1, OMITTED)),
        ];
        notes.send(&pipe.broker, events);
        let finished = pipe.run();
        assert_eq!(versions(&pipe, "notes"), ["1 one c 1..2", "1 - d 2..2", "1 - u 3..now"], "{batch}");
        let _warning = finished.expect_log("became NULL");
        let unknown = notes.insert(row(3, OMITTED));
        notes.send(&pipe.broker, [unknown]);
        let finished = pipe.home.run_once(&pipe.broker);
        let _reason = finished.expect_log("the insert contains Debezium's placeholder");
    }
}

pub(crate) fn rows_that_are_read_again_are_versions_only_if_they_have_changed<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("read_again", batch) else { return };
        let mut orders = Source::new("orders", &["id"]);
        let typed = |id: i64, v: &str, price: f64| json!({ "id": id, "v": v, "price": price, "tags": [id, { "a": v }] });
        let events = [
            orders.read(typed(1, "one", 1.5)),
            orders.read(typed(2, "two", 2.5)),
            orders.update(typed(2, "changed", 2.5)),
            orders.read(typed(1, "one", 1.5)),
            orders.read(typed(2, "changed", 2.5)),
            // The update was missed.
            orders.read(typed(1, "missed", 1.5)),
            orders.read(typed(1, "missed", 1.5)),
            orders.delete(json!({ "id": 2 })),
            orders.read(typed(2, "changed", 2.5)),
        ];
        orders.send(&pipe.broker, events);
        let _finished = pipe.run();
        let expected = [
            "1 one r 1..6",
            "1 missed r 6..now",
            "2 two r 2..3",
            "2 changed u 3..8",
            "2 - d 8..8",
            "2 changed r 9..now",
        ];
        assert_eq!(versions(&pipe, "orders"), expected, "{batch}");
    }
}

pub(crate) fn columns_are_added_to_a_history<P: Probe>() {
    for batch in BATCHES {
        let Some(pipe) = pipe::<P>("history_columns", batch) else { return };
        let mut orders = Source::new("orders", &["id"]);
        let first = orders.insert(json!({ "id": 1, "n": 11 }));
        orders.send(&pipe.broker, [first]);
        let _finished = pipe.run();
        let events = [
            orders.update(json!({ "id": 1, "n": "n/a", "later": "x" })),
            orders.update(json!({ "id": 1, "n": 12, "later": "y" })),
        ];
        orders.send(&pipe.broker, events);
        let finished = pipe.run();
        let _warning = finished.expect_log("cannot hold a value: the column is NULL");
        let columns = "\"_cdc_source_lsn\", \"n\", \"n__variant\", \"later\"";
        let rows = pipe.select(columns, "orders");
        let rows: Vec<&str> = rows.iter().filter_map(|row| Some(row.split_once(' ')?.1)).collect();
        assert_eq!(rows, ["11 - -", "- \"n/a\" x", "12 - y"], "{batch}");
    }
}

pub(crate) fn a_history_without_evolution_names_its_statements<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("history_evolution_off") else { return };
    let sink = format!("{HISTORY}schema_evolution = \"off\"\n");
    pipe.connector(Connector { sink: &sink, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events = [orders.insert(row(1, "new")), orders.truncate(), orders.insert(row(1, "again"))];
    orders.send(&pipe.broker, events);
    for _ in 0..4 {
        let finished = pipe.home.run_once(&pipe.broker);
        if finished.code == Some(0) {
            assert_eq!(versions(&pipe, "orders"), ["1 new c 1..2", "1 again c 3..now"]);
            return;
        }
        let line = finished.expect_log("schema_evolution = \"off\": run `");
        let (_, rest) = line.split_once(": run `").expect("statements");
        let (statements, _) = rest.split_once(";`").expect("an end");
        pipe.probe.execute(statements);
    }
    panic!("the named statements are not enough: {:?}", pipe.probe.tables());
}

pub(crate) fn a_dry_run_of_a_history_changes_nothing<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("history_dry_run") else { return };
    pipe.connector(Connector { sink: &format!("{HISTORY}dry_run = true\n"), ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    let events =
        [orders.truncate(), orders.insert(row(1, "new")), orders.update(row(1, OMITTED)), orders.truncate()];
    orders.send(&pipe.broker, events);
    let finished = pipe.run();
    let shown = &finished.stdout;
    assert!(shown.contains("CREATE TABLE") && shown.contains("_cdc_valid_to"), "{shown}");
    assert!(pipe.probe.tables().is_empty(), "{:?}", pipe.probe.tables());
}

pub(crate) fn a_history_needs_a_key<P: Probe>() {
    let Some(pipe) = pipe::<P>("history_keyless", 100) else { return };
    let mut views = Source::new("views", &[]);
    let view = views.insert(json!({ "page": 1 }));
    views.send(&pipe.broker, [view]);
    let finished = pipe.home.run_once(&pipe.broker);
    assert_ne!(finished.code, Some(0));
    let line = finished.expect_log("the table has no key");
    assert!(line.contains("key_columns"), "{line}");
}

pub(crate) fn a_table_of_another_mode_is_refused<P: Probe>() {
    for (first, then, reason) in [
        ("", HISTORY, "so it is not a history table: set another name"),
        (HISTORY, "", "is a history table: set mode = \"history\""),
        (HISTORY, "mode = \"append\"\n", "is a history table: set mode = \"history\""),
    ] {
        let Some(pipe) = Pipe::<P>::find("other_mode") else { return };
        pipe.connector(Connector { sink: first, ..Connector::default() });
        let mut orders = Source::new("orders", &["id"]);
        let event = orders.insert(row(1, "new"));
        orders.send(&pipe.broker, [event]);
        let _finished = pipe.run();
        let before = pipe.everything();
        pipe.connector(Connector { sink: then, ..Connector::default() });
        let event = orders.insert(row(2, "new"));
        orders.send(&pipe.broker, [event]);
        let finished = pipe.home.run_once(&pipe.broker);
        assert_ne!(finished.code, Some(0));
        let _line = finished.expect_log(reason);
        replays::expect_unchanged(&before, &pipe.everything());
    }
}

pub(crate) fn a_history_is_the_same_when_everything_is_read_again<P: Probe>() {
    for set in ["shop-precise", "types-adaptive"] {
        let sink = format!("{HISTORY}{}", keys(set));
        replays::change_nothing_when_read_again::<P>(set, &sink);
    }
}

/// The key of the table that has none.
fn keys(set: &str) -> &'static str {
    match set.starts_with("shop") {
        true => "[sink.config.tables]\npage_views.key_columns = [\"viewed_at\", \"path\"]\n",
        false => "",
    }
}

/// Only the rows that are valid now.
fn current(mut rows: Rows) -> Rows {
    let to = rows.columns.iter().position(|column| column.name == "_cdc_valid_to").expect("a history table");
    rows.rows.retain(|row| row[to].is_none());
    rows
}

/// The current versions equal the source's final tables, and there is a version for every change.
#[track_caller]
fn expect_history<P: Probe>(set: &str, format: &str, batches: &[usize]) {
    let sink = format!("{HISTORY}{}", keys(set));
    for batch in batches {
        let test = format!("history_{set}_{format}_{batch}").replace('-', "_");
        let Some(pipe) = Pipe::<P>::find(&test) else { return };
        pipe.load(set, format, 1);
        let source = hints(set, format);
        pipe.connector(Connector {
            batch: Some(*batch),
            source: &source,
            sink: &sink,
            ..Connector::default()
        });
        let _finished = pipe.run();
        let deviations = format!("{}/{format}", P::DEVIATIONS);
        let comparison = compare(set, &deviations, |table| current(pipe.probe.table(table)));
        comparison.expect_none();
        let changes = events(set);
        for table in final_table_names(set) {
            let changes = changes.iter().filter(|event| event.table == table && event.op != "t").count();
            assert_eq!(
                pipe.select("COUNT(*)", &table),
                [changes.to_string()],
                "{table} in batches of {batch}"
            );
        }
        println!("{set} as {format} in batches of {batch}: {} values are equal", comparison.values);
    }
}

pub(crate) fn history_of_shop_string<P: Probe>() {
    expect_history::<P>("shop-string", "json-schema", &[100, 10_000]);
}

pub(crate) fn history_of_shop_precise<P: Probe>() {
    expect_history::<P>("shop-precise", "json-hints", &[100, 10_000]);
}

pub(crate) fn history_of_types_connect<P: Probe>() {
    expect_history::<P>("types-connect", "json-schema", &[1, 100]);
}

pub(crate) fn history_of_types_adaptive<P: Probe>() {
    expect_history::<P>("types-adaptive", "json-schema", &[1, 100]);
}
