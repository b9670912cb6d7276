//! Which message of its schema a payload is.

use super::Decoder;

const SCHEMA: &str = r#"
syntax = "proto3";
package a.b;
message First { int32 a = 1; message Inner { int32 c = 1; } }
message Second { int32 b = 1; }
"#;

/// Apicurio's `Ref` with a name, behind its length.
fn apicurio(name: &str, data: &[u8]) -> Vec<u8> {
    [&[name.len() as u8 + 2, 0x0a, name.len() as u8], name.as_bytes(), data].concat()
}

#[test]
fn messages_are_found_by_index_or_name() {
    let decoder = Decoder::new(SCHEMA);
    for (data, expected) in [
        (vec![0, 8, 7], r#"{"a":7}"#),
        (vec![2, 0, 8, 7], r#"{"a":7}"#),
        (vec![2, 2, 8, 7], r#"{"b":7}"#),
        (vec![4, 0, 0, 8, 7], r#"{"c":7}"#),
        (vec![0], r#"{"a":0}"#),
        (apicurio("Second", &[8, 7]), r#"{"b":7}"#),
        (apicurio("First.Inner", &[8, 7]), r#"{"c":7}"#),
    ] {
        assert_eq!(decoder.show(&data), expected, "{data:?}");
    }
}

#[test]
fn a_message_that_does_not_exist_is_named() {
    let decoder = Decoder::new(SCHEMA);
    for (data, expected) in [
        (vec![], "it ends within its message indexes"),
        (vec![2], "it ends within its message indexes"),
        (vec![2, 4], "the schema has no message with the indexes [2]"),
        (vec![4, 2, 0], "the schema has no message with the indexes [1, 0]"),
        (vec![1, 0], "it has neither valid message indexes nor the name of a message in front of the data"),
        (vec![200, 1], "it has neither valid message indexes nor the name of a message in front of the data"),
    ] {
        assert_eq!(decoder.show(&data), format!("error: {expected}"), "{data:?}");
    }
}
