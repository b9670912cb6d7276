//! Connect's and Debezium's attributes, and rows of change events.

use tidegate_abi::raw::Kind;

use super::{Decoder, decoder, long, noted, show, sized, try_program};
use crate::formats::types::Unavailable;

/// Placeholders and the UUIDs that are made of them.
const MARKS: [(&str, &[u8]); 2] = [
    ("__debezium_unavailable_value", b"b68a35a7-17ad-35b3-af2a-ae46edb4545a"),
    ("not sent", b"8872735e-f4b6-31f5-afd4-c621610b986d"),
];

fn named(base: &str, name: &str, rest: &str) -> String {
    format!(r#"{{"type":"{base}","connect.version":1,"connect.name":"{name}"{rest}}}"#)
}

#[test]
fn semantic_names_count_more_than_logical_types() {
    let parameters = |parameters: &str| format!(r#","connect.parameters":{{{parameters}}}"#);
    let connect = "org.apache.kafka.connect.data";
    for (schema, data, expected) in [
        (
            named("long", &format!("{connect}.Timestamp"), r#","logicalType":"timestamp-millis""#),
            long(1),
            "Timestamp(Timestamp { seconds: 0, nanoseconds: 1000000, offset_seconds: None })",
        ),
        (
            named("bytes", &format!("{connect}.Decimal"), &parameters(r#""scale":"-2""#)),
            sized(&[12]),
            "Decimal(1200)",
        ),
        (named("int", "io.debezium.time.Date", ""), long(19_782), "Date(Date { days: 19782 })"),
        (named("int", "io.debezium.time.Date", ""), long(2_147_483_647), "String(\"infinity\")"),
        (named("long", "io.debezium.time.MicroTimestamp", ""), long(i64::MIN), "String(\"-infinity\")"),
        (
            named("long", "io.debezium.time.MicroDuration", ""),
            long(7),
            "Interval(Interval { months: 0, days: 0, microseconds: 7 })",
        ),
        (named("string", "io.debezium.data.Json", ""), sized(b"{\"a\": 1}"), "Json(\"{\\\"a\\\": 1}\")"),
        (named("string", "io.debezium.data.Json", ""), sized(b"{"), "String(\"{\")"),
        (named("string", "io.debezium.data.Enum", ""), sized(b"ok"), "String(\"ok\")"),
        (
            named("bytes", "io.debezium.data.Bits", &parameters(r#""length":"12""#)),
            sized(&[2, 1]),
            "String(\"000100000010\")",
        ),
        (
            named(
                "bytes",
                "io.debezium.data.Bits",
                &parameters(r#""length":"12","__debezium.source.column.type":"VARBIT""#),
            ),
            sized(&[2]),
            "String(\"10\")",
        ),
        (r#"{"type":"int","connect.type":"int8"}"#.to_owned(), long(-1), "Int(-1)"),
    ] {
        assert_eq!(show(&schema, &data), expected, "{schema}");
        assert_eq!(noted(&schema), [""; 0], "{schema}");
    }
}

#[test]
fn a_semantic_name_that_is_not_known_is_noted() {
    let schema = format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"x","type":["null",{}]}}]}}"#,
        named("string", "com.example.Money", "")
    );
    assert_eq!(noted(&schema), ["x: com.example.Money as string"]);
}

#[test]
fn maps_with_any_keys_are_lists_of_entries() {
    let map = |key: &str| {
        format!(
            r#"{{"type":"array","items":{{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro",
               "fields":[{{"name":"key","type":{key}}},{{"name":"value","type":"int"}}],
               "connect.internal.type":"MapEntry"}}}}"#
        )
    };
    let pairs = [2, 6, 14, 0];
    assert_eq!(show(&map("\"int\""), &pairs), "List(List([List(List([Int(3), Int(7)]))]))");
    let named = [2, 2, 2, b'a', 14, 0];
    assert_eq!(show(&map("[\"null\",\"string\"]"), &named), "Struct(Struct([a: Int(7)]))");
}

#[test]
fn decimals_with_a_scale_of_their_own() {
    let schema = r#"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data",
        "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}],
        "connect.version":1,"connect.name":"io.debezium.data.VariableScaleDecimal"}"#;
    assert_eq!(show(schema, &[4, 4, 3, 0xfc]), "Decimal(10.20)");
    assert_eq!(show(schema, &[3, 2, 12]), "Decimal(1200)");
    assert_eq!(
        show(schema, &[4, 0]),
        "error: expected a record of scale and bytes, found an object at byte 2"
    );
}

