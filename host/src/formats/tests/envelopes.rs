//! Connect's `{"schema","payload"}`: told from other documents, typed by its schema; and what bad payloads are told.

use super::{decode, decode_with, json_decoder, only, refusal, to_json};
use crate::formats::{DecoderOptions, Format, RecordDecoder};

const ROW: &str = r#"{"type":"struct","optional":false,"name":"row","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"price"},{"type":"string","optional":true,"default":"none","field":"note"}]}"#;

fn enveloped(payload: &str) -> String {
    format!(r#"{{"schema":{ROW},"payload":{payload}}}"#)
}

#[test]
fn values_are_typed_by_their_schema_whatever_the_order_and_spacing() {
    let payload = r#"{"id":1,"price":"A/w=","note":"x"}"#;
    for text in [
        enveloped(payload),
        format!(r#"{{"payload":{payload},"schema":{ROW}}}"#),
        format!("{{ \"schema\" : {ROW} ,\n \"payload\" : {payload} }} "),
        enveloped(r#"{ "id" : 1 , "price" : "A/w=" , "note" : "x" }"#),
    ] {
        let batch = decode(&[&text, &text]);
        for record in batch.records() {
            assert_eq!(to_json(record.value()), r#"{"id":1,"price":10.20,"note":"x"}"#);
            assert_eq!(record.value_schema().map(|schema| schema.name()), Some("row"));
        }
        assert_eq!(batch.records().len(), 2);
    }
}

#[test]
fn fields_may_come_in_any_order_be_missing_or_unknown() {
    let batch = decode(&[
        &enveloped(r#"{"note":null,"price":null,"id":2}"#),
        &enveloped(r#"{"id":3}"#),
        &enveloped(r#"{"id":4,"more":[1],"price":"AQ=="}"#),
    ]);
    let rows: Vec<String> = batch.records().map(|record| to_json(record.value())).collect();
    assert_eq!(
        rows,
        [
            r#"{"note":null,"price":null,"id":2}"#,
            r#"{"id":3,"price":null,"note":"none"}"#,
            r#"{"id":4,"more":[1],"price":0.01,"note":"none"}"#,
        ]
    );
}

#[test]
fn plugins_are_told_what_the_schema_says() {
    let batch = decode(&[&enveloped(r#"{"id":1}"#)]);
    let schema = only(&batch).value_schema().unwrap();
    let price = schema.get("price").unwrap();
    assert_eq!((price.scale(), price.precision(), price.is_optional()), (Some(2), Some(10), true));
    assert_eq!(price.semantic(), "org.apache.kafka.connect.data.Decimal");
    assert_eq!(
        schema.get("note").unwrap().default_value().map(|value| value.to_string()),
        Some("none".into())
    );
    assert!(!schema.get("id").unwrap().is_optional());
}

#[test]
fn two_tasks_see_the_same_schema() {
    let text = enveloped(r#"{"id":1}"#);
    let (first, second) = (decode(&[&text]), decode(&[&text]));
    let id = |batch| only(batch).value_schema().map(|schema: tidegate_abi::Schema<'_>| schema.id());
    assert!(id(&first).is_some());
    assert_eq!(id(&first), id(&second));
}

#[test]
fn more_schemas_than_a_decoder_keeps_at_hand_are_still_found() {
    let texts: Vec<String> = (0..150)
        .map(|n| format!(r#"{{"schema":{{"type":"struct","name":"many{n}","fields":[{{"type":"int8","field":"id"}}]}},"payload":{{"id":1}}}}"#))
        .collect();
    let texts: Vec<&str> = texts.iter().chain(&texts).map(String::as_str).collect();
    let batch = decode(&texts);
    assert_eq!(batch.rejected(), []);
    for (index, record) in batch.records().enumerate() {
        assert_eq!(record.value_schema().unwrap().name(), format!("many{}", index % 150));
    }
}

#[test]
fn maps_lists_and_plain_values_have_schemas_too() {
    let typed = |schema: &str, payload: &str| {
        let batch = decode(&[&format!(r#"{{"schema":{schema},"payload":{payload}}}"#)]);
        to_json(only(&batch).value())
    };
    assert_eq!(typed(r#"{"type":"int64"}"#, "7"), "7");
    assert_eq!(typed(r#"{"type":"string","optional":true}"#, "null"), "null");
    assert_eq!(typed(r#"{"type":"int32","name":"io.debezium.time.Date"}"#, "0"), "\"1970-01-01\"");
    let dates = r#"{"type":"int32","name":"io.debezium.time.Date"}"#;
    assert_eq!(
        typed(&format!(r#"{{"type":"array","items":{dates}}}"#), "[0,1]"),
        r#"["1970-01-01","1970-01-02"]"#
    );
    let map = |keys: &str| format!(r#"{{"type":"map","keys":{{"type":"{keys}"}},"values":{dates}}}"#);
    assert_eq!(typed(&map("string"), r#"{"a":0}"#), r#"{"a":"1970-01-01"}"#);
    assert_eq!(typed(&map("int8"), "[[1,0]]"), r#"[[1,"1970-01-01"]]"#);
    assert_eq!(typed("null", r#"{"a":1}"#), r#"{"a":1}"#);
}

#[test]
fn other_documents_with_these_names_are_read_as_they_stand() {
    for text in [
        r#"{"schema":"x","payload":1}"#,
        r#"{"schema":{"kind":"struct"},"payload":1}"#,
        r#"{"schema":{"type":1},"payload":1}"#,
        r#"{"schema":null}"#,
        r#"{"payload":1}"#,
        r#"{"schema":null,"payload":1,"more":2}"#,
    ] {
        let batch = decode(&[text]);
        assert_eq!(to_json(only(&batch).value()), text);
        assert!(only(&batch).value_schema().is_none());
    }
    let known = enveloped(r#"{"id":1}"#);
    let third = known.replace(r#""payload":{"id":1}}"#, r#""payload":{"id":1},"more":1}"#);
    let batch = decode(&[&known, &third]);
    assert_eq!(batch.record(1).unwrap().value().get("more").and_then(|more| more.as_i64()), Some(1));
}

#[test]
fn a_value_of_another_type_is_named_by_its_path() {
    let schema = format!(
        r#"{{"type":"struct","fields":[{},{{"type":"array","items":{{"type":"int8"}},"optional":true,"field":"list"}}]}}"#,
        ROW.replacen('{', r#"{"field":"after","#, 1)
    );
    for (payload, expected) in [
        (
            r#"{"after":{"id":1,"price":"secret!"}}"#,
            "after.price: expected base64 for a decimal, or a number of its scale, found text that is none",
        ),
        (r#"{"after":{"id":"x"}}"#, "after.id: expected a whole number of 32 bits, found text that is none"),
        (r#"{"after":{"id":null}}"#, "after.id: expected a value, found null"),
        (r#"{"after":{}}"#, "after.id: expected a value, found nothing"),
        (r#"{"after":[]}"#, "after: expected an object, found a list"),
        (r#"{"after":{"id":1},"list":[300]}"#, "list: expected a whole number of 8 bits, found a longer one"),
        ("1", "expected an object, found a whole number"),
    ] {
        let reason = refusal(format!(r#"{{"schema":{schema},"payload":{payload}}}"#).as_bytes());
        assert_eq!(reason, format!("value does not fit its schema: {expected}"));
    }
    let reason = refusal(br#"{"schema":{"type":"struct"},"payload":{}}"#);
    assert_eq!(reason, "value has a schema that cannot be used: the schema has no fields");
}

#[test]
fn broken_payloads_say_where_and_never_what() {
    for (text, expected) in [
        (&b"{\"a\":1 \"secret\"}"[..], "value is not JSON: expected ',' or '}' at byte 7"),
        (b"{\"a\":1", "value is not JSON: unexpected end at byte 6"),
        (b"[1,]", "value is not JSON: expected a value at byte 3"),
        (b"{a:1}", "value is not JSON: expected a field name in quotes at byte 1"),
        (b"{\"a\" 1}", "value is not JSON: expected ':' at byte 5"),
        (b"\"a\nb\"", "value is not JSON: control character in a string at byte 2"),
        (b"\"\\x\"", "value is not JSON: unknown escape in a string at byte 2"),
    ] {
        assert_eq!(refusal(text), expected);
    }
    let deep = "[".repeat(1000);
    assert_eq!(refusal(deep.as_bytes()), "value is not JSON: nested deeper than 128 levels at byte 128");
    let known = enveloped(r#"{"id":1}"#);
    let broken = known.replace(r#""id":1}}"#, r#""id":x}}"#);
    let batch = decode(&[&known, &broken]);
    let at = broken.find(":x").unwrap() + 1;
    assert_eq!(batch.rejected()[0].reason, format!("value is not JSON: expected a value at byte {at}"));
}

#[test]
fn a_broken_key_is_told_from_a_broken_value() {
    let batch = decode_with(&mut json_decoder(), &[(Some(b"{"), Some(b"{}"))]);
    assert_eq!(batch.rejected()[0].reason, "key is not JSON: unexpected end at byte 1");
}

#[test]
fn text_and_bytes_are_taken_as_they_are() {
    let mut decoder = RecordDecoder::new(DecoderOptions {
        key: Format::Bytes,
        value: Format::String,
        ..DecoderOptions::default()
    });
    let records =
        [(Some(&b"\xff\x00"[..]), Some("{ü".as_bytes())), (None, None), (None, Some(&b"a\xff"[..]))];
    let batch = decode_with(&mut decoder, &records);
    let first = batch.record(0).unwrap();
    assert_eq!((first.key().as_bytes(), first.value().as_str()), (Some(&[0xff, 0][..]), Some("{ü")));
    assert!(batch.record(1).unwrap().key().is_null() && batch.record(1).unwrap().is_tombstone());
    assert_eq!(
        batch.rejected()[0].reason,
        "value is not text: invalid UTF-8 at byte 1; use the format \"bytes\""
    );
}

/// As many fields as a record can bring with their schema, in another order, some of them missing and some unknown: the time for them
/// must not grow with the square of their number.
#[test]
fn a_wide_struct_is_read_by_the_names_of_its_fields() {
    const FIELDS: usize = 20_000;
    let names: Vec<String> = (0..FIELDS).map(|number| format!("f{number}")).collect();
    let declared: Vec<String> =
        names.iter().map(|name| format!(r#"{{"type":"int32","optional":true,"field":"{name}"}}"#)).collect();
    let written = names.iter().rev().step_by(2).map(String::as_str).chain(["other"]);
    let written: Vec<String> = written.map(|name| format!(r#""{name}":1"#)).collect();
    let text = format!(
        r#"{{"schema":{{"type":"struct","name":"wide","fields":[{}]}},"payload":{{{}}}}}"#,
        declared.join(","),
        written.join(",")
    );
    let batch = decode(&[&text]);
    let value = only(&batch).value();
    let row = value.as_struct().unwrap();
    assert_eq!(row.len(), FIELDS + 1);
    let sum: i64 = row.iter().filter_map(|(_, value)| value.as_i64()).sum();
    assert_eq!((sum, row.get("f19999").unwrap().as_i64()), (10_001, Some(1)));
    assert!(row.get("f0").unwrap().is_null() && row.get("other").is_some());
}
