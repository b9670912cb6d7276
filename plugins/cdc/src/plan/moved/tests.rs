//! Keys in headers, in all formats of Kafka Connect's converters.

use std::cell::RefCell;

use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Sink,
    prelude::*,
    testing::{Event as Made, Records, SinkTest},
};

use super::MovedKeys;

thread_local! {
    static READ: RefCell<String> = const { RefCell::new(String::new()) };
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

/// A sink that parses the header of the first record.
struct Reading;

impl Sink for Reading {
    type Config = Nothing;

    fn open(_: Nothing, _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let keys = MovedKeys::of(batch);
        let record = batch.get(0).expect("a record");
        let names: Vec<String> =
            record.key().as_struct().unwrap().iter().map(|(name, _)| name.to_owned()).collect();
        let read = match keys.get(record) {
            None => "none".to_owned(),
            Some(Ok(key)) => format!("{:?}", key.values(&names, record)),
            Some(Err(reason)) => reason.to_owned(),
        };
        READ.set(read);
        Ok(Report::written())
    }
}

/// Parses a header with the new key of a row with this old key.
fn read(own: Json, header: &[u8]) -> String {
    let delete = Made::delete("t").key(own.clone()).before(own).lsn(1);
    let records = Records::new().event(delete).header("__debezium.newkey", header);
    SinkTest::<Reading>::open(json!({})).unwrap().write(&records).unwrap();
    READ.take()
}

#[test]
fn the_key_is_parsed_in_each_format() {
    for header in
        [r#"{"schema":{"type":"struct"},"payload":{"id":9}}"#, r#"{"id":9}"#, r#"{"id": 9}"#, "Struct{id=9}"]
    {
        assert_eq!(read(json!({"id": 1}), header.as_bytes()), "Some([Int(9)])", "{header}");
    }
    assert_eq!(
        read(json!({"id": u64::MAX}), b"Struct{id=18446744073709551614}"),
        "Some([UInt(18446744073709551614)])"
    );
    assert_eq!(read(json!({"id": "a"}), b"Struct{id=}"), r#"Some([String("")])"#);
    assert_eq!(read(json!({"id": "a"}), br#"{"id":"x\"y\u00e4"}"#), "Some([String(\"x\\\"yä\")])");
}

#[test]
fn text_in_a_struct_can_contain_separators() {
    let own = json!({"a": 1, "b": "x", "c": "y"});
    assert_eq!(
        read(own.clone(), b"Struct{a=1,b=p,q=r{},c=1}2,}"),
        r#"Some([Int(1), String("p,q=r{}"), String("1}2,")])"#
    );
    // Ambiguous text is not guessed.
    let several = read(own, b"Struct{a=1,b=x,c=y,c=z}");
    assert!(
        several.starts_with("header __debezium.newkey: its text can be read in several ways"),
        "{several}"
    );
    // The type of the next column resolves the ambiguity.
    let own = json!({"a": "x", "b": 1});
    assert_eq!(read(own, b"Struct{a=x,b=y,b=2}"), r#"Some([String("x,b=y"), Int(2)])"#);
}

#[test]
fn unparsable_headers_are_reported() {
    for (header, reason) in [
        (&b"\x00\x00\x00\x00\x01\xff"[..], "it is not text"),
        (b"9", "it has no column \"id\""),
        (b"id=9", "it is neither JSON nor Struct{..}"),
        (b"Struct{other=9}", "it does not have the columns id"),
        (b"Struct{id=x}", "it does not have the columns id"),
        (br#"{"id":"x"}"#, "its column \"id\" has a different format"),
    ] {
        let read = read(json!({"id": 1}), header);
        assert!(read.contains(reason), "{reason} is not in {read}");
    }
}

#[test]
fn only_headers_of_deletes_and_incomplete_creates_are_parsed() {
    let create = |kind| {
        let made = Made::insert("t").key(json!({"id": 9})).after(json!({"id": 9, "v": "x"})).lsn(1);
        let made = if kind { made.column("v", tidegate_plugin::Kind::UNAVAILABLE) } else { made };
        let records = Records::new().event(made).header("__debezium.oldkey", b"Struct{id=1}");
        SinkTest::<Reading>::open(json!({})).unwrap().write(&records).unwrap();
        READ.take()
    };
    assert_eq!(create(true), "Some([Int(1)])");
    assert_eq!(create(false), "none");
}
