//! What broken and hostile data gets.

use super::{Decoder, decoder, long, show, sized, try_program};
use crate::formats::{DecodeLimits, json::InvalidUnicode};

const ROW: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"id","type":"int"},
    {"name":"tags","type":{"type":"array","items":{"type":"record","name":"t","fields":[{"name":"name","type":"string"}]}}},
    {"name":"more","type":{"type":"map","values":"boolean"}}]}"#;

#[test]
fn errors_name_the_field_the_fault_and_the_place() {
    let huge = long(3_000_000_000);
    for (schema, data, expected) in [
        ("int", vec![], "unexpected end: 1 bytes expected, 0 left at byte 0"),
        ("int", vec![0x80], "unexpected end: 2 bytes expected, 1 left at byte 0"),
        ("int", long(1 << 40), "an int of more than 32 bits at byte 6"),
        ("long", vec![0xff; 10], "a number of more than 64 bits at byte 0"),
        ("long", vec![0x80; 20], "a number of more than 64 bits at byte 0"),
        ("double", vec![0; 7], "unexpected end: 8 bytes expected, 7 left at byte 0"),
        ("boolean", vec![2], "a boolean that is neither 0 nor 1 but 2 at byte 1"),
        (
            "string",
            [huge.clone(), vec![b'a']].concat(),
            "unexpected end: 3000000000 bytes expected, 1 left at byte 5",
        ),
        ("string", long(i64::MAX), "unexpected end: 9223372036854775807 bytes expected, 0 left at byte 10"),
        ("bytes", long(-1), "a negative length, -1 at byte 1"),
        ("string", sized(&[0xc3]), "invalid UTF-8 at byte 2"),
        ("int", vec![2, 0, 0], "unexpected data after the value, 2 bytes at byte 1"),
        (r#"["null","int"]"#, long(2), "union branch 2 is out of range (the union has 2) at byte 1"),
        (
            r#"["null","int","string"]"#,
            long(-1),
            "union branch -1 is out of range (the union has 3) at byte 1",
        ),
        (
            r#"{"type":"enum","name":"e","symbols":["A"]}"#,
            long(1),
            "enum symbol 1 is out of range (the enum has 1) at byte 1",
        ),
        (
            r#"{"type":"fixed","name":"f","size":2000000000}"#,
            vec![1],
            "unexpected end: 2000000000 bytes expected, 1 left at byte 0",
        ),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":4}"#,
            sized(b""),
            "expected the bytes of a number, found none at byte 1",
        ),
        (ROW, vec![2, 4, 2, b'a', 9], "tags[1].name: a negative length, -5 at byte 5"),
        (ROW, vec![2, 0, 2, 2, b'k', 7], "more.k: a boolean that is neither 0 nor 1 but 7 at byte 6"),
        (
            r#"{"type":"array","items":"null"}"#,
            long(i64::MAX),
            "more than 1000000 records and items of arrays and maps in one value (source.max_items) at byte 10",
        ),
        (
            r#"{"type":"array","items":"int"}"#,
            [long(-2), long(9)].concat(),
            "unexpected end: 9 bytes expected, 0 left at byte 2",
        ),
        (
            r#"{"type":"array","items":"int"}"#,
            [long(-2), long(-9)].concat(),
            "a negative length, -9 at byte 2",
        ),
    ] {
        assert_eq!(show(schema, &data), format!("error: {expected}"), "{schema}");
    }
}

#[test]
fn invalid_utf_8_is_replaced_where_that_is_configured() {
    let replacing = Decoder { invalid_unicode: InvalidUnicode::Replace, ..decoder("string") };
    assert_eq!(replacing.show(&sized(b"a\xffb")), "String(\"a\u{fffd}b\")");
}

#[test]
fn nesting_is_bounded() {
    let list = r#"{"type":"record","name":"r","fields":[{"name":"next","type":["null","r"]}]}"#;
    let levels = |levels: usize| [vec![2; levels - 1], vec![0]].concat();
    assert!(show(list, &levels(128)).starts_with("Struct"));
    let error = show(list, &levels(129));
    assert!(error.ends_with("nested deeper than 128 levels (source.max_depth) at byte 128"), "{error}");
    // A record that holds itself has no end, whatever the data.
    let endless = r#"{"type":"record","name":"r","fields":[{"name":"next","type":"r"}]}"#;
    assert!(show(endless, &[]).contains("nested deeper than 128 levels"));
    let limits = DecodeLimits { max_depth: 256, ..DecodeLimits::default() };
    let deeper = Decoder { limits, ..decoder(list) };
    assert!(deeper.show(&levels(256)).starts_with("Struct"));
}

#[test]
fn memory_is_bounded() {
    let few = Decoder { max_bytes: 10_000, ..decoder(r#"{"type":"array","items":"null"}"#) };
    let error = few.show(&[long(100_000), vec![0]].concat());
    assert!(error.contains("with the items of its lists and maps: raise limits.memory"), "{error}");
    let wide: Vec<String> = (0..100).map(|field| format!(r#"{{"name":"f{field}","type":"null"}}"#)).collect();
    let wide = format!(r#"{{"type":"record","name":"r","fields":[{}]}}"#, wide.join(","));
    let error = Decoder { max_bytes: 5_000, ..decoder(&wide) }.show(&[]);
    assert!(error.contains("with the fields of its records: raise limits.memory"), "{error}");
}

#[test]
fn passing_over_fields_is_bounded_as_well() {
    let writer =
        r#"{"type":"record","name":"r","fields":[{"name":"x","type":{"type":"array","items":"null"}}]}"#;
    let reader = r#"{"type":"record","name":"r","fields":[]}"#;
    let decoder = Decoder::new(try_program(writer, Some(reader)).unwrap());
    let error = decoder.show(&long(i64::MAX));
    assert!(error.contains("items of arrays and maps"), "{error}");
    let writer = r#"{"type":"record","name":"r","fields":[{"name":"x","type":
        {"type":"record","name":"q","fields":[{"name":"q","type":"q"}]}}]}"#;
    let decoder = Decoder::new(try_program(writer, Some(reader)).unwrap());
    assert!(decoder.show(&[]).contains("nested deeper than 128 levels"));
    // Two records in each record: without any data, 2^35 of them.
    let mut pairs = String::from("\"null\"");
    for level in 0..35 {
        let again = if level == 0 { "\"null\"".to_owned() } else { format!("\"p{}\"", level - 1) };
        pairs = format!(
            r#"{{"type":"record","name":"p{level}","fields":[{{"name":"a","type":{pairs}}},{{"name":"b","type":{again}}}]}}"#
        );
    }
    let writer = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"x","type":{pairs}}}]}}"#);
    for reader in [reader, &writer] {
        let decoder = Decoder::new(try_program(&writer, Some(reader)).unwrap());
        let error = decoder.show(&[]);
        assert!(error.contains("more than") || error.contains("limits.memory"), "{error}");
    }
}
