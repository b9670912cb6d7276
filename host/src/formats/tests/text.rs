//! Values that are written as the text that they came as.

use proptest::prelude::*;

use super::*;
use crate::formats::{ChangeEvents, ColumnHint, InvalidUnicode};

const EVENT: &str = r#"{"op":"c","before":null,"after":{"id":1,"d":"AQ=="},"source":{"connector":"postgresql","schema":"s","table":"t","lsn":5}}"#;

/// The text of the only record's value, if it is used.
fn text_with(options: DecoderOptions, value: &[u8]) -> Option<String> {
    let batch = decode_with(&mut RecordDecoder::new(options), &[(None, Some(value))]);
    let record = batch.records().next().expect("a record");
    let mut written = String::new();
    record.write_value_json(&mut written).unwrap();
    let mut decoded = String::new();
    record.value().write_json(&mut decoded).unwrap();
    let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(same(&written), same(&decoded), "{written} and {decoded}");
    let text = record.value_json_text().map(str::to_owned);
    assert_eq!(text.as_deref().unwrap_or(&decoded), written);
    text
}

fn text(value: &str) -> Option<String> {
    text_with(DecoderOptions::default(), value.as_bytes())
}

#[test]
fn a_document_on_one_line_is_its_own_text() {
    for value in [EVENT, r#"{"a": 1.50, "b":"\u00e9\n"}  "#, "[]", r#"{"schema":1}"#] {
        assert_eq!(text(value).as_deref(), Some(value));
    }
}

#[test]
fn what_is_no_document_on_one_line_is_encoded_again() {
    for value in ["1", "\"a\"", " {}", "{\n}", "{\r}", "\u{feff}{}", "{}\n"] {
        assert_eq!(text(value), None, "{value:?}");
    }
}

#[test]
fn a_payload_inside_of_a_document_is_encoded_again() {
    assert_eq!(text(r#"{"schema":null,"payload":{"a":1}}"#), None);
    assert_eq!(text(r#"{"schema":{"type":"string"},"payload":"a"}"#), None);
    // Connect's converter has the payload last as well as first.
    assert_eq!(text(r#"{"payload":{"a":1},"schema":null}"#), None);
}

#[test]
fn what_types_and_options_change_is_encoded_again() {
    let mut hints = Hints::default();
    hints.insert("t.d", ColumnHint::Decimal { scale: 2 }).unwrap();
    let with = |options: DecoderOptions| text_with(options, EVENT.as_bytes());
    assert_eq!(with(DecoderOptions { hints, ..DecoderOptions::default() }), None);
    let replacing =
        || DecoderOptions { invalid_unicode: InvalidUnicode::Replace, ..DecoderOptions::default() };
    assert_eq!(with(replacing()), None);
    assert_eq!(text_with(replacing(), b"{\"a\":\"\xff\"}"), None);
    assert_eq!(text_with(replacing(), br#"{"a":"\ud800"}"#), None);
    let any = DecoderOptions { change_events: ChangeEvents::None, ..DecoderOptions::default() };
    assert_eq!(with(any).as_deref(), Some(EVENT));
}

#[test]
fn other_formats_have_no_json_text() {
    for value in [Format::String, Format::Bytes] {
        let options = DecoderOptions { value, ..DecoderOptions::default() };
        let batch = decode_with(&mut RecordDecoder::new(options), &[(None, Some(b"{}"))]);
        assert_eq!(batch.records().next().expect("a record").value_json_text(), None);
    }
}

proptest! {
    /// [`text_with`] compares what is written with what was decoded.
    #[test]
    fn the_text_says_what_was_decoded(
        before in "[ \t\n]{0,2}",
        names in proptest::collection::vec("(op|after|before|source|schema|payload|a|\\\\\\\\u0061)", 0..6),
        values in proptest::collection::vec(r#"(1|1\.50|"u"|"c"|null|\{"a":1\}|\[ 1,2\]|"\\n")"#, 6),
        space in "[ \r\n]{0,1}",
    ) {
        let members: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{space}\"{name}\":{value}")).collect();
        let document = format!("{before}{{{}}}", members.join(","));
        let batch = decode_with(&mut json_decoder(), &[(None, Some(document.as_bytes()))]);
        if batch.rejected().is_empty() && batch.len() == 1 {
            let _text = text(&document);
        }
    }
}
