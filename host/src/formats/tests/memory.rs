//! What the values of one record may take, and what happens to a record that would take more.

use tidegate_abi::host::Batch;

use super::decode_with;
use crate::formats::{DecoderOptions, Format, RecordDecoder};

const LIMIT: usize = 1 << 20;

/// Values of 24 bytes, once in an open list and once in the arena, that just fit.
const ITEMS: usize = LIMIT / 48;

fn limited(format: Format) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions {
        key: format,
        value: format,
        max_value_bytes: LIMIT,
        ..DecoderOptions::default()
    })
}

fn read(key: Option<&str>, value: &str) -> Batch {
    decode_with(&mut limited(Format::Json), &[(key.map(str::as_bytes), Some(value.as_bytes()))])
}

fn list(items: usize) -> String {
    format!("[{}1]", "1,".repeat(items - 1))
}

#[track_caller]
fn refusal(batch: &Batch) -> &str {
    match batch.rejected() {
        [rejected] => &rejected.reason,
        _ => panic!("accepted"),
    }
}

#[test]
fn a_record_is_read_up_to_the_limit_and_refused_beyond() {
    assert_eq!(read(None, &list(ITEMS)).rejected(), []);
    assert_eq!(
        refusal(&read(None, &list(ITEMS + 1))),
        "its values would take about 1025 KiB, more than the 1024 KiB that one batch may have: raise limits.memory"
    );
    let fields = |count| format!("{{{}\"a\":1}}", "\"a\":1,".repeat(count - 1));
    assert_eq!(read(None, &fields(LIMIT / 80)).rejected(), []);
    assert!(refusal(&read(None, &fields(LIMIT / 80 + 1))).contains("limits.memory"));
}

#[test]
fn key_and_value_share_the_limit() {
    let half = list(ITEMS / 2 + 1);
    assert_eq!(read(None, &half).rejected(), []);
    assert!(refusal(&read(Some(&half), &half)).contains("limits.memory"));
}

#[test]
fn a_refused_record_takes_no_memory_and_its_neighbours_are_read() {
    let huge = list(50 * ITEMS);
    let records = [(None, Some(&b"1"[..])), (None, Some(huge.as_bytes())), (None, Some(&b"2"[..]))];
    let batch = decode_with(&mut limited(Format::Json), &records);
    let read: Vec<_> = batch.records().map(|record| record.value().as_i64()).collect();
    assert_eq!(read, [Some(1), Some(2)]);
    assert!(batch.memory_bytes() < 2 * huge.len() + LIMIT, "{}", batch.memory_bytes());
}

#[test]
fn text_is_as_long_as_it_likes() {
    let text = format!("[\"{}\"]", "[{,:\\\",".repeat(ITEMS));
    assert_eq!(read(None, &text).rejected(), []);
    for format in [Format::String, Format::Bytes] {
        let huge = list(2 * ITEMS);
        assert_eq!(decode_with(&mut limited(format), &[(None, Some(huge.as_bytes()))]).rejected(), []);
    }
}

#[test]
fn without_a_limit_everything_is_read() {
    let mut decoder = RecordDecoder::new(DecoderOptions::default());
    let huge = list(4 * ITEMS);
    assert_eq!(decode_with(&mut decoder, &[(None, Some(huge.as_bytes()))]).rejected(), []);
}

/// Structs of 100 fields, none of which comes.
fn with_empty_structs(count: usize) -> String {
    let fields: Vec<_> =
        (0..100).map(|index| format!(r#"{{"type":"int32","optional":true,"field":"f{index}"}}"#)).collect();
    let items = format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","));
    let rows = vec!["{}"; count].join(",");
    format!(r#"{{"schema":{{"type":"array","items":{items}}},"payload":[{rows}]}}"#)
}

#[test]
fn fields_that_a_schema_adds_count_too() {
    assert_eq!(read(None, &with_empty_structs(100)).rejected(), []);
    assert_eq!(
        refusal(&read(None, &with_empty_structs(200))),
        "value would take more than the 1024 KiB that one batch may have, with the fields of its schema that it leaves \
         out: raise limits.memory"
    );
}
