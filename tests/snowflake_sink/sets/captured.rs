//! The captured sets: every table equals its final CSV, in every format and at every batch size.

use super::{
    Connector, Pipe,
    pipe::{hints, records},
};

/// Batches that take all there is.
const LARGE: usize = 10_000;
/// What the log says of JSON without a schema, and with reason.
const BASE64: &str = "text that looks like a decimal in base64";
/// What the log says of the one column that a source drops in the middle of its set, whose rows change later.
const DROPPED: [&str; 2] = ["updates do not have column \"tier\"", "set it to NULL about=customers tier"];
/// What it says of values that do not fit their columns, the first time and then.
const BESIDE: [&str; 2] = ["cannot hold a value: the column is NULL", "more values did not fit their column"];

#[track_caller]
fn expect_equal(set: &str, format: &str, batch: usize) {
    expect_equal_with(set, format, batch, format, "");
}

/// As [`expect_equal`], with a file of deviations of its own, and more of the sink's configuration.
#[track_caller]
fn expect_equal_with(set: &str, format: &str, batch: usize, deviations: &str, sink: &str) {
    let test = format!("{set}_{format}_{batch}").replace('-', "_");
    let Some(pipe) = Pipe::find(&test) else { return };
    pipe.load(set, format, 1);
    let source = hints(set, format);
    let wait = if records(set) < batch { Some("5s") } else { None };
    pipe.connector(Connector { batch: Some(batch), wait, source: &source, sink, ..Connector::default() });
    let finished = pipe.run();
    let complaints = finished.count_log(" WARN ") + finished.count_log(" ERROR ");
    // Infinities and years that Snowflake does not have are beside their columns, which is said, too.
    let beside: usize = BESIDE.iter().map(|line| finished.count_log(line)).sum();
    let dropped: usize = DROPPED.iter().map(|line| finished.count_log(line)).sum();
    assert_eq!(complaints, finished.count_log(BASE64) + beside + dropped, "{}", finished.stderr);
    assert!(beside == 0 || set.starts_with("types"), "{}", finished.stderr);
    let values = pipe.expect_final(set, deviations);
    println!("{set} as {format} in batches of {batch}: {values} values are equal");
}

#[test]
fn shop_string_with_schemas() {
    for batch in [100, LARGE] {
        expect_equal("shop-string", "json-schema", batch);
    }
}

#[test]
fn shop_string_without_schemas() {
    for batch in [100, LARGE] {
        expect_equal("shop-string", "json", batch);
    }
}

#[test]
fn shop_precise_with_schemas() {
    for batch in [100, LARGE] {
        expect_equal("shop-precise", "json-schema", batch);
    }
}

#[test]
fn shop_precise_with_hints() {
    for batch in [100, LARGE] {
        expect_equal("shop-precise", "json-hints", batch);
    }
}

#[test]
fn types_connect_with_schemas() {
    for batch in [1, 100, LARGE] {
        expect_equal("types-connect", "json-schema", batch);
    }
}

#[test]
fn types_connect_without_schemas() {
    for batch in [1, 100, LARGE] {
        expect_equal("types-connect", "json", batch);
    }
}

#[test]
fn types_adaptive_with_schemas() {
    for batch in [1, 100, LARGE] {
        expect_equal("types-adaptive", "json-schema", batch);
    }
}

#[test]
fn types_adaptive_with_hints() {
    // A numeric without a scale gets a column by the values of its first batch; what has more digits goes beside it.
    let sink = "type_conflict = \"text\"\n";
    expect_equal_with("types-adaptive", "json-hints", 1, "json-hints-one-by-one", sink);
    for batch in [100, LARGE] {
        expect_equal("types-adaptive", "json-hints", batch);
    }
}