#[test]
fn marks_for_unavailable_values_count_in_rows_alone() {
    let fields = format!(
        r#"[{{"name":"text","type":"string"}},{{"name":"bytes","type":["null","bytes"]}},
            {{"name":"uuids","type":{{"type":"array","items":["null",{}]}}}},
            {{"name":"numbers","type":{{"type":"array","items":["null","long"]}}}},
            {{"name":"map","type":{{"type":"map","values":["null","string"]}}}},
            {{"name":"json","type":{}}}]"#,
        named("string", "io.debezium.data.Uuid", ""),
        named("string", "io.debezium.data.Json", ""),
    );
    let row = |mark: &[u8], uuid: &[u8]| {
        [
            sized(mark),
            long(1),
            sized(mark),
            long(1),
            long(1),
            sized(uuid),
            long(0),
            long(mark.len() as i64),
            mark.iter().flat_map(|byte| [long(1), long((*byte).into())].concat()).collect(),
            long(0),
            long(1),
            sized(mark),
            long(1),
            sized(mark),
            long(0),
            sized(mark),
        ]
        .concat()
    };
    let row_type = format!(r#"{{"type":"record","name":"Value","fields":{fields}}}"#);
    let envelope = format!(
        r#"{{"type":"record","name":"Envelope","fields":[{{"name":"before","type":["null",{row_type}]}},
            {{"name":"after","type":["null","Value"]}},{{"name":"op","type":"string"}}]}}"#
    );
    for (mark, uuid) in MARKS {
        let row = row(mark.as_bytes(), uuid);
        let data = [long(0), long(1), row.clone(), sized(b"u")].concat();
        let decoder = Decoder { unavailable: Unavailable::new(Some(mark)), ..decoder(&envelope) };
        assert_eq!(
            decoder.show(&data),
            "Struct(Struct([before: Null, after: Struct(Struct([text: Unavailable, bytes: Unavailable, uuids: Unavailable, \
         numbers: Unavailable, map: Unavailable, json: Unavailable])), op: String(\"u\")]))"
        );
        let plain =
            Decoder { unavailable: Unavailable::new(Some(mark)), ..self::decoder(&row_type) }.show(&row);
        assert!(!plain.contains("Unavailable"), "{plain}");
    }
    let [(_, _), (other, uuid)] = MARKS;
    let data = [long(0), long(1), row(other.as_bytes(), uuid), sized(b"u")].concat();
    assert!(!show(&envelope, &data).contains("Unavailable"));
}

#[test]
fn plugins_see_the_schema_with_its_semantic_names() {
    let schema = format!(
        r#"{{"type":"record","name":"Value","namespace":"shop","connect.name":"shop.public.t.Value","connect.version":2,
            "fields":[{{"name":"id","type":"int"}},
            {{"name":"price","type":["null",{}],"default":null}},
            {{"name":"at","type":{{"type":"long","logicalType":"timestamp-micros"}},"default":1}},
            {{"name":"tags","type":{{"type":"array","items":"string"}}}},
            {{"name":"any","type":["null","string","int"]}},
            {{"name":"self","type":["null","Value"]}}]}}"#,
        named(
            "bytes",
            "org.apache.kafka.connect.data.Decimal",
            r#","precision":64,"connect.parameters":{"scale":"2","connect.decimal.precision":"10"}"#
        )
    );
    let program = try_program(&schema, None).unwrap();
    let schema = program.get().schema.unwrap();
    assert_eq!((schema.name(), schema.version(), schema.len()), ("shop.public.t.Value", 2, 6));
    let field = |name: &str| schema.get(name).unwrap();
    let price = field("price");
    assert_eq!((price.kind(), price.precision(), price.scale()), (Kind::DECIMAL, Some(10), Some(2)));
    assert!(price.is_optional() && price.default_value().is_none());
    assert_eq!(price.semantic(), "org.apache.kafka.connect.data.Decimal");
    let at = field("at");
    assert_eq!((at.kind(), at.semantic(), at.is_optional()), (Kind::TIMESTAMP, "timestamp-micros", false));
    assert_eq!(at.default_value().unwrap().to_string(), "1970-01-01T00:00:00.000001Z");
    assert_eq!(field("tags").nested().unwrap().field(0).unwrap().kind(), Kind::STRING);
    assert_eq!((field("any").kind(), field("any").is_optional()), (Kind::NULL, true));
    assert_eq!((field("self").kind(), field("self").nested().is_none()), (Kind::STRUCT, true));
    assert_eq!(decoder("\"int\"").program.get().schema.map(|schema| schema.id()), None);
}
