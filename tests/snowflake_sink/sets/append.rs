//! `mode = "append"`: every event is a row, once.

use std::collections::BTreeMap;

use super::{
    Connector, Pipe,
    pipe::{events, topics},
};

const APPEND: &str = "mode = \"append\"\nmetadata = [\"topic\", \"offset\"]\n";

/// The number of events by table and operation.
fn expected(set: &str) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for event in events(set) {
        *counts.entry((event.table, event.op)).or_default() += 1;
    }
    counts
}

/// The number of rows by table and operation. Checks that each has its own offset.
fn found(pipe: &Pipe, set: &str) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for (table, _) in expected(set).into_keys() {
        let rows = pipe.select("\"_cdc_topic\", \"_cdc_offset\", \"_cdc_operation\"", &table);
        let mut places: Vec<_> =
            rows.iter().map(|row| row.rsplit_once(' ').expect("three values").0).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), rows.len(), "{table}: an event is there twice");
        for row in &rows {
            let op = row.rsplit(' ').next().unwrap_or_default().to_owned();
            counts.insert((table.clone(), op), 0);
        }
        for row in rows {
            let op = row.rsplit(' ').next().unwrap_or_default().to_owned();
            *counts.entry((table.clone(), op)).or_default() += 1;
        }
    }
    counts
}

#[test]
fn every_event_is_one_row_after_a_crash_and_an_offset_reset() {
    let Some(pipe) = Pipe::find("append_shop") else { return };
    let set = "shop-string";
    pipe.load(set, "json", 1);
    pipe.connector(Connector { sink: APPEND, batch: Some(100), ..Connector::default() });
    let mut running = pipe.home.start(&pipe.broker);
    let _line = running.wait_for_log("Batch written");
    running.signal("KILL");
    let killed = running.finish();
    assert_eq!(killed.code, None);
    let _finished = pipe.run();
    assert_eq!(found(&pipe, set), expected(set));
    pipe.reset_offsets(&topics(set));
    let _finished = pipe.run();
    assert_eq!(found(&pipe, set), expected(set));
    println!(
        "{} events are rows, after {} written batches and a crash",
        events(set).len(),
        killed.count_log("Batch written")
    );
}

#[test]
fn deletes_and_truncates_are_rows_too() {
    let Some(pipe) = Pipe::find("append_types") else { return };
    let set = "types-adaptive";
    pipe.load(set, "json-schema", 1);
    pipe.connector(Connector { sink: APPEND, ..Connector::default() });
    let _finished = pipe.run();
    let found = found(&pipe, set);
    assert_eq!(found, expected(set));
    assert_eq!(found[&("Quoted Table".to_owned(), "t".to_owned())], 1);
    // A delete contains the old row.
    let deleted = pipe.select("\"_cdc_operation\", \"id\"", "all_types");
    assert!(deleted.contains(&"d 6".to_owned()), "{deleted:?}");
}
