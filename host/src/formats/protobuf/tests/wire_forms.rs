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
        (vec![0, 0], "field number 0, which does not exist at byte 0"),
        (vec![14], "wire type 6, which does not exist at byte 0"),
        (vec![0x23, 0x0a], "unexpected end: 1 bytes expected, 0 left at byte 2"),
        (vec![0x24], "wire type 4 for a field of type a group at byte 1"),
        (vec![0xf4, 1], "the end of a group that did not begin at byte 2"),
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
    assert!(shown.contains("nested deeper than") || shown.contains("unexpected end"), "{shown}");
    let many = [vec![0, 8, 1, 0x1a], varint(2_000_000), vec![0; 2_000_000]].concat();
    let shown = Decoder::new(ROW).show(&many);
    assert!(shown.contains("more than 1000000 records and items"), "{shown}");
    let decoder = Decoder { max_bytes: 10_000, ..Decoder::new(ROW) };
    let shown = decoder.show(&[vec![0, 8, 1, 0x1a], varint(1_000), vec![0; 1_000]].concat());
    assert!(shown.contains("raise limits.memory"), "{shown}");
}

/// A message that is repeated any number of times is merged once, not once for each.
#[test]
fn merging_takes_linear_time() {
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
