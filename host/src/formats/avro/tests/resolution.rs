//! Data of a writer's schema, read with a reader's.

use super::{Decoder, long, show_resolved, sized, try_program};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"r","namespace":"n","fields":[{fields}]}}"#)
}

#[test]
fn numbers_become_wider_and_text_bytes() {
    for (writer, reader, data, expected) in [
        ("int", "long", long(7), "Int(7)"),
        ("int", "float", long(7), "Float(7.0)"),
        ("int", "double", long(7), "Float(7.0)"),
        ("long", "float", long(7), "Float(7.0)"),
        ("long", "double", long(7), "Float(7.0)"),
        ("float", "double", 0.5f32.to_le_bytes().to_vec(), "Float(0.5)"),
        ("string", "bytes", sized(b"a"), "Bytes([97])"),
        ("bytes", "string", sized(b"a"), "String(\"a\")"),
        ("bytes", "string", sized(&[0xff]), "error: invalid UTF-8 at byte 2"),
    ] {
        assert_eq!(show_resolved(writer, reader, &data), expected, "{writer} as {reader}");
    }
}

#[test]
fn logical_types_are_those_of_the_reader() {
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let shown = "Timestamp(Timestamp { seconds: 0, nanoseconds: 1000000, offset_seconds: Some(0) })";
    assert_eq!(show_resolved("long", millis, &long(1)), shown);
    assert_eq!(show_resolved(millis, "long", &long(1)), "Int(1)");
}

#[test]
fn fields_are_found_by_name_or_alias_and_missing_ones_get_their_default() {
    let writer =
        record(r#"{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"old","type":"long"}"#);
    let reader = record(
        r#"{"name":"new","type":"long","aliases":["old"]},{"name":"added","type":["null","string"],"default":null},
           {"name":"many","type":{"type":"array","items":"int"},"default":[1,2]},{"name":"a","type":"double"}"#,
    );
    let data = [long(1), sized(b"gone"), long(3)].concat();
    assert_eq!(
        show_resolved(&writer, &reader, &data),
        "Struct(Struct([new: Int(3), added: Null, many: List(List([Int(1), Int(2)])), a: Float(1.0)]))"
    );
}

#[test]
fn every_type_can_be_passed_over() {
    let types = [
        (r#""null""#, vec![]),
        (r#""boolean""#, vec![1]),
        (r#""int""#, long(300)),
        (r#"{"type":"long","logicalType":"timestamp-nanos"}"#, long(300)),
        (r#""float""#, vec![0; 4]),
        (r#""double""#, vec![0; 8]),
        (r#""bytes""#, sized(&[1])),
        (r#"{"type":"string","logicalType":"uuid"}"#, sized(b"x")),
        (r#"{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}"#, vec![0; 16]),
        (r#"{"type":"fixed","name":"d","size":12,"logicalType":"duration"}"#, vec![0; 12]),
        (r#"{"type":"fixed","name":"g","size":2}"#, vec![0; 2]),
        (r#"{"type":"enum","name":"e","symbols":["A"]}"#, long(0)),
        (r#"["null","int"]"#, vec![2, 4]),
        (r#"["null","int","string"]"#, vec![4, 2, b'a']),
        (r#"{"type":"array","items":"int"}"#, vec![2, 2, 3, 4, 2, 4, 0]),
        (r#"{"type":"map","values":"int"}"#, vec![2, 2, b'a', 2, 0]),
        (r#"{"type":"record","name":"q","fields":[{"name":"x","type":"int"}]}"#, vec![2]),
    ];
    let reader = record(r#"{"name":"last","type":"int"}"#);
    for (ty, data) in types {
        let writer = record(&format!(r#"{{"name":"x","type":{ty}}},{{"name":"last","type":"int"}}"#));
        let data = [data, long(7)].concat();
        assert_eq!(show_resolved(&writer, &reader, &data), "Struct(Struct([last: Int(7)]))", "{ty}");
    }
}

#[test]
fn unions_and_enums() {
    for (writer, reader, data, expected) in [
        ("int", r#"["null","long"]"#, long(7), "Int(7)"),
        // The exact type wins over an earlier one that is only wide enough.
        ("int", r#"["double","int"]"#, long(7), "Int(7)"),
        (r#"["null","int"]"#, "int", [long(1), long(7)].concat(), "Int(7)"),
        (
            r#"["null","int"]"#,
            "int",
            long(0),
            "error: the reader's schema has int where the writer's has null at byte 1",
        ),
        (r#"["int","string"]"#, r#"["string","null","long"]"#, [long(0), long(7)].concat(), "Int(7)"),
    ] {
        assert_eq!(show_resolved(writer, reader, &data), expected, "{writer} as {reader}");
    }
    let of = |symbols: &str| format!(r#"{{"type":"enum","name":"e","symbols":[{symbols}]}}"#);
    let with_default = r#"{"type":"enum","name":"x.e","symbols":["A","other"],"default":"other"}"#;
    let writer = of(r#""A","B""#);
    assert_eq!(show_resolved(&writer, with_default, &long(1)), "String(\"other\")");
    assert_eq!(
        show_resolved(&writer, &of(r#""A""#), &long(1)),
        "error: the reader's enum e does not have the symbol \"B\" at byte 1"
    );
}

#[test]
fn an_incompatible_reader_is_named_with_its_field() {
    let writer = record(r#"{"name":"a","type":"string"}"#);
    for (reader, expected) in [
        (
            record(r#"{"name":"a","type":"int"}"#),
            "error: a: the reader's schema has int where the writer's has string at byte 0",
        ),
        (
            record(r#"{"name":"a","type":"string"},{"name":"b","type":"int"}"#),
            "error: b: the writer's schema does not have this field, and the reader's has no default for it at byte 2",
        ),
        (
            record(r#"{"name":"a","type":"string"},{"name":"b","type":"int","default":"x"}"#),
            "error: b: the writer's schema does not have this field, and the reader's has a default that does not fit its \
             type for it at byte 2",
        ),
        (
            r#"{"type":"record","name":"other","fields":[]}"#.to_owned(),
            "error: the reader's schema has other where the writer's has n.r at byte 0",
        ),
    ] {
        assert_eq!(show_resolved(&writer, &reader, &sized(b"x")), expected, "{reader}");
    }
}

#[test]
fn recursive_records_resolve() {
    let of = |value: &str, more: &str| {
        record(&format!(r#"{{"name":"v","type":"{value}"}},{{"name":"next","type":["null","n.r"]}}{more}"#))
    };
    let reader = of("long", r#",{"name":"d","type":"int","default":5}"#);
    let decoder = Decoder::new(try_program(&of("int", ""), Some(&reader)).unwrap());
    let data = [long(1), long(1), long(2), long(0)].concat();
    assert_eq!(
        decoder.show(&data),
        "Struct(Struct([v: Int(1), next: Struct(Struct([v: Int(2), next: Null, d: Int(5)])), d: Int(5)]))"
    );
}
