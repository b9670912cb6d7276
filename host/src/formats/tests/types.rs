//! Every semantic type of Debezium and Kafka Connect, and what becomes of names that are not known.

use super::{Payloads, decode, decode_with, json_decoder, notices, only, refusal, to_json};

/// The documentation, whose table has a row for each of them.
const DOCUMENTATION: &str = include_str!("../../../../docs/formats.md");

/// Name, schema without the name, value, what it is written as.
const TYPES: &[(&str, &str, &str, &str)] = &[
    (
        "org.apache.kafka.connect.data.Decimal",
        r#""type":"bytes","parameters":{"scale":"2"}"#,
        r#""A/w=""#,
        "10.20",
    ),
    ("org.apache.kafka.connect.data.Date", r#""type":"int32""#, "19782", r#""2024-02-29""#),
    ("org.apache.kafka.connect.data.Time", r#""type":"int32""#, "47655123", r#""13:14:15.123""#),
    ("org.apache.kafka.connect.data.Timestamp", r#""type":"int64""#, "1000", r#""1970-01-01T00:00:01""#),
    ("io.debezium.time.Date", r#""type":"int32""#, "-719162", r#""0001-01-01""#),
    ("io.debezium.time.IsoDate", r#""type":"string""#, r#""2017-09-15Z""#, r#""2017-09-15""#),
    ("io.debezium.time.Time", r#""type":"int32""#, "86400000", r#""24:00:00""#),
    ("io.debezium.time.MicroTime", r#""type":"int64""#, "-3600000000", r#""PT-1H""#),
    ("io.debezium.time.NanoTime", r#""type":"int64""#, "1", r#""00:00:00.000000001""#),
    ("io.debezium.time.IsoTime", r#""type":"string""#, r#""11:14:15.5Z""#, r#""11:14:15.500""#),
    ("io.debezium.time.ZonedTime", r#""type":"string""#, r#""24:00:00Z""#, r#""24:00:00Z""#),
    ("io.debezium.time.Timestamp", r#""type":"int64""#, "253402300800000", r#""+10000-01-01T00:00:00""#),
    ("io.debezium.time.MicroTimestamp", r#""type":"int64""#, "9223372036825200000", r#""infinity""#),
    ("io.debezium.time.NanoTimestamp", r#""type":"int64""#, "-9223372036854775808", r#""-infinity""#),
    (
        "io.debezium.time.IsoTimestamp",
        r#""type":"string""#,
        r#""2024-01-01T00:00:00Z""#,
        r#""2024-01-01T00:00:00""#,
    ),
    (
        "io.debezium.time.ZonedTimestamp",
        r#""type":"string""#,
        r#""-0043-03-15T00:00:00Z""#,
        r#""-0043-03-15T00:00:00Z""#,
    ),
    ("io.debezium.time.Year", r#""type":"int32""#, "2155", "2155"),
    ("io.debezium.time.MicroDuration", r#""type":"int64""#, "37091106700000", r#""PT10303H5M6.7S""#),
    ("io.debezium.time.NanoDuration", r#""type":"int64""#, "1", "1"),
    ("io.debezium.time.Interval", r#""type":"string""#, r#""P1Y2M3DT4H5M6.78S""#, r#""P1Y2M3DT4H5M6.78S""#),
    (
        "io.debezium.data.Bits",
        r#""type":"bytes","parameters":{"length":"16"}"#,
        r#""AgE=""#,
        r#""0000000100000010""#,
    ),
    ("io.debezium.data.Enum", r#""type":"string","parameters":{"allowed":"a,b"}"#, r#""a""#, r#""a""#),
    ("io.debezium.data.EnumSet", r#""type":"string","parameters":{"allowed":"a,b"}"#, r#""a,b""#, r#""a,b""#),
    ("io.debezium.data.Json", r#""type":"string""#, r#""{\"a\": 1.10}""#, r#"{"a": 1.10}"#),
    (
        "io.debezium.data.Uuid",
        r#""type":"string""#,
        r#""00112233-4455-6677-8899-AABBCCDDEEFF""#,
        r#""00112233-4455-6677-8899-aabbccddeeff""#,
    ),
    ("io.debezium.data.Xml", r#""type":"string""#, r#""<a>\n</a>""#, r#""<a>\n</a>""#),
    ("io.debezium.data.Ltree", r#""type":"string""#, r#""Top.Science""#, r#""Top.Science""#),
    ("io.debezium.data.Tsvector", r#""type":"string""#, r#""'cat':3 'fat':2""#, r#""'cat':3 'fat':2""#),
    (
        "io.debezium.data.VariableScaleDecimal",
        r#""type":"struct","fields":[{"type":"int32","field":"scale"},{"type":"bytes","field":"value"}]"#,
        r#"{"scale":-2,"value":"Bw=="}"#,
        "700",
    ),
    (
        "io.debezium.data.FloatVector",
        r#""type":"array","items":{"type":"float"}"#,
        "[1.1,\"NaN\"]",
        "[1.1,\"NaN\"]",
    ),
    (
        "io.debezium.data.DoubleVector",
        r#""type":"array","items":{"type":"double"}"#,
        "[1.5,-0.25]",
        "[1.5,-0.25]",
    ),
    (
        "io.debezium.data.SparseDoubleVector",
        r#""type":"struct","fields":[{"type":"int16","field":"dimensions"},{"type":"map","keys":{"type":"int16"},"values":{"type":"double"},"field":"vector"}]"#,
        r#"{"dimensions":25,"vector":[[1,10.5],[20,-2.5]]}"#,
        r#"{"dimensions":25,"vector":[[1,10.5],[20,-2.5]]}"#,
    ),
    (
        "io.debezium.data.geometry.Point",
        r#""type":"struct","fields":[{"type":"double","field":"x"},{"type":"double","field":"y"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]"#,
        r#"{"x":1.5,"y":2.5,"wkb":"AQE=","srid":null}"#,
        r#"{"x":1.5,"y":2.5,"wkb":"AQE=","srid":null}"#,
    ),
    (
        "io.debezium.data.geometry.Geometry",
        r#""type":"struct","fields":[{"type":"bytes","field":"wkb"},{"type":"int32","optional":true,"field":"srid"},{"type":"map","keys":{"type":"string"},"values":{"type":"string"},"optional":true,"field":"extensions"}]"#,
        r#"{"wkb":"AQE=","srid":4326,"extensions":{"type":"path","closed":"true"}}"#,
        r#"{"wkb":"AQE=","srid":4326,"extensions":{"type":"path","closed":"true"}}"#,
    ),
    (
        "io.debezium.data.geometry.Geography",
        r#""type":"struct","fields":[{"type":"bytes","field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]"#,
        r#"{"wkb":"AQE=","srid":4326}"#,
        r#"{"wkb":"AQE=","srid":4326}"#,
    ),
    (
        "io.debezium.data.geometry.Circle",
        r#""type":"struct","fields":[{"type":"struct","name":"io.debezium.data.geometry.Point","fields":[{"type":"double","field":"x"},{"type":"double","field":"y"}],"field":"center"},{"type":"double","field":"radius"}]"#,
        r#"{"center":{"x":1.5,"y":2.5},"radius":3.5}"#,
        r#"{"center":{"x":1.5,"y":2.5},"radius":3.5}"#,
    ),
    (
        "io.debezium.data.geometry.Line",
        r#""type":"struct","fields":[{"type":"double","field":"a"},{"type":"double","field":"b"},{"type":"double","field":"c"}]"#,
        r#"{"a":1.5,"b":-1.5,"c":0.5}"#,
        r#"{"a":1.5,"b":-1.5,"c":0.5}"#,
    ),
    (
        "io.debezium.time.StructuredDate",
        r#""type":"struct","fields":[{"type":"int32","optional":true,"field":"year"},{"type":"int8","optional":true,"field":"month"},{"type":"int8","optional":true,"field":"day"},{"type":"string","optional":true,"field":"specialValue"}]"#,
        r#"{"year":0,"month":0,"day":0,"specialValue":null}"#,
        r#"{"year":0,"month":0,"day":0,"specialValue":null}"#,
    ),
    (
        "io.debezium.time.StructuredTime",
        r#""type":"struct","fields":[{"type":"int8","optional":true,"field":"hour"},{"type":"int32","optional":true,"field":"nanos"}]"#,
        r#"{"hour":24,"nanos":0}"#,
        r#"{"hour":24,"nanos":0}"#,
    ),
    (
        "io.debezium.time.StructuredTimestamp",
        r#""type":"struct","fields":[{"type":"string","optional":true,"field":"specialValue"}]"#,
        r#"{"specialValue":"POSITIVE_INFINITY"}"#,
        r#"{"specialValue":"POSITIVE_INFINITY"}"#,
    ),
    (
        "io.debezium.time.StructuredZonedTime",
        r#""type":"struct","fields":[{"type":"int8","optional":true,"field":"hour"},{"type":"int32","optional":true,"field":"offsetSeconds"}]"#,
        r#"{"hour":24,"offsetSeconds":19800}"#,
        r#"{"hour":24,"offsetSeconds":19800}"#,
    ),
    (
        "io.debezium.time.StructuredZonedTimestamp",
        r#""type":"struct","fields":[{"type":"int32","optional":true,"field":"year"},{"type":"string","optional":true,"field":"zoneId"}]"#,
        r#"{"year":2026,"zoneId":"Europe/Berlin"}"#,
        r#"{"year":2026,"zoneId":"Europe/Berlin"}"#,
    ),
    (
        "io.debezium.time.StructuredDuration",
        r#""type":"struct","fields":[{"type":"int32","optional":true,"field":"years"},{"type":"int64","optional":true,"field":"seconds"}]"#,
        r#"{"years":-1,"seconds":-6}"#,
        r#"{"years":-1,"seconds":-6}"#,
    ),
];

fn typed(schema: &str, value: &str) -> String {
    format!(r#"{{"schema":{{{schema}}},"payload":{value}}}"#)
}

#[test]
fn every_semantic_type_becomes_what_the_documentation_says() {
    for (name, schema, value, expected) in TYPES {
        let text = typed(&format!(r#"{schema},"name":"{name}","version":1"#), value);
        let mut decoder = json_decoder();
        let batch = decode_with(&mut decoder, &[(None, Some(text.as_bytes()))]);
        assert_eq!(to_json(only(&batch).value()), *expected, "{name}");
        assert_eq!(notices(&mut decoder), [] as [String; 0], "{name}");
        assert!(DOCUMENTATION.contains(&format!("`{name}`")), "{name} has no row in docs/formats.md");
    }
}

#[test]
fn an_unknown_semantic_type_is_noted_once_by_each_task_and_read_as_its_primitive_type() {
    let text = typed(
        r#""type":"struct","name":"a.Value","fields":[{"type":"bytes","name":"acme.Money","field":"price"},{"type":"array","name":"acme.Tags","items":{"type":"string","name":"acme.Tag"},"field":"tags"}]"#,
        r#"{"price":"A/w=","tags":["a"]}"#,
    );
    for _task in 0..2 {
        let mut decoder = json_decoder();
        let record: Payloads<'_> = (None, Some(text.as_bytes()));
        let batch = decode_with(&mut decoder, &[record, record, record]);
        assert_eq!(to_json(batch.record(2).unwrap().value()), r#"{"price":"A/w=","tags":["a"]}"#);
        assert_eq!(
            notices(&mut decoder),
            [
                "unknown_semantic_type 3: the field \"price\" in the values of shop.public.t has the semantic type \
                 \"acme.Money\", which is not known here: its values are read as bytes",
                "unknown_semantic_type 3: the field \"tags\" in the values of shop.public.t has the semantic type \
                 \"acme.Tag\", which is not known here: its values are read as string",
                "unknown_semantic_type 3: the field \"tags\" in the values of shop.public.t has the semantic type \
                 \"acme.Tags\", which is not known here: its values are read as array",
            ]
        );
        decode_with(&mut decoder, &[record]);
        assert_eq!(
            notices(&mut decoder),
            ["unknown_semantic_type 1", "unknown_semantic_type 1", "unknown_semantic_type 1"]
        );
    }
}

#[test]
fn a_known_name_on_another_primitive_type_is_not_known() {
    for (name, schema, value, expected) in [
        ("io.debezium.time.MicroDuration", r#""type":"double""#, "1500000.5", "1500000.5"),
        ("io.debezium.time.Date", r#""type":"string""#, r#""2024""#, r#""2024""#),
        ("io.debezium.data.Bits", r#""type":"string""#, r#""0101""#, r#""0101""#),
        (
            "io.debezium.data.Unheard",
            r#""type":"struct","fields":[{"type":"int8","field":"a"}]"#,
            r#"{"a":1}"#,
            r#"{"a":1}"#,
        ),
    ] {
        let text = typed(&format!(r#"{schema},"name":"{name}""#), value);
        let mut decoder = json_decoder();
        let batch = decode_with(&mut decoder, &[(None, Some(text.as_bytes()))]);
        assert_eq!(to_json(only(&batch).value()), expected);
        let all = notices(&mut decoder);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].contains(name), "{all:?}");
    }
}

const BITS: &str =
    r#"{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"12"},"optional":true"#;

#[test]
fn bits_are_text_wherever_they_stand() {
    let row = format!(
        r#"{{"type":"struct","name":"bits","fields":[{BITS},"field":"a"}},{BITS},"default":"qgo=","field":"b"}},{{"type":"array","items":{BITS}}},"field":"c"}},{{"type":"struct","fields":[{BITS},"field":"e"}}],"field":"d"}},{{"type":"map","keys":{{"type":"string"}},"values":{BITS}}},"field":"f"}}]}}"#
    );
    let payload = r#"{"a":"AQ==","c":["","qgo=",null],"d":{"e":"AA8="},"f":{"k":"AQ=="}}"#;
    let text = format!(r#"{{"schema":{row},"payload":{payload}}}"#);
    let batch = decode_with(&mut json_decoder(), &[(Some(text.as_bytes()), Some(text.as_bytes()))]);
    let record = only(&batch);
    let expected = r#"{"a":"000000000001","c":["000000000000","101010101010",null],"d":{"e":"111100000000"},"f":{"k":"000000000001"},"b":"101010101010"}"#;
    assert_eq!(to_json(record.value()), expected);
    assert_eq!(to_json(record.key()), expected);
    let field = record.value_schema().and_then(|schema| schema.get("a")).unwrap();
    assert_eq!((field.semantic(), field.length()), ("io.debezium.data.Bits", Some(12)));
}

#[test]
fn bits_that_vary_in_length_begin_with_the_highest_that_is_set() {
    let shown = |parameters: &str, value: &str| {
        let text = typed(
            &format!(r#""type":"bytes","name":"io.debezium.data.Bits","parameters":{{{parameters}}}"#),
            value,
        );
        to_json(only(&decode(&[&text])).value())
    };
    assert_eq!(shown(r#""length":"2147483647""#, r#""AwI=""#), r#""1000000011""#);
    assert_eq!(shown(r#""length":"16","__debezium.source.column.type":"VARBIT""#, r#""Cw==""#), r#""1011""#);
    assert_eq!(
        shown(r#""length":"16","__debezium.source.column.type":"BIT""#, r#""Cw==""#),
        r#""0000000000001011""#
    );
    assert_eq!(shown("", r#""Cw==""#), r#""1011""#);
}

#[test]
fn hinted_bits_are_text_too() {
    use super::with_hints;
    use crate::formats::{ColumnHint, Hints};
    let mut hints = Hints::default();
    hints.insert("products.flags", ColumnHint::Bits { length: Some(16) }).unwrap();
    hints.insert("products.mask", ColumnHint::Bits { length: None }).unwrap();
    let value = r#"{"before":null,"after":{"flags":"AgE=","mask":"Cw=="},"source":{"schema":"public","table":"products","lsn":1},"op":"c"}"#;
    let batch = decode_with(&mut with_hints(hints), &[(None, Some(value.as_bytes()))]);
    let row = to_json(only(&batch).change().unwrap().after_value());
    assert_eq!(row, r#"{"flags":"0000000100000010","mask":"1011"}"#);
}

#[test]
fn keys_of_maps_that_are_text_of_a_kind_are_names() {
    let schema =
        r#""type":"map","keys":{"type":"string","name":"io.debezium.data.Uuid"},"values":{"type":"int32"}"#;
    let key = "00112233-4455-6677-8899-aabbccddeeff";
    let batch = decode(&[&typed(schema, &format!(r#"{{"{key}":1}}"#))]);
    assert_eq!(to_json(only(&batch).value()), format!(r#"{{"{key}":1}}"#));
    let reason = refusal(typed(schema, r#"[["a",1]]"#).as_bytes());
    assert_eq!(reason, "value does not fit its schema: expected an object, found a list");
}

const ROW: &str = r#""type":"struct","name":"r","fields":[{"type":"int32","field":"id"},{"type":"string","optional":true,"default":"none","field":"note"},{"type":"struct","optional":true,"fields":[{"type":"string","optional":true,"field":"x"}],"field":"inner"}]"#;

#[test]
fn a_field_that_is_missing_is_its_default_or_null_and_noted() {
    let text = typed(ROW, r#"{"id":1,"inner":{}}"#);
    let mut decoder = json_decoder();
    let batch = decode_with(&mut decoder, &[(None, Some(text.as_bytes()))]);
    assert_eq!(to_json(only(&batch).value()), r#"{"id":1,"inner":{"x":null},"note":"none"}"#);
    let all = notices(&mut decoder);
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0],
        "missing_field 1: a value of shop.public.t lacks \"inner.x\", which its schema has: it is read as its default or \
         null, as Kafka Connect reads it; let its producer write every field of the schema"
    );
    assert!(all[1].contains("lacks \"note\""), "{all:?}");
}

#[test]
fn a_null_is_not_replaced_by_the_default_of_an_optional_field() {
    let text = typed(ROW, r#"{"id":1,"note":null,"inner":null}"#);
    let mut decoder = json_decoder();
    let batch = decode_with(&mut decoder, &[(None, Some(text.as_bytes()))]);
    assert_eq!(to_json(only(&batch).value()), r#"{"id":1,"note":null,"inner":null}"#);
    assert_eq!(notices(&mut decoder), [] as [String; 0]);
}

#[test]
fn fields_that_the_schema_does_not_have_stay_and_may_be_unavailable() {
    let row = r#"{"type":"struct","optional":true,"fields":[{"type":"int32","field":"id"}],"field":"FIELD"}"#;
    let schema = format!(
        r#""type":"struct","fields":[{},{},{{"type":"string","field":"op"}}]"#,
        row.replace("FIELD", "before"),
        row.replace("FIELD", "after")
    );
    let mark = "__debezium_unavailable_value";
    let payload = format!(
        r#"{{"before":null,"after":{{"id":1,"more":[1],"body":"{mark}","tags":["{mark}"]}},"op":"u","source":{{"table":"t"}},"extra":"{mark}"}}"#
    );
    let batch = decode(&[&typed(&schema, &payload)]);
    let value = only(&batch).value();
    assert!(value.at(&["after", "body"]).unwrap().is_unavailable());
    assert!(value.at(&["after", "tags"]).unwrap().is_unavailable());
    assert_eq!(to_json(value.at(&["after", "more"]).unwrap()), "[1]");
    assert_eq!(value.get("extra").and_then(|extra| extra.as_str()), Some(mark));
}

#[test]
fn a_payload_that_is_null_needs_an_optional_schema() {
    for text in [
        r#"{"schema":{"type":"struct","optional":true,"fields":[]},"payload":null}"#,
        r#"{"schema":null,"payload":null}"#,
        "null",
    ] {
        let batch = decode_with(&mut json_decoder(), &[(Some(b"1"), Some(text.as_bytes()))]);
        assert!(only(&batch).is_tombstone(), "{text}");
    }
    let reason = refusal(br#"{"schema":{"type":"struct","optional":false,"fields":[]},"payload":null}"#);
    assert_eq!(reason, "value does not fit its schema: expected a value, found null");
}

#[test]
fn schemas_of_one_name_are_told_apart_by_what_they_say() {
    let version = |version: u32, kind: &str, value: &str| {
        typed(
            &format!(
                r#""type":"struct","name":"same","version":{version},"fields":[{{"type":"{kind}","field":"a"}}]"#
            ),
            &format!(r#"{{"a":{value}}}"#),
        )
    };
    let batch =
        decode(&[&version(1, "int32", "1"), &version(2, "string", "\"x\""), &version(1, "int32", "2")]);
    let rows: Vec<String> = batch.records().map(|record| to_json(record.value())).collect();
    assert_eq!(rows, [r#"{"a":1}"#, r#"{"a":"x"}"#, r#"{"a":2}"#]);
    let versions: Vec<u32> = batch.records().map(|record| record.value_schema().unwrap().version()).collect();
    assert_eq!(versions, [1, 2, 1]);
}

#[test]
fn numbers_keep_every_digit() {
    for (schema, value, expected) in [
        (r#""type":"int64""#, "9007199254740993", "9007199254740993"),
        // bigint.unsigned.handling.mode=long wraps what is above 9223372036854775807 around, in the connector.
        (r#""type":"int64""#, "-1", "-1"),
        (
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}"#,
            r#""AP//////////""#,
            "18446744073709551615",
        ),
        (
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"-3"}"#,
            r#""1g==""#,
            "-42000",
        ),
        (
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"127"}"#,
            r#""CA==""#,
            "0.0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000008",
        ),
        (
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"20"}"#,
            "1.00000000000000000001",
            "1.00000000000000000001",
        ),
        (r#""type":"string""#, r#""NaN""#, r#""NaN""#),
        (r#""type":"double""#, r#""NaN""#, r#""NaN""#),
        (r#""type":"boolean""#, "true", "true"),
    ] {
        assert_eq!(to_json(only(&decode(&[&typed(schema, value)])).value()), expected, "{schema}");
    }
    let schema = r#""type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[]"#;
    for value in
        [r#"{"scale":0,"value":""}"#, r#"{"scale":0}"#, r#"{"scale":0,"value":"AQ==","more":1}"#, "1"]
    {
        assert!(refusal(typed(schema, value).as_bytes()).contains("does not fit its schema"), "{value}");
    }
    for value in [r#""""#, r#""AQ""#, "1.5", r#""NaN""#] {
        let schema =
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}"#;
        assert!(
            refusal(typed(schema, value).as_bytes()).contains("expected base64 for a decimal"),
            "{value}"
        );
    }
}
