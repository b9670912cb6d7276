//! What is legal on the wire and unusual, and what is not legal.

use super::{Decoder, SCHEMA};

const ROW: &str = r#"
syntax = "proto2";
message Row {
  required int32 id = 1;
  optional Row inner = 2;
  repeated int32 numbers = 3;
  optional group Box = 4 { optional string s = 1; }
  repeated string texts = 5;
  map<int32, string> names = 6;
}
"#;

#[test]
fn parts_of_a_message_are_merged() {
    let decoder = Decoder::new(ROW);
    // inner {id: 1, numbers: 7}, id: 9, inner {id: 2, numbers: 8}
    let data = [0, 0x12, 4, 8, 1, 0x18, 7, 8, 9, 0x12, 4, 8, 2, 0x18, 8];
    assert_eq!(
        decoder.show(&data),
        r#"{"id":9,"inner":{"id":2,"inner":null,"numbers":[7,8],"box":null,"texts":[],"names":[]},"numbers":[],"box":null,"texts":[],"names":[]}"#
    );
}

#[test]
fn lists_may_be_packed_in_part_and_scattered() {
    let decoder = Decoder::new(ROW);
    // numbers: 1, texts: "a", numbers: [2, 3], id: 5, texts: "b", numbers: 4
    let data = [0, 0x18, 1, 0x2a, 1, b'a', 0x1a, 2, 2, 3, 8, 5, 0x2a, 1, b'b', 0x18, 4];
    assert_eq!(
        decoder.show(&data),
        r#"{"id":5,"inner":null,"numbers":[1,2,3,4],"box":null,"texts":["a","b"],"names":[]}"#
    );
}

#[test]
fn groups_are_messages() {
    let decoder = Decoder::new(ROW);
    let data = [0, 8, 1, 0x23, 0x0a, 1, b'x', 0x24];
    assert_eq!(
        decoder.show(&data),
        r#"{"id":1,"inner":null,"numbers":[],"box":{"s":"x"},"texts":[],"names":[]}"#
    );
}

#[test]
fn errors_name_the_field_the_fault_and_the_place() {
    let decoder = Decoder::new(ROW);
    for (data, expected) in [
        (vec![8], "unexpected end: 1 bytes expected, 0 left at byte 1"),
        (vec![0x12, 3, 8, 1], "inner: unexpected end: 3 bytes expected, 2 left at byte 2"),
        (vec![0x12, 2, 0x2a, 9], "inner.texts[0]: unexpected end: 9 bytes expected, 0 left at byte 4"),
        (vec![0x2a, 1, 0xff], "texts[0]: invalid UTF-8 at byte 3"),
        (vec![8, 1, 0x2a, 0, 0x2a, 1, 0xff], "texts[1]: invalid UTF-8 at byte 7"),
        (vec![0x32, 4, 8, 1, 0x12, 9], "names: unexpected end: 9 bytes expected, 0 left at byte 6"),
        (vec![0x0a, 0], "id: wire type 2 for a field of type int32 at byte 1"),
        (vec![0x18, 1], "the required field \"id\" is missing at byte 2"),
        (vec![8, 1, 0x12, 0], "inner: the required field \"id\" is missing at byte 4"),
        (vec![0, 0], "invalid field number 0 at byte 0"),
        (vec![14], "invalid wire type 6 at byte 0"),
        (vec![0x23, 0x0a], "unexpected end: 1 bytes expected, 0 left at byte 2"),
        (vec![0x24], "wire type 4 for a field of type a group at byte 1"),
        (vec![0xf4, 1], "end-group tag without a matching start-group tag at byte 2"),
    ] {
        let data = [vec![0], data].concat();
        let shown = decoder.show(&data);
        assert!(
            shown.ends_with(expected) && shown.starts_with("error: "),
            "{data:?}: {shown}, not {expected}"
        );
    }
}

