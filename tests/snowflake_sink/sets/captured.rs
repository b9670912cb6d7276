//! The captured sets: every table equals its final CSV, in every format and with several batch sizes.

use super::{
    Connector, Pipe, STAGED,
    pipe::{hints, records},
};

/// A batch size for all records.
const LARGE: usize = 10_000;
/// The justified warning about JSON without a schema.
const BASE64: &str = "text that looks like a decimal in base64";
/// The warnings about the column that the source drops during the capture.
const DROPPED: [&str; 2] = ["updates do not have column \"tier\"", "set it to NULL about=customers tier"];
/// The warnings about values that do not fit their columns, the first and the later ones.
const BESIDE: [&str; 2] = ["cannot hold a value: the column is NULL", "more values did not fit their column"];

#[track_caller]
fn expect_equal(set: &str, format: &str, batch: usize) {
    expect_equal_with(set, format, batch, format, "");
}

/// Like [`expect_equal`], with another file of deviations, and additions to the sink's configuration.
#[track_caller]
fn expect_equal_with(set: &str, format: &str, batch: usize, deviations: &str, sink: &str) {
    let way = if sink == STAGED { "_staged" } else { "" };
    let test = format!("{set}_{format}_{batch}{way}").replace('-', "_");
    let Some(pipe) = Pipe::find(&test) else { return };
    pipe.load(set, format, 1);
    let source = hints(set, format);
    run_and_compare(&pipe, Case { set, format, batch, source: &source, deviations, sink });
}

/// A set in a format, and what is expected of it.
struct Case<'c> {
    set: &'c str,
    format: &'c str,
    batch: usize,
    source: &'c str,
    deviations: &'c str,
    sink: &'c str,
}

#[track_caller]
fn run_and_compare(pipe: &Pipe, case: Case<'_>) {
    let Case { set, format, batch, source, deviations, sink } = case;
    let wait = if records(set) < batch { Some("5s") } else { None };
    pipe.connector(Connector { batch: Some(batch), wait, source, sink, ..Connector::default() });
    let finished = pipe.run();
    let complaints = finished.count_log(" WARN ") + finished.count_log(" ERROR ");
    // Infinities and years that Snowflake does not support are stored in an additional column, with a warning.
    let beside: usize = BESIDE.iter().map(|line| finished.count_log(line)).sum();
    let dropped: usize = DROPPED.iter().map(|line| finished.count_log(line)).sum();
    assert_eq!(complaints, finished.count_log(BASE64) + beside + dropped, "{}", finished.stderr);
    assert!(beside == 0 || set.starts_with("types"), "{}", finished.stderr);
    let values = pipe.expect_final(set, deviations);
    println!("{set} as {format} in batches of {batch}: {values} values are equal");
}

/// A format whose schemas are in a registry. The tables are those of JSON with a schema.
#[track_caller]
fn expect_equal_registered(set: &str, format: &str, capture: &str) {
    let test = format!("{set}_registered_{format}").replace('-', "_");
    let Some(pipe) = Pipe::find(&test) else { return };
    let events = if format == "avro" { "avro.jsonl.gz" } else { "jsonl.gz" };
    let registry = pipe.load_registered(&format!("{capture}{events}"), &format!("{capture}schemas.json.gz"));
    let source = format!(
        "key_format = \"{format}\"\nvalue_format = \"{format}\"\n[source.schema_registry]\nurl = \"{}\"\n",
        registry.url()
    );
    let case = Case { set, format, batch: 100, source: &source, deviations: "json-schema", sink: "" };
    run_and_compare(&pipe, case);
}

#[test]
fn sets_through_a_stage() {
    for set in ["shop-precise", "types-connect", "types-adaptive"] {
        for batch in [100, LARGE] {
            expect_equal_with(set, "json-schema", batch, "json-schema", STAGED);
        }
    }
}

#[test]
fn sets_in_avro() {
    for set in ["shop-string", "shop-precise", "types-connect"] {
        expect_equal_registered(set, "avro", &format!("{set}/"));
    }
}

#[test]
fn sets_in_json_schema() {
    for set in ["shop-precise", "types-connect", "types-adaptive"] {
        expect_equal_registered(set, "json-schema", &format!("formats/{set}.json-schema."));
    }
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
    // The column type of a numeric without a scale depends on the first batch; values with more digits go to an
    // additional column.
    let sink = "type_conflict = \"text\"\n";
    expect_equal_with("types-adaptive", "json-hints", 1, "json-hints-one-by-one", sink);
    for batch in [100, LARGE] {
        expect_equal("types-adaptive", "json-hints", batch);
    }
}
