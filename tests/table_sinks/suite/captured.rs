//! The captured sets: every table equals its final CSV, in every format and with several batch sizes.

use tidegate_tests::captured_sets::hints;

use crate::{
    pipe::{Connector, Pipe},
    probe::Probe,
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
fn expect_equal<P: Probe>(set: &str, format: &str, batches: &[usize]) {
    for batch in batches {
        let test = format!("{set}_{format}_{batch}").replace('-', "_");
        let Some(pipe) = Pipe::<P>::find(&test) else { return };
        pipe.load(set, format, 1);
        let source = hints(set, format);
        pipe.connector(Connector { batch: Some(*batch), source: &source, ..Connector::default() });
        let finished = pipe.run();
        let count = |lines: &[&str]| lines.iter().map(|line| finished.count_log(line)).sum::<usize>();
        let complaints = count(&[" WARN ", " ERROR "]);
        assert_eq!(complaints, count(&[BASE64]) + count(&BESIDE) + count(&DROPPED), "{}", finished.stderr);
        let values = pipe.expect_final(set, format);
        println!("{set} as {format} in batches of {batch}: {values} values are equal");
    }
}

pub(crate) fn shop_string_with_schemas<P: Probe>() {
    expect_equal::<P>("shop-string", "json-schema", &[100, LARGE]);
}

pub(crate) fn shop_string_without_schemas<P: Probe>() {
    expect_equal::<P>("shop-string", "json", &[100, LARGE]);
}

pub(crate) fn shop_precise_with_schemas<P: Probe>() {
    expect_equal::<P>("shop-precise", "json-schema", &[100, LARGE]);
}

pub(crate) fn shop_precise_with_hints<P: Probe>() {
    expect_equal::<P>("shop-precise", "json-hints", &[100, LARGE]);
}

pub(crate) fn types_connect_with_schemas<P: Probe>() {
    expect_equal::<P>("types-connect", "json-schema", &[1, 100]);
}

pub(crate) fn types_connect_without_schemas<P: Probe>() {
    // In larger batches, floats without a type meet NaN before the column is created, and it may become text.
    expect_equal::<P>("types-connect", "json", &[1]);
}

pub(crate) fn types_adaptive_with_schemas<P: Probe>() {
    expect_equal::<P>("types-adaptive", "json-schema", &[1, 100]);
}

pub(crate) fn types_adaptive_with_hints<P: Probe>() {
    expect_equal::<P>("types-adaptive", "json-hints", &[1]);
}
