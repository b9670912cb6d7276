//! Rows without a schema: hints, decimals with their scale, marks for unavailable values.

use tidegate_abi::raw::Kind;

use super::{decode, decode_with, notices, only, to_json, with_hints};
use crate::formats::{ColumnHint, DecoderOptions, Hints, RecordDecoder};

fn event(after: &str) -> String {
    format!(
        r#"{{"before":{{"price":null}},"after":{after},"source":{{"schema":"public","table":"products","lsn":1}},"op":"u"}}"#
    )
}

fn hints(hints: &[(&str, ColumnHint)]) -> Hints {
    let mut all = Hints::default();
    hints.iter().for_each(|(column, hint)| all.insert(column, *hint).unwrap());
    all
}

#[test]
fn hinted_columns_are_typed_in_rows_and_keys_and_in_the_record_alike() {
    let price = ColumnHint::Decimal { scale: 2 };
    let mut decoder = with_hints(hints(&[
        ("products.price", price),
        ("public.products.at", ColumnHint::TimestampMicros),
        ("products.tags", ColumnHint::Date),
    ]));
    let value = event(r#"{"price":"A/w=","at":1000000,"tags":[0,null],"other":"A/w="}"#);
    let batch = decode_with(&mut decoder, &[(Some(br#"{"price":"AQ=="}"#), Some(value.as_bytes()))]);
    let record = only(&batch);
    let row = r#"{"price":10.20,"at":"1970-01-01T00:00:01","tags":["1970-01-01",null],"other":"A/w="}"#;
    assert_eq!(to_json(record.change().unwrap().after_value()), row);
    assert_eq!(to_json(record.value().get("after").unwrap()), row);
    assert_eq!(to_json(record.key()), r#"{"price":0.01}"#);
    assert_eq!(record.value().get("op").and_then(|op| op.as_str()), Some("u"));
}

#[test]
fn the_key_of_a_tombstone_is_typed_as_the_rows_are() {
    let mut decoder = with_hints(hints(&[("public.t.id", ColumnHint::Decimal { scale: 0 })]));
    let batch = decode_with(&mut decoder, &[(Some(br#"{"id":"AQ=="}"#), None)]);
    assert_eq!(to_json(only(&batch).key()), r#"{"id":1}"#);
}

#[test]
fn a_value_that_does_not_fit_its_hint_names_the_column() {
    let mut decoder = with_hints(hints(&[("products.price", ColumnHint::Decimal { scale: 2 })]));
    let value = event(r#"{"price":"secret"}"#);
    let batch = decode_with(&mut decoder, &[(None, Some(value.as_bytes()))]);
    assert_eq!(
        batch.rejected()[0].reason,
        "products.price does not fit its hint in [source.columns]: expected base64 for a decimal, or a number of its \
         scale, found text that is none"
    );
}

fn with_all_forms() -> RecordDecoder {
    with_hints(hints(&[
        ("products.day", ColumnHint::IsoDate),
        ("products.clock", ColumnHint::IsoTime),
        ("products.at", ColumnHint::IsoTimestamp),
        ("products.zoned", ColumnHint::ZonedTimestamp),
        ("products.document", ColumnHint::Json),
    ]))
}

#[test]
fn dates_times_and_documents_as_text_are_typed_by_hints() {
    let forms = [
        ("day", r#""2024-02-29""#, Kind::DATE, r#""2024-02-29""#),
        ("day", r#""2024-02-29Z""#, Kind::DATE, r#""2024-02-29""#),
        ("day", r#""infinity""#, Kind::STRING, r#""infinity""#),
        ("day", r#""0000-00-00""#, Kind::STRING, r#""0000-00-00""#),
        ("clock", r#""13:01""#, Kind::TIME, r#""13:01:00""#),
        ("clock", r#""13:01:02.123456""#, Kind::TIME, r#""13:01:02.123456""#),
        ("clock", r#""13:01:02+02:00""#, Kind::STRING, r#""13:01:02+02:00""#),
        ("at", r#""2024-02-29T13:01:02.5""#, Kind::TIMESTAMP, r#""2024-02-29T13:01:02.500""#),
        ("at", r#""2024-02-29 13:01:02Z""#, Kind::TIMESTAMP, r#""2024-02-29T13:01:02""#),
        ("at", r#""2024-02-29T13:01:02+01:00""#, Kind::STRING, r#""2024-02-29T13:01:02+01:00""#),
        ("zoned", r#""2024-02-29 13:01:02+01""#, Kind::TIMESTAMP, r#""2024-02-29T13:01:02+01:00""#),
        ("zoned", r#""2024-02-29T13:01:02+0100""#, Kind::TIMESTAMP, r#""2024-02-29T13:01:02+01:00""#),
        ("document", r#""{\"a\": [1]}""#, Kind::JSON, r#"{"a": [1]}"#),
        ("document", r#"{"a":[1]}"#, Kind::STRUCT, r#"{"a":[1]}"#),
        ("document", "true", Kind::BOOL, "true"),
        ("document", r#""no document""#, Kind::STRING, r#""no document""#),
    ];
    let mut decoder = with_all_forms();
    for (column, form, kind, expected) in forms {
        let value = event(&format!(r#"{{"{column}":{form}}}"#));
        let batch = decode_with(&mut decoder, &[(None, Some(value.as_bytes()))]);
        let typed = only(&batch).change().unwrap().after().get(column).unwrap();
        assert_eq!((typed.kind(), to_json(typed)), (kind, expected.to_owned()), "{column} {form}");
    }
}

#[test]
fn text_in_another_form_than_its_hint_rejects_the_record_by_column() {
    let mut decoder = with_all_forms();
    for (column, form, expected) in [
        ("day", "29.02.2024", "an ISO 8601 date"),
        ("day", "2023-02-29", "an ISO 8601 date"),
        ("clock", "1 pm", "an ISO 8601 time"),
        ("at", "2024-02-29", "an ISO 8601 timestamp"),
        ("at", "1709211662", "an ISO 8601 timestamp"),
        ("zoned", "yesterday", "an ISO 8601 timestamp"),
    ] {
        let value = event(&format!(r#"{{"{column}":"{form}"}}"#));
        let batch = decode_with(&mut decoder, &[(None, Some(value.as_bytes()))]);
        let expected = format!(
            "products.{column} does not fit its hint in [source.columns]: expected {expected}, found text that is none"
        );
        assert_eq!(batch.rejected()[0].reason, expected, "{form}");
    }
}

#[test]
fn digits_that_are_read_as_base64_are_noted() {
    let mut decoder = with_hints(hints(&[("products.price", ColumnHint::Decimal { scale: 0 })]));
    for (price, noted) in [("1000", true), ("100", false), ("10.5", false), ("A/w=", false)] {
        let value = event(&format!(r#"{{"price":"{price}"}}"#));
        decode_with(&mut decoder, &[(None, Some(value.as_bytes()))]);
        let all = notices(&mut decoder);
        assert_eq!(
            all.iter().any(|notice| notice.starts_with("decimal_of_digits 1: products.price")),
            noted,
            "{all:?}"
        );
    }
}

#[test]
fn hints_do_not_touch_other_tables_or_records() {
    let mut decoder = with_hints(hints(&[("orders.price", ColumnHint::Date)]));
    let value = event(r#"{"price":"A/w="}"#);
    let plain = r#"{"price":"A/w=","after":{"price":"A/w="}}"#;
    let batch = decode_with(&mut decoder, &[(None, Some(value.as_bytes())), (None, Some(plain.as_bytes()))]);
    assert_eq!(batch.rejected(), []);
    assert_eq!(to_json(batch.record(0).unwrap().value()), value);
    assert_eq!(to_json(batch.record(1).unwrap().value()), plain);
}

#[test]
fn a_decimal_that_carries_its_scale_is_one() {
    let batch = decode(&[&event(
        r#"{"a":{"scale":3,"value":"AeJA"},"b":[{"scale":0,"value":"AQ=="}],"c":{"scale":3,"value":"AeJA","x":1},"d":{"scale":"3","value":"AeJA"}}"#,
    )]);
    let row = to_json(only(&batch).change().unwrap().after_value());
    assert_eq!(
        row,
        r#"{"a":123.456,"b":[1],"c":{"scale":3,"value":"AeJA","x":1},"d":{"scale":"3","value":"AeJA"}}"#
    );
}

#[test]
fn unavailable_values_are_marked_in_rows_and_only_there() {
    let mark = "__debezium_unavailable_value";
    let forms = [
        format!("\"{mark}\""),
        "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"".to_owned(),
        format!("[\"{mark}\"]"),
        format!("{{\"{mark}\":\"{mark}\"}}"),
        format!("{:?}", mark.as_bytes()),
    ];
    for form in forms {
        let batch = decode(&[&event(&format!(r#"{{"id":1,"body":{form}}}"#))]);
        let row = only(&batch).change().unwrap().after();
        assert!(row.get("body").unwrap().is_unavailable(), "{form}");
        assert_eq!(row.get("id").and_then(|id| id.as_i64()), Some(1));
        let plain = format!(r#"{{"id":1,"body":{form}}}"#);
        let batch = decode(&[&plain]);
        assert_ne!(only(&batch).value().get("body").unwrap().kind(), Kind::UNAVAILABLE);
    }
}

#[test]
fn with_a_schema_unavailable_values_are_marked_too() {
    let row = |name: &str| {
        format!(
            r#"{{"type":"struct","optional":true,"field":"{name}","fields":[{{"type":"string","name":"io.debezium.data.Json","field":"a"}},{{"type":"bytes","field":"b"}},{{"type":"array","items":{{"type":"string"}},"field":"c"}},{{"type":"map","keys":{{"type":"string"}},"values":{{"type":"string"}},"field":"d"}}]}}"#
        )
    };
    let schema = format!(
        r#"{{"type":"struct","fields":[{},{},{{"type":"string","field":"op"}},{{"type":"string","field":"table"}},{{"type":"string","field":"note"}}]}}"#,
        row("before"),
        row("after")
    );
    for (mark, base64, option) in [
        ("__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", None),
        ("not sent", "bm90IHNlbnQ=", Some("not sent")),
        ("not sent", "bm90IHNlbnQ=", Some("hex:6e6f742073656e74")),
    ] {
        let payload = format!(
            r#"{{"before":null,"after":{{"a":"{mark}","b":"{base64}","c":["{mark}"],"d":{{"{mark}":"{mark}"}}}},"op":"u","table":"t","note":"{mark}"}}"#
        );
        let text = format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        let options = DecoderOptions {
            unavailable_placeholder: option.map(str::to_owned),
            ..DecoderOptions::default()
        };
        let batch = decode_with(&mut RecordDecoder::new(options), &[(None, Some(text.as_bytes()))]);
        let value = only(&batch).value();
        for name in ["a", "b", "c", "d"] {
            assert!(value.at(&["after", name]).unwrap().is_unavailable(), "{mark} {name}");
        }
        assert_eq!(value.get("note").and_then(|note| note.as_str()), Some(mark));
    }
}
