//! Types in SHOW COLUMNS, in DDL and in casts.

use tidegate_cdc::types::loses_fraction;

use super::*;
use crate::types::kept_fraction;

#[test]
fn every_type_is_read_declared_and_cast() {
    for (shown, declared, cast) in [
        (r#"{"type":"FIXED","precision":38,"scale":0,"nullable":true}"#, "NUMBER(38,0)", "e::NUMBER(38,0)"),
        (r#"{"type":"FIXED","precision":12,"scale":2,"nullable":false}"#, "NUMBER(12,2)", "e::NUMBER(12,2)"),
        (r#"{"type":"REAL","nullable":true}"#, "FLOAT", "e::FLOAT"),
        (r#"{"type":"BOOLEAN","nullable":true}"#, "BOOLEAN", "e::BOOLEAN"),
        (
            r#"{"type":"TEXT","length":16777216,"byteLength":16777216,"nullable":true,"fixed":false}"#,
            "VARCHAR",
            "e::VARCHAR",
        ),
        (r#"{"type":"TEXT","length":134217728,"nullable":true}"#, "VARCHAR", "e::VARCHAR"),
        (
            r#"{"type":"BINARY","length":8388608,"byteLength":8388608,"nullable":true,"fixed":true}"#,
            "BINARY",
            "TO_BINARY(e::VARCHAR, 'BASE64')",
        ),
        (r#"{"type":"BINARY","length":16,"nullable":true}"#, "BINARY(16)", "TO_BINARY(e::VARCHAR, 'BASE64')"),
        (r#"{"type":"DATE","nullable":true}"#, "DATE", "e::DATE"),
        (r#"{"type":"TIME","precision":0,"scale":9,"nullable":true}"#, "TIME", "e::TIME"),
        (
            r#"{"type":"TIMESTAMP_NTZ","precision":0,"scale":9,"nullable":true}"#,
            "TIMESTAMP_NTZ",
            "e::TIMESTAMP_NTZ",
        ),
        (r#"{"type":"TIMESTAMP_TZ","precision":0,"scale":9}"#, "TIMESTAMP_TZ", "e::TIMESTAMP_TZ"),
        (r#"{"type":"TIMESTAMP_LTZ","precision":0,"scale":9}"#, "TIMESTAMP_LTZ", "e::TIMESTAMP_LTZ"),
        (r#"{"type":"VARIANT","nullable":true}"#, "VARIANT", "PARSE_JSON(e::VARCHAR, 'd')"),
        (r#"{"type":"ARRAY","nullable":true}"#, "ARRAY", "CAST(NULL AS ARRAY)"),
        (r#"{"type":"GEOGRAPHY"}"#, "GEOGRAPHY", "CAST(NULL AS GEOGRAPHY)"),
    ] {
        let kind = ColumnType::from_show(shown).unwrap();
        assert_eq!(kind.to_string(), declared, "{shown}");
        assert_eq!(kind.cast("e"), cast, "{shown}");
    }
}

#[test]
fn a_cast_never_cuts_text() {
    let kind = ColumnType::from_show(r#"{"type":"TEXT","length":10,"nullable":true}"#).unwrap();
    assert_eq!(kind.to_string(), "VARCHAR(10)");
    assert_eq!(kind.cast("f.value[3]"), "f.value[3]::VARCHAR");
}

#[test]
fn invalid_responses_are_errors() {
    for shown in [
        "",
        "NUMBER(38,0)",
        r#"{"precision":38}"#,
        r#"{"type":"FIXED","precision":39,"scale":0}"#,
        r#"{"type":"FIXED","precision":300,"scale":0}"#,
        r#"{"type":"FIXED","precision":5,"scale":6}"#,
    ] {
        assert!(ColumnType::from_show(shown).is_err(), "{shown}");
    }
}

#[test]
fn columns_with_fewer_fractional_digits_are_detected() {
    for (shown, kept) in [
        (r#"{"type":"TIMESTAMP_NTZ","precision":0,"scale":3,"nullable":true}"#, Some(3)),
        (r#"{"type":"TIME","precision":0,"scale":0,"nullable":true}"#, Some(0)),
        (r#"{"type":"TIMESTAMP_TZ","precision":0,"scale":9,"nullable":true}"#, None),
        (r#"{"type":"FIXED","precision":38,"scale":2,"nullable":true}"#, None),
    ] {
        assert_eq!(kept_fraction(shown), kept, "{shown}");
    }
    let at =
        |nanoseconds| Value::timestamp(Timestamp { seconds: 0, nanoseconds, offset_seconds: None }).view();
    assert!(loses_fraction(3, at(1_000)) && loses_fraction(0, at(500_000_000)));
    assert!(!loses_fraction(3, at(1_000_000)) && !loses_fraction(6, at(1_000)) && !loses_fraction(0, at(0)));
}
