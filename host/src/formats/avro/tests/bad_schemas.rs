//! What broken and hostile schemas get.

use tidegate_abi::host::WithMemory;

use super::{Document, ProgramBorrows, compile, show_resolved, try_program};

#[track_caller]
fn error(schema: &str) -> String {
    match try_program(schema, None) {
        Ok(program) => panic!("{schema}: {program:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn errors_name_the_field_and_the_fault() {
    let field = |ty: &str| format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{ty}}}]}}"#);
    for (schema, expected) in [
        ("{", "it is not JSON: EOF while parsing an object at line 1 column 1"),
        ("7", "the schema: a type is expected, found a number"),
        (r#""strin""#, "the schema: the type \"strin\" is not defined"),
        (r#"{"name":"x"}"#, "the schema: a type without \"type\""),
        (r#"{"type":"array"}"#, "the schema: a type without \"items\""),
        (r#"{"type":"record","name":"r"}"#, "the schema: the record \"r\" has no fields"),
        (r#"{"type":"fixed","name":"f"}"#, "the schema: a fixed without a size"),
        (r#"{"type":"enum","name":"e","symbols":[]}"#, "the schema: an enum without symbols"),
        (r#"{"type":"enum","symbols":["A"]}"#, "the schema: a type \"enum\" without a name"),
        ("[]", "the schema: a union without branches"),
        (r#"["int",["null"]]"#, "the schema: a union directly in a union"),
        (&field(r#"{"type":"bytes","logicalType":"decimal"}"#), "a: a decimal without a precision"),
        (
            &field(r#"{"type":"record","name":"q","fields":[{"name":"b","type":"nope"}]}"#),
            "a.b: the type \"nope\" is not defined",
        ),
        (
            r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "the schema: the record \"r\" has two fields with the name \"a\"",
        ),
        (
            r#"[{"type":"fixed","name":"f","size":1},{"type":"fixed","name":"f","size":2}]"#,
            "the schema: the type \"f\" is defined twice",
        ),
    ] {
        assert_eq!(error(schema), expected, "{schema}");
    }
}

#[test]
fn a_schema_broken_anywhere_is_compiled_or_rejected() {
    let whole = r#"{"type":"record","name":"n.r","fields":[{"name":"a","type":["null",{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}],"default":null},{"name":"b","type":{"type":"map","values":{"type":"enum","name":"e","symbols":["A"],"default":"A"}},"default":{"k":"A"}}],"connect.version":1}"#;
    for at in 0..whole.len() {
        for with in ["", "\"", "{", "9", "[]", "null"] {
            let broken = format!("{}{with}{}", &whole[..at], &whole[at + 1..]);
            // Neither panics nor hangs, as the writer's or the reader's schema.
            let _either = try_program(&broken, None).is_ok() || try_program(whole, Some(&broken)).is_ok();
        }
    }
}

#[test]
fn deep_schemas_are_rejected() {
    let nested = |levels: usize| {
        format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels))
    };
    assert!(try_program(&nested(100), None).is_ok());
    assert!(error(&nested(10_000)).contains("recursion limit"));
    // Flat text, but each record holds the one before.
    let mut chain = String::from(r#"[{"type":"record","name":"r0","fields":[]}"#);
    for level in 1..5_000 {
        chain += &format!(
            r#",{{"type":"record","name":"r{level}","fields":[{{"name":"f","type":"r{}"}}]}}"#,
            level - 1
        );
    }
    // Known by the time that the next one is compiled, so that nothing is deep.
    assert!(try_program(&format!("{chain}]"), None).is_ok());
    // Here the last one comes first.
    let definitions = format!("{chain}]");
    let document = Document::parse("\"r4999\"", [definitions.as_str()].into_iter()).unwrap();
    let compiled = WithMemory::<ProgramBorrows>::try_new(|arena| compile(&document, None, arena));
    let error = compiled.unwrap_err().to_string();
    assert!(error.contains("nested deeper than 200 levels"), "{error}");
}

#[test]
fn defaults_that_multiply_are_given_up() {
    // Each record's default is made of two of the next record's.
    let mut fields = String::from("\"int\"");
    for level in 0..35 {
        fields = format!(
            r#"{{"type":"record","name":"r{level}","fields":[{{"name":"a","type":{fields},"default":{{}}}},{{"name":"b","type":{},"default":{{}}}}]}}"#,
            if level == 0 { "\"int\"".to_owned() } else { format!("\"r{}\"", level - 1) }
        );
    }
    let reader = format!(
        r#"{{"type":"record","name":"top","fields":[{{"name":"x","type":{fields},"default":{{}}}}]}}"#
    );
    let shown = show_resolved(r#"{"type":"record","name":"top","fields":[]}"#, &reader, &[]);
    assert!(shown.contains("a default that does not fit its type"), "{shown}");
    // A default that holds itself.
    let endless = r#"{"type":"record","name":"top","fields":[{"name":"x","type":"top","default":{}}]}"#;
    let shown = show_resolved(r#"{"type":"record","name":"top","fields":[]}"#, endless, &[]);
    assert!(shown.starts_with("error: x: "), "{shown}");
}
