//! History tables of the user's own, and the limits of their keys.

use serde_json::{Value, json};
use tidegate_tests::change_events::Source;

use super::Schema;
use crate::{
    pipe::{Connector, Pipe},
    probe::Probe as _,
    suite::history::HISTORY,
};

/// Characters that all texts of a key have, beside the position.
const KEY_CHARACTERS: usize = 510;

#[test]
fn values_that_the_server_takes_for_equal_are_versions() {
    let Some(pipe) = Pipe::<Schema>::find("equal_values") else { return };
    pipe.connector(Connector { sink: HISTORY, ..Connector::default() });
    pipe.probe.execute(
        "CREATE TABLE orders (id bigint, v varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, feeling enum('ok','bad'), \
         net inet6, f float, at year, _cdc_source_lsn varchar(255) COLLATE utf8mb4_nopad_bin, _cdc_valid_from datetime(6), \
         _cdc_valid_to datetime(6), PRIMARY KEY (id, _cdc_source_lsn), INDEX (id, _cdc_valid_to, _cdc_source_lsn))",
    );
    let mut orders = Source::new("orders", &["id"]);
    let row =
        |v: &str, net: Value| json!({ "id": 1, "v": v, "feeling": "ok", "net": net, "f": 0.1, "at": 2024 });
    for (row, versions) in [
        (row("one", json!("::1")), 1),
        (row("one", json!("::1")), 1),
        (row("One", json!("::1")), 2),
        (row("One", Value::Null), 3),
        (row("One", Value::Null), 3),
    ] {
        let read = orders.read(row.clone());
        orders.send(&pipe.broker, [read]);
        let _finished = pipe.run();
        assert_eq!(pipe.select("COUNT(*)", "orders"), [versions.to_string()], "{row}");
    }
    let rows = pipe.select("\"_cdc_valid_to\" IS NULL, \"v\", \"net\", \"f\", \"at\"", "orders");
    assert_eq!(rows.last().map(String::as_str), Some("1 One - 0.1 2024"));
}

#[test]
fn keys_have_as_many_characters_as_the_index_allows() {
    for parts in [1, 2, 5] {
        let Some(pipe) = Pipe::<Schema>::find("long_keys_of_histories") else { return };
        let more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n";
        pipe.connector(Connector { sink: HISTORY, more, ..Connector::default() });
        let names = &["a", "b", "c", "d", "e"][..parts];
        let mut orders = Source::new("orders", names);
        let longest = KEY_CHARACTERS / parts;
        let row = |length: usize| -> Value {
            let text = json!("é".repeat(length));
            names.iter().map(|name| ((*name).to_owned(), text.clone())).collect()
        };
        let events = [longest, longest + 1, longest].map(|length| orders.insert(row(length)));
        orders.send(&pipe.broker, events);
        let finished = pipe.run();
        assert_eq!(finished.count_log("record skipped: "), 1, "{}", finished.stderr);
        assert_eq!(pipe.select("COUNT(*), COUNT(\"_cdc_valid_to\")", "orders"), ["2 1"]);
    }
}
