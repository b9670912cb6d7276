//! Messages that are not quite JSON, or more than one would expect: the table "Odd messages" of docs/formats.md, row by
//! row.

use std::sync::Arc;

use tidegate_abi::host::{Batch, NewRecord};

use super::{Payloads, decode_with, json_decoder, notices, only, refusal, to_json};
use crate::formats::{DecoderOptions, Format, InvalidUnicode, RecordDecoder};

#[track_caller]
fn read_noting(value: &[u8]) -> (String, Vec<String>) {
    let mut decoder = json_decoder();
    let batch = decode_with(&mut decoder, &[(None, Some(value))]);
    (to_json(only(&batch).value()), notices(&mut decoder))
}

#[track_caller]
fn read(value: &[u8]) -> String {
    let (value, notices) = read_noting(value);
    assert_eq!(notices, [] as [String; 0]);
    value
}

fn replacing(key: Format, value: Format) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions {
        key,
        value,
        invalid_unicode: InvalidUnicode::Replace,
        ..DecoderOptions::default()
    })
}

#[test]
fn what_is_no_json_is_refused_with_its_place_and_what_to_do() {
    let empty = ": a tombstone has no value at all, this one has 0 bytes of JSON; set value_format = \"string\" if it is an \
                 empty text";
    let plain = "; set value_format = \"string\" in [source] if it is plain text";
    for (value, expected) in [
        (&b""[..], format!("empty payload at byte 0{empty}")),
        (b" \n", format!("empty payload at byte 2{empty}")),
        ("\u{feff}".as_bytes(), format!("empty payload at byte 3{empty}")),
        (b"ord-17", format!("expected a value at byte 0{plain}")),
        (b"17-ord", format!("unexpected text after the value at byte 2{plain}")),
        (b"01", format!("malformed number at byte 1{plain}")),
        (b"NaN", format!("NaN or an infinity, which is no JSON, at byte 0{plain}")),
        (b"{\"a\":NaN}", "NaN or an infinity, which is no JSON, at byte 5".to_owned()),
        (b"{\"a\":-Infinity}", "NaN or an infinity, which is no JSON, at byte 6".to_owned()),
        (b"{\"a\":1}{\"a\":2}", "unexpected text after the value at byte 7".to_owned()),
        (b"{\"a\":1} x", "unexpected text after the value at byte 8".to_owned()),
        (b"{'a':1}", "expected a field name in quotes at byte 1".to_owned()),
        (b"{\"a\":1,}", "expected a field name in quotes at byte 7".to_owned()),
        (b"{\"a\":.5}", "expected a value at byte 5".to_owned()),
        (b"{\"a\":+1}", "expected a value at byte 5".to_owned()),
        (b"{\"a\":0x1}", "expected ',' or '}' at byte 6".to_owned()),
        (
            b"\0\0\0\0\x01\x02",
            "expected a value at byte 0; it begins as what a schema registry's serializer writes: set value_format = \
             \"avro\", \"protobuf\" or \"json-schema\" in [source]; \"bytes\" takes anything as it is"
                .to_owned(),
        ),
        (
            b"{\"a\":\"\\ud83d\"}",
            "half of a surrogate pair in a string at byte 12; invalid_unicode = \"replace\" in [source] reads it as U+FFFD"
                .to_owned(),
        ),
        (
            b"{\"a\":\"\xff\"}",
            "invalid UTF-8 at byte 6; set value_format = \"bytes\" if it is no text, or invalid_unicode = \"replace\" in \
             [source] to read what is invalid as U+FFFD"
                .to_owned(),
        ),
    ] {
        assert_eq!(refusal(value), format!("value is not JSON: {expected}"), "{value:?}");
    }
}

#[test]
fn a_key_that_is_plain_text_names_its_own_option() {
    let batch = decode_with(&mut json_decoder(), &[(Some(b"ord-17"), Some(b"{\"a\": 1}"))]);
    assert_eq!(
        batch.rejected()[0].reason,
        "key is not JSON: expected a value at byte 0; set key_format = \"string\" in [source] if it is plain text"
    );
}