#[test]
fn nesting_items_and_memory_are_bounded() {
    let mut nested = vec![8, 1];
    for _ in 0..200 {
        nested = [vec![8, 1, 0x12], varint(nested.len()), nested].concat();
    }
    let shown = Decoder::new(ROW).show(&[vec![0], nested].concat());
    assert!(shown.contains("nested deeper than 128 levels (source.max_depth)"), "{shown}");
    let groups = [vec![0], [0xf3, 1].repeat(100_000)].concat();
    let shown = Decoder::new(ROW).show(&groups);
    assert!(shown.contains("nested deeper than 128 levels"), "{shown}");
    // Nobody's wrapper: one that contains itself.
    let own = "syntax = \"proto3\"; package google.protobuf; message StringValue { StringValue value = 1; }";
    let mut nested = vec![0x0a, 0];
    for _ in 0..5_000 {
        nested = [vec![0x0a], varint(nested.len()), nested].concat();
    }
    let shown = Decoder::new(own).show(&[vec![0], nested].concat());
    assert!(shown.contains("nested deeper than 128 levels"), "{shown}");
    let many = [vec![0, 8, 1, 0x1a], varint(2_000_000), vec![0; 2_000_000]].concat();
    let shown = Decoder::new(ROW).show(&many);
    assert!(shown.contains("more than 1000000 records and items"), "{shown}");
    let decoder = Decoder { max_bytes: 10_000, ..Decoder::new(ROW) };
    let shown = decoder.show(&[vec![0, 8, 1, 0x1a], varint(1_000), vec![0; 1_000]].concat());
    assert!(shown.contains("raise limits.memory"), "{shown}");
}

const CHOICE: &str = r#"
syntax = "proto2";
message M {
  oneof choice { A a = 1; B b = 2; string s = 3; }
  optional M m = 4;
  optional bytes y = 5;
  map<int32, A> as = 6;
}
message A { optional int32 x = 1; required int32 z = 2; }
message B { optional int32 y = 1; }
"#;

#[test]
fn of_a_oneof_only_what_follows_the_last_change_counts() {
    let decoder = Decoder::new(CHOICE);
    let a = |x: u8| vec![0x0a, 4, 8, x, 16, 1];
    let (b, s) = (vec![0x12, 2, 8, 7], vec![0x1a, 1, b'q']);
    for (fields, expected) in [
        (vec![a(1), a(2), b.clone(), a(3)], r#""a":{"x":3,"z":1},"b":null,"s":null"#),
        (vec![a(1), b.clone()], r#""a":null,"b":{"y":7},"s":null"#),
        (vec![a(1), b.clone(), s.clone()], r#""a":null,"b":null,"s":"q""#),
        (vec![s.clone(), a(1)], r#""a":{"x":1,"z":1},"b":null,"s":null"#),
        // The second part has what is required, and not the field of the first.
        (vec![vec![0x0a, 2, 8, 5], vec![0x0a, 2, 16, 6]], r#""a":{"x":5,"z":6},"b":null,"s":null"#),
        (vec![a(1), b, vec![0x0a, 2, 16, 9]], r#""a":{"x":null,"z":9},"b":null,"s":null"#),
    ] {
        let shown = decoder.show(&[vec![0], fields.concat()].concat());
        assert!(shown.contains(expected), "{shown}, not {expected}");
    }
    // The value of a map's entry may be in parts as well.
    let entry = [0x32, 10, 8, 4, 0x12, 2, 8, 5, 0x12, 2, 16, 6];
    let shown = decoder.show(&[&[0][..], &entry].concat());
    assert!(shown.contains(r#""as":[[4,{"x":5,"z":6}]]"#), "{shown}");
}

#[test]
fn merging_takes_linear_time_and_counts_as_memory() {
    // Each level has two parts, and the innermost one a megabyte.
    let mut level = [vec![0x2a], varint(1_000_000), vec![0; 1_000_000]].concat();
    for _ in 0..60 {
        level = [vec![0x22], varint(level.len()), level, vec![0x22, 0]].concat();
    }
    let decoder = Decoder { max_bytes: 20_000_000, ..Decoder::new(CHOICE) };
    let shown = decoder.show(&[vec![0], level].concat());
    assert!(shown.contains("raise limits.memory"), "{}", &shown[..200.min(shown.len())]);
    // A oneof that changes with each of many fields.
    let fields = [[0x22, 0].repeat(50_000), [0x0a, 2, 16, 1, 0x12, 0].repeat(50_000)].concat();
    let shown = Decoder::new(CHOICE).show(&[vec![0], fields].concat());
    assert!(shown.contains(r#""a":null,"b":{"y":null}"#), "{shown}");
}

/// A message that is repeated any number of times is merged once, not once for each.
#[test]
fn a_message_in_many_parts_is_merged_once() {
    let part = [0xaa, 1, 2, 0x18, 1];
    let decoder = Decoder::new(SCHEMA);
    let shown = decoder.show(&[vec![0], part.repeat(100_000)].concat());
    assert!(shown.contains(r#""inner":{"#), "{shown}");
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
