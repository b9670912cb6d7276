//! Events that are read again, after an offset reset, by another connector, or at new offsets.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use tidegate_tests::{Rows, captured_sets::topics, change_events::Source};

use crate::{
    pipe::{Connector, NAME, Pipe},
    probe::Probe,
};

type Tables = BTreeMap<String, Rows>;

fn read_once<P: Probe>(test: &str, set: &str, sink: &str) -> Option<(Pipe<P>, Tables)> {
    let pipe = Pipe::<P>::find(test)?;
    pipe.load(set, "json-schema", 1);
    pipe.connector(Connector { sink, batch: Some(100), ..Connector::default() });
    let _finished = pipe.run();
    let tables = pipe.everything();
    Some((pipe, tables))
}

/// Checks that no value of any table has changed, including the metadata columns.
#[track_caller]
pub(crate) fn expect_unchanged(before: &Tables, after: &Tables) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (table, rows) in before {
        assert_eq!(rows.rows.len(), after[table].rows.len(), "{table}");
        let changed: Vec<_> =
            rows.rows.iter().zip(&after[table].rows).filter(|(was, is)| was != is).collect();
        assert!(changed.is_empty(), "{table}: {} rows, such as {:?}", changed.len(), changed.first());
    }
    let values: usize = before.values().map(|rows| rows.rows.len() * rows.columns.len()).sum();
    println!("{} tables, {values} values are as they were", before.len());
    assert!(values > 0, "nothing was compared");
}

pub(crate) fn nothing_changes_when_offsets_are_reset<P: Probe>() {
    for set in ["shop-precise", "types-adaptive"] {
        let Some((pipe, before)) = read_once::<P>("set_back", set, "") else { return };
        // With the same and with another batch size.
        for batch in [100, 7_000] {
            pipe.reset_offsets(&topics(set));
            pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
            let _finished = pipe.run();
            expect_unchanged(&before, &pipe.everything());
        }
    }
}

/// Another connector, which has no offsets, reads a set again in batches of another size; then the events are produced again.
pub(crate) fn change_nothing_when_read_again<P: Probe>(set: &str, sink: &str) {
    let Some((pipe, before)) = read_once::<P>("read_again", set, sink) else { return };
    fs::remove_file(pipe.home.path(&format!("connectors.d/{NAME}.toml"))).expect("the connector file");
    pipe.connector(Connector { name: Some("another"), batch: Some(70), sink, ..Connector::default() });
    let finished = pipe.run();
    assert!(finished.count_log("Batch written") > 0, "{}", finished.stderr);
    expect_unchanged(&before, &pipe.everything());
    pipe.load(set, "json-schema", 1);
    let _finished = pipe.run();
    expect_unchanged(&before, &pipe.everything());
}

/// Another connector has other stored offsets, so everything is written again, except for tables without a key, which can only tell
/// records apart by their offsets.
pub(crate) fn nothing_changes_when_another_connector_reads_everything_again<P: Probe>() {
    let Some((pipe, before)) = read_once::<P>("another_connector", "types-adaptive", "") else { return };
    fs::remove_file(pipe.home.path(&format!("connectors.d/{NAME}.toml"))).expect("the connector file");
    pipe.connector(Connector { name: Some("another"), batch: Some(7), ..Connector::default() });
    let finished = pipe.run();
    assert!(finished.count_log("Batch written") > 0, "{}", finished.stderr);
    expect_unchanged(&before, &pipe.everything());
}

pub(crate) fn nothing_changes_when_events_are_produced_again<P: Probe>() {
    for (set, sink) in
        [("shop-precise", ""), ("types-adaptive", ""), ("types-adaptive", "delete_mode = \"soft\"\n")]
    {
        let Some((pipe, before)) = read_once::<P>("again", set, sink) else { return };
        pipe.load(set, "json-schema", 1);
        let _finished = pipe.run();
        // More deletes may be stored: whether one is if its row was inserted again right after it depends on the batches.
        let is_of_rows = |(table, _): &(String, Rows)| !table.ends_with("__cdc_deleted");
        let of_rows = |tables: Tables| tables.into_iter().filter(is_of_rows).collect::<Tables>();
        expect_unchanged(&of_rows(before), &of_rows(pipe.everything()));
    }
}

pub(crate) fn late_events_change_nothing<P: Probe>() {
    for sink in ["", "delete_mode = \"soft\"\n"] {
        let Some(pipe) = Pipe::<P>::find("late") else { return };
        pipe.connector(Connector { sink, ..Connector::default() });
        let mut orders = Source::new("orders", &["id"]);
        let inserts = [1, 2, 3].map(|id| orders.insert(json!({ "id": id, "v": "new" })));
        let update = orders.update(json!({ "id": 2, "v": "changed" }));
        let delete = orders.delete(json!({ "id": 1 }));
        orders.send(&pipe.broker, inserts.iter().chain([&update, &delete]).cloned());
        let _finished = pipe.run();
        let before = pipe.everything();
        orders.send(&pipe.broker, inserts);
        let finished = pipe.run();
        assert!(finished.count_log("Batch written") > 0, "{}", finished.stderr);
        expect_unchanged(&before, &pipe.everything());
    }
}
