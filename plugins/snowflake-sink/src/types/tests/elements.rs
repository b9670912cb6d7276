//! Encoding of values as elements of bound rows.

use tidegate_cdc::types::ColumnType as _;

use super::*;

fn element(kind: &ColumnType, value: Value<'_>) -> String {
    let mut out = String::from("[");
    kind.write(value, &mut out);
    out.split_off(1)
}

#[test]
fn every_type_has_its_text() {
    use ColumnType::{Boolean, Date, Float, Time, TimestampLtz, TimestampNtz, TimestampTz};
    let nines = "99999999999999999999999999999999999999";
    for (kind, value, expected) in [
        (number(38, 0), Value::int(i64::MIN), "\"-9223372036854775808\""),
        (number(38, 0), Value::uint(u64::MAX), "\"18446744073709551615\""),
        (number(38, 0), Value::number(nines), "\"99999999999999999999999999999999999999\""),
        (number(38, 10), Value::number("-1.5e3"), "\"-1500\""),
        (number(38, 10), Value::number("15E-4"), "\"0.0015\""),
        (number(38, 10), decimal(-1_020, 2), "\"-10.2\""),
        (number(38, 10), decimal(5, -2), "\"500\""),
        (number(38, 10), decimal(0, 5), "\"0\""),
        (number(38, 10), Value::float(-0.0), "\"0\""),
        (number(38, 10), Value::float(1e22), "\"10000000000000000000000\""),
        (number(38, 10), Value::string("12.50"), "\"12.5\""),
        (Float, Value::float(0.1), "\"0.1\""),
        (Float, Value::float(1e308), "\"1e308\""),
        (Float, Value::float(5e-324), "\"5e-324\""),
        (Float, Value::float(f64::NAN), "\"NaN\""),
        (Float, Value::float(f64::NEG_INFINITY), "\"-inf\""),
        (Float, Value::string("Infinity"), "\"inf\""),
        (Float, Value::string("-Infinity"), "\"-inf\""),
        (Float, decimal(1, 1), "\"0.1\""),
        (Float, Value::int(3), "\"3.0\""),
        (Boolean, Value::bool(true), "true"),
        (Boolean, Value::bool(false), "false"),
        (Boolean, Value::NULL, "null"),
        (TEXT, Value::UNAVAILABLE, "null"),
        (TEXT, Value::string("null"), "\"null\""),
        (TEXT, Value::string("a\"b\\c\nd\u{0}e😀'"), r#""a\"b\\c\nd\u0000e😀'""#),
        (TEXT, Value::bool(true), "\"true\""),
        (TEXT, decimal(1_020, 2), "\"10.20\""),
        (TEXT, Value::bytes(&[0xde, 0xad, 0xbe, 0xef]), "\"3q2+7w==\""),
        (TEXT, time(1_000_000, Some(7200)), "\"00:00:00.001+02:00\""),
        (TEXT, interval(), "\"P1Y2M3DT1.5S\""),
        (TEXT, list(), r#""[null,\"a\\\"b\",1.50]""#),
        (BINARY, Value::bytes(&[0xde, 0xad, 0xbe, 0xef]), "\"3q2+7w==\""),
        (BINARY, Value::bytes(&[]), "\"\""),
        (Date, date(1, 1, 1), "\"0001-01-01\""),
        (Date, Value::string("2024-2-9"), "\"2024-2-9\""),
        (Time, time(86_399_999_999_999, None), "\"23:59:59.999999999\""),
        (TimestampNtz, date(9999, 12, 31), "\"9999-12-31T00:00:00\""),
        (TimestampNtz, timestamp(1_709_212_455, 123_456_000, None), "\"2024-02-29T13:14:15.123456\""),
        (TimestampTz, timestamp(0, 0, Some(0)), "\"1970-01-01T00:00:00Z\""),
        (TimestampTz, timestamp(0, 0, Some(-5400)), "\"1969-12-31T22:30:00-01:30\""),
        (TimestampTz, timestamp(0, 1, Some(1_171)), "\"1970-01-01T00:00:00.000000001Z\""),
        (TimestampTz, timestamp(0, 0, Some(86_400)), "\"1970-01-01T00:00:00Z\""),
        (TimestampLtz, timestamp(0, 0, Some(7200)), "\"1970-01-01T02:00:00+02:00\""),
    ] {
        assert_eq!(element(&kind, value), expected, "{value:?} in {kind}");
    }
}

#[test]
fn documents_are_sent_as_text_so_that_their_null_is_not_sql_null() {
    for (value, expected) in [
        (Value::NULL, "null"),
        (Value::json("null"), r#""null""#),
        (Value::json("{\"a\": \"x\\ny\"}"), r#""{\"a\": \"x\\ny\"}""#),
        (Value::json("{\t\"a\":\n1}"), r#""{\u0009\"a\": 1}""#),
        (Value::string("a\"b\n"), r#""\"a\\\"b\\n\"""#),
        (Value::int(1), r#""1""#),
        (Value::float(f64::NAN), r#""\"NaN\"""#),
        (object(), r#""{\"a\":true,\"b\":[null,\"a\\\"b\",1.50]}""#),
    ] {
        assert_eq!(element(&ColumnType::Variant, value), expected, "{value:?}");
    }
}
