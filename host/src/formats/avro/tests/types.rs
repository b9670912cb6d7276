//! Every type and logical type.

use super::{long, noted, show, sized};

#[test]
fn primitive_types() {
    for (schema, data, expected) in [
        (r#""null""#, vec![], "Null"),
        ("null", vec![], "Null"),
        (r#"{"type":"boolean"}"#, vec![1], "Bool(true)"),
        (r#""int""#, long(-2_147_483_648), "Int(-2147483648)"),
        (r#""long""#, long(i64::MIN), "Int(-9223372036854775808)"),
        (r#""long""#, long(i64::MAX), "Int(9223372036854775807)"),
        (r#""float""#, 0.1f32.to_le_bytes().to_vec(), "Float(0.1)"),
        (r#""float""#, 16_777_216f32.to_le_bytes().to_vec(), "Float(16777216.0)"),
        (r#""float""#, f32::MIN_POSITIVE.to_le_bytes().to_vec(), "Float(1.1754944e-38)"),
        (r#""float""#, f32::NAN.to_le_bytes().to_vec(), "Float(NaN)"),
        (r#""double""#, 0.1f64.to_le_bytes().to_vec(), "Float(0.1)"),
        (r#""double""#, (-0.0f64).to_le_bytes().to_vec(), "Float(-0.0)"),
        (r#""bytes""#, sized(&[0, 255]), "Bytes([0, 255])"),
        (r#""string""#, sized("sørt €".as_bytes()), "String(\"sørt €\")"),
        (r#"{"type":"fixed","name":"f","size":3}"#, vec![1, 2, 3], "Bytes([1, 2, 3])"),
        (r#"{"type":"enum","name":"e","symbols":["A","B"]}"#, long(1), "String(\"B\")"),
        (r#"[{"type":"string"},"null","int"]"#, [long(2), long(7)].concat(), "Int(7)"),
        (r#"["int","null"]"#, long(1), "Null"),
        (r#"["int","null"]"#, [long(0), long(7)].concat(), "Int(7)"),
    ] {
        assert_eq!(show(schema, &data), expected, "{schema}");
    }
}

#[test]
fn collections_in_blocks_of_either_form() {
    let list = r#"{"type":"array","items":"int"}"#;
    assert_eq!(show(list, &[0]), "List(List([]))");
    assert_eq!(show(list, &[4, 2, 4, 2, 6, 0]), "List(List([Int(1), Int(2), Int(3)]))");
    // A negative count is followed by the bytes of the block.
    assert_eq!(show(list, &[3, 4, 2, 4, 0]), "List(List([Int(1), Int(2)]))");
    let map = r#"{"type":"map","values":"int"}"#;
    assert_eq!(show(map, &[0]), "Struct(Struct([]))");
    assert_eq!(show(map, &[4, 2, b'a', 2, 2, b'b', 4, 0]), "Struct(Struct([a: Int(1), b: Int(2)]))");
    assert_eq!(show(map, &[4, 2, b'a', 2, 2, b'a', 4, 0]), "Struct(Struct([a: Int(2)]))", "the last counts");
}

#[test]
fn logical_types() {
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let base = |base: &str, name: &str| format!(r#"{{"type":"{base}","logicalType":"{name}"}}"#);
    let fixed = |size: u32, rest: &str| {
        format!(r#"{{"type":"fixed","name":"f","size":{size},"logicalType":{rest}}}"#)
    };
    for (schema, data, expected) in [
        (base("int", "date"), long(19_782), "Date(Date { days: 19782 })"),
        (base("int", "date"), long(i32::MAX.into()), "Date(Date { days: 2147483647 })"),
        (base("int", "time-millis"), long(1), "Time(Time { nanoseconds: 1000000, offset_seconds: None })"),
        (base("long", "time-micros"), long(1), "Time(Time { nanoseconds: 1000, offset_seconds: None })"),
        (
            base("long", "timestamp-millis"),
            long(-1),
            "Timestamp(Timestamp { seconds: -1, nanoseconds: 999000000, offset_seconds: Some(0) })",
        ),
        (
            base("long", "timestamp-micros"),
            long(1_000_001),
            "Timestamp(Timestamp { seconds: 1, nanoseconds: 1000, offset_seconds: Some(0) })",
        ),
        (
            base("long", "timestamp-nanos"),
            long(i64::MAX),
            "Timestamp(Timestamp { seconds: 9223372036, nanoseconds: 854775807, offset_seconds: Some(0) })",
        ),
        (
            base("long", "local-timestamp-millis"),
            long(1),
            "Timestamp(Timestamp { seconds: 0, nanoseconds: 1000000, offset_seconds: None })",
        ),
        (
            base("long", "local-timestamp-micros"),
            long(1),
            "Timestamp(Timestamp { seconds: 0, nanoseconds: 1000, offset_seconds: None })",
        ),
        (
            base("long", "local-timestamp-nanos"),
            long(1),
            "Timestamp(Timestamp { seconds: 0, nanoseconds: 1, offset_seconds: None })",
        ),
        (
            base("string", "uuid"),
            sized(uuid.as_bytes()),
            "Uuid([0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255])",
        ),
        (base("string", "uuid"), sized(b"none"), "String(\"none\")"),
        (
            fixed(16, "\"uuid\""),
            (0..16).collect(),
            "Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])",
        ),
        (
            fixed(12, "\"duration\""),
            vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
            "Interval(Interval { months: 1, days: 2, microseconds: 3000 })",
        ),
        (
            fixed(12, "\"duration\""),
            vec![255; 12],
            "Bytes([255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])",
        ),
        (fixed(2, "\"decimal\",\"precision\":4,\"scale\":2"), vec![3, 0xfc], "Decimal(10.20)"),
    ] {
        assert_eq!(show(&schema, &data), expected, "{schema}");
        assert_eq!(noted(&schema), [""; 0], "{schema}");
    }
}

#[test]
fn decimals_of_any_length_are_exact() {
    let decimal = |rest: &str| format!(r#"{{"type":"bytes","logicalType":"decimal",{rest}}}"#);
    let two_to_136 = [&[1][..], &[0; 17]].concat();
    for (rest, unscaled, expected) in [
        (r#""precision":4,"scale":2"#, &[0x03, 0xfc][..], "Decimal(10.20)"),
        (r#""precision":4"#, &[0xff], "Decimal(-1)"),
        (r#""precision":4,"scale":4"#, &[0, 0, 0, 0, 0x80], "Decimal(0.0128)"),
        (r#""precision":50"#, &two_to_136, "Decimal(87112285931760246646623899502532662132736)"),
        // More digits than were declared are kept.
        (r#""precision":1"#, &[0x7f], "Decimal(127)"),
    ] {
        assert_eq!(show(&decimal(rest), &sized(unscaled)), expected, "{rest}");
    }
}

#[test]
fn logical_types_that_do_not_hold_are_ignored_and_noted() {
    for (schema, data, expected, read_as) in [
        (r#"{"type":"long","logicalType":"date"}"#, long(1), "Int(1)", "date as long"),
        (
            r#"{"type":"string","logicalType":"timestamp-millis"}"#,
            sized(b"x"),
            "String(\"x\")",
            "timestamp-millis as string",
        ),
        (r#"{"type":"int","logicalType":"moon-phase"}"#, long(1), "Int(1)", "moon-phase as int"),
        (
            r#"{"type":"fixed","name":"f","size":2,"logicalType":"uuid"}"#,
            vec![1, 2],
            "Bytes([1, 2])",
            "uuid as f",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#,
            sized(&[1]),
            "Bytes([1])",
            "decimal as bytes",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":0}"#,
            sized(&[1]),
            "Bytes([1])",
            "decimal as bytes",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":-1}"#,
            sized(&[1]),
            "Bytes([1])",
            "decimal as bytes",
        ),
        // Two bytes hold 4 digits.
        (
            r#"{"type":"fixed","name":"f","size":2,"logicalType":"decimal","precision":5}"#,
            vec![0, 1],
            "Bytes([0, 1])",
            "decimal as f",
        ),
    ] {
        assert_eq!(show(schema, &data), expected, "{schema}");
        assert_eq!(noted(schema), [format!("the value: {read_as}")], "{schema}");
    }
}

#[test]
fn named_and_recursive_types() {
    let tree = r#"{"type":"record","name":"Node","namespace":"a.b","fields":[
        {"name":"id","type":{"type":"fixed","name":"Id","size":1}},
        {"name":"parent","type":["null","Id"]},
        {"name":"children","type":{"type":"array","items":"a.b.Node"}}]}"#;
    let data = [1, 0, 2, 2, 2, 1, 0, 0];
    assert_eq!(
        show(tree, &data),
        "Struct(Struct([id: Bytes([1]), parent: Null, children: List(List([Struct(Struct([id: Bytes([2]), parent: \
         Bytes([1]), children: List(List([]))]))]))]))"
    );
}