#[test]
fn what_is_json_is_read_as_it_is() {
    for (value, expected) in [
        (&b"null"[..], "null"),
        ("\u{feff}{\"a\":1}".as_bytes(), r#"{"a":1}"#),
        (b"{\"a\":1e400}", r#"{"a":1e400}"#),
        (b"{\"a\":-0.0}", r#"{"a":-0.0}"#),
        (b"{\"a\":-0}", r#"{"a":-0.0}"#),
        (b"{\"a\":0.1e1}", r#"{"a":1.0}"#),
        (b"{\"a\":18446744073709551615}", r#"{"a":18446744073709551615}"#),
        (b"{\"a\":123456789012345678901234567890}", r#"{"a":123456789012345678901234567890}"#),
        (b"{\"a\":0.1000000000000000055511151231257827}", r#"{"a":0.1000000000000000055511151231257827}"#),
        ("{\"a\":\"caf\u{e9}\"}".as_bytes(), "{\"a\":\"caf\u{e9}\"}"),
        (b"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"}"),
        (b"{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\u{1f600}\"}"),
        (b"{}", "{}"),
        (b"\"text\"", "\"text\""),
    ] {
        assert_eq!(read(value), expected);
    }
}

#[test]
fn a_header_without_a_value_is_null() {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("plain.events2"), 0, 1);
    let record = NewRecord { offset: 0, timestamp_ms: None, key: Some(b"6"), value: Some(b"{}") };
    batch.push(slot, record, [("trace", None), ("empty", Some(&b""[..]))].into_iter());
    batch.decode(&mut json_decoder());
    let headers: Vec<_> = only(&batch).headers().iter().map(|header| (header.name, header.value)).collect();
    assert_eq!(headers, [("trace", None), ("empty", Some(&b""[..]))]);
}

#[test]
fn behind_a_byte_order_mark_places_count_from_the_start_and_schemas_are_found() {
    assert_eq!(
        refusal("\u{feff}{x".as_bytes()),
        "value is not JSON: expected a field name in quotes at byte 4"
    );
    let text = "\u{feff}{\"schema\":{\"type\":\"int32\",\"name\":\"io.debezium.time.Date\"},\"payload\":0}";
    for _ in 0..2 {
        assert_eq!(read(text.as_bytes()), "\"1970-01-01\"");
    }
}

#[test]
fn of_a_name_that_comes_twice_the_last_value_stays_at_the_first_place() {
    let (value, notices) =
        read_noting(br#"{"id":3,"m":"first","x":{"y":[{"z":1,"z":2}]},"m":"second","j":null}"#);
    assert_eq!(value, r#"{"id":3,"m":"second","x":{"y":[{"z":2}]},"j":null}"#);
    assert_eq!(
        notices,
        [
            "doubled_name 1: a value of shop.public.t has \"x.y[].z\" more than once in one object: the last one counts, at \
             the place of the first, as in most readers; let its producer write each name once",
            "doubled_name 1: a value of shop.public.t has \"m\" more than once in one object: the last one counts, at the \
             place of the first, as in most readers; let its producer write each name once",
        ]
    );
}

#[test]
fn doubled_names_are_found_in_rows_keys_envelopes_and_under_a_schema() {
    let row = r#"{"before":null,"after":{"id":3,"m":"first","m":"second","j":null},"source":{"table":"chats","table":"chats3","lsn":1},"op":"u","op":"c"}"#;
    let mut decoder = json_decoder();
    let batch = decode_with(&mut decoder, &[(Some(br#"{"id":2,"id":3}"#), Some(row.as_bytes()))]);
    let record = only(&batch);
    let change = record.change().unwrap();
    assert_eq!((change.table(), to_json(record.key()).as_str()), ("chats3", r#"{"id":3}"#));
    assert_eq!(change.operation(), tidegate_abi::Operation::Create);
    assert_eq!(to_json(change.after_value()), r#"{"id":3,"m":"second","j":null}"#);
    let all = notices(&mut decoder).join("\n");
    for place in [
        "key of shop.public.t has \"id\"",
        "\"after.m\"",
        "\"source.table\"",
        "value of shop.public.t has \"op\"",
    ] {
        assert!(all.contains(place), "{place} in {all}");
    }

    let schema = r#"{"type":"struct","fields":[{"type":"int32","field":"a"},{"type":"int32","field":"b"},{"type":"map","keys":{"type":"string"},"values":{"type":"int32"},"field":"m"}]}"#;
    for (payload, expected) in [
        (r#"{"a":1,"b":2,"m":{"k":1,"k":2}}"#, r#"{"a":1,"b":2,"m":{"k":2}}"#),
        (r#"{"a":1,"a":3,"b":2,"m":{}}"#, r#"{"a":3,"b":2,"m":{}}"#),
        (r#"{"b":1,"a":1,"b":2,"m":{}}"#, r#"{"b":2,"a":1,"m":{}}"#),
        (r#"{"a":1,"b":2,"m":{},"x":1,"x":2}"#, r#"{"a":1,"b":2,"m":{},"x":2}"#),
    ] {
        let text = format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        let mut decoder = json_decoder();
        let record: Payloads<'_> = (None, Some(text.as_bytes()));
        let batch = decode_with(&mut decoder, &[record, record]);
        for record in batch.records() {
            assert_eq!(to_json(record.value()), expected);
        }
        let all = notices(&mut decoder);
        assert!(all.len() == 1 && all[0].starts_with("doubled_name 2: "), "{all:?}");
    }
    let text = format!(r#"{{"schema":{schema},"payload":{{}},"payload":{{"a":1,"b":2,"m":{{}}}}}}"#);
    let (value, notices) = read_noting(text.as_bytes());
    assert_eq!(value, r#"{"a":1,"b":2,"m":{}}"#);
    assert!(notices.len() == 1 && notices[0].contains("has \"payload\" more than once"), "{notices:?}");
}

#[test]
fn doubled_names_are_found_among_many() {
    for (fields, doubled_at) in [(63, 10), (64, 63), (65, 64), (500, 1), (500, 499)] {
        let mut text: Vec<String> = (0..fields).map(|n| format!("\"column_{n}\":{n}")).collect();
        text.push(format!("\"column_{doubled_at}\":-1"));
        let (value, notices) = read_noting(format!("{{{}}}", text.join(",")).as_bytes());
        text.pop();
        text[doubled_at] = format!("\"column_{doubled_at}\":-1");
        assert_eq!(value, format!("{{{}}}", text.join(",")));
        assert!(
            notices.len() == 1 && notices[0].contains(&format!("\"column_{doubled_at}\"")),
            "{notices:?}"
        );
    }
}

#[test]
fn more_doubled_names_than_are_named_are_noted_together() {
    let fields: Vec<String> = (0..100).map(|n| format!("\"f{n}\":1,\"f{n}\":2")).collect();
    let (_, notices) = read_noting(format!("{{{}}}", fields.join(",")).as_bytes());
    assert_eq!(notices.len(), 33);
    assert!(notices[32].starts_with("further_fields 1: "), "{notices:?}");
}

#[test]
fn what_is_no_unicode_is_replaced_where_the_option_says_so() {
    let note = "invalid_unicode 1: a value of shop.public.t has bytes that are no UTF-8, or half of a surrogate pair: each \
                became U+FFFD, as invalid_unicode = \"replace\" in [source] says";
    for (value, expected) in [
        (&b"{\"m\":\"cut \\ud83d\"}"[..], "{\"m\":\"cut \u{fffd}\"}"),
        (b"{\"m\":\"\\ud83dx\\n\"}", "{\"m\":\"\u{fffd}x\\n\"}"),
        (b"{\"m\":\"\\ud83d\\u0041\"}", "{\"m\":\"\u{fffd}A\"}"),
        (b"{\"m\":\"\\ude00\\ud83d\"}", "{\"m\":\"\u{fffd}\u{fffd}\"}"),
        (b"{\"m\":\"\\ud83d\\ud83d\\ude00\"}", "{\"m\":\"\u{fffd}\u{1f600}\"}"),
        (b"{\"a\xff\":\"b\xc3\"}", "{\"a\u{fffd}\":\"b\u{fffd}\"}"),
        (b"{\"schema\":{\"type\":\"string\"},\"payload\":\"x\\udc00\"}", "\"x\u{fffd}\""),
        (b"{\"schema\":{\"type\":\"string\"},\"payload\":\"x\xff\"}", "\"x\u{fffd}\""),
    ] {
        let mut decoder = replacing(Format::Json, Format::Json);
        for _ in 0..2 {
            let batch = decode_with(&mut decoder, &[(None, Some(value))]);
            assert_eq!(to_json(only(&batch).value()), expected);
        }
        assert_eq!(notices(&mut decoder), [note.replace("code 1", "code 2")]);
    }
    let mut decoder = replacing(Format::String, Format::String);
    let batch = decode_with(&mut decoder, &[(Some(b"\xffk"), Some(b"caf\xe9"))]);
    assert_eq!(
        (only(&batch).key().as_str(), only(&batch).value().as_str()),
        (Some("\u{fffd}k"), Some("caf\u{fffd}"))
    );
    assert_eq!(notices(&mut decoder).len(), 1);
}

#[test]
fn a_document_in_a_column_stays_as_the_source_wrote_it() {
    let schema = r#"{"type":"string","name":"io.debezium.data.Json"}"#;
    for (text, expected) in [
        (
            r#""{\"k\":\"x\\u0000y\",\"big\":123456789012345678901234567890}""#,
            r#"{"k":"x\u0000y","big":123456789012345678901234567890}"#,
        ),
        (r#""{\"n\":1e400,\"n\":2}""#, r#"{"n":1e400,"n":2}"#),
        (r#""null""#, "null"),
        (r#""{\"k\":\"cut \\ud83d\"}""#, r#""{\"k\":\"cut \\ud83d\"}""#),
        (r#""not json""#, r#""not json""#),
        (r#""""#, r#""""#),
    ] {
        assert_eq!(read(format!(r#"{{"schema":{schema},"payload":{text}}}"#).as_bytes()), expected);
    }
}
