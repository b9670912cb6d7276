//! A value is in its column unchanged, or it does not fit. What the server makes of the texts is tested in `tests/table_sinks`.

use proptest::prelude::*;
use tidegate_cdc::types::{ColumnType as _, Fit};
use tidegate_plugin::{Date, Time, Timestamp, Value};

use super::{ColumnType, kept_fraction};

const TEXT: ColumnType = ColumnType::Text(None);
const NUMERIC: ColumnType = ColumnType::Numeric(None);

fn text(kind: &ColumnType, value: Value<'_>) -> String {
    let mut out = String::new();
    kind.write(value, &mut out);
    out
}

/// The decimal `unscaled / 10^scale`.
fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::decimal(Vec::leak(unscaled.to_be_bytes().to_vec()), scale)
}

fn timestamp(seconds: i64, nanoseconds: u32, offset_seconds: Option<i32>) -> Value<'static> {
    Value::timestamp(Timestamp { seconds, nanoseconds, offset_seconds })
}

#[test]
fn types_of_columns_are_read_and_declared() {
    for (shown, kind, declared) in [
        ("smallint", ColumnType::SmallInt, "smallint"),
        ("bigint", ColumnType::BigInt, "bigint"),
        ("numeric", NUMERIC, "numeric"),
        ("numeric(10,2)", ColumnType::Numeric(Some((10, 2))), "numeric(10,2)"),
        ("numeric(10)", ColumnType::Numeric(Some((10, 0))), "numeric(10,0)"),
        ("character varying(20)", ColumnType::Text(Some(20)), "varchar(20)"),
        ("character(3)", ColumnType::Text(Some(3)), "varchar(3)"),
        ("time(3) without time zone", ColumnType::Time, "time"),
        ("timestamp(0) with time zone", ColumnType::TimestampTz, "timestamptz"),
        ("double precision", ColumnType::Double, "double precision"),
        ("integer[]", ColumnType::Array(Box::new(ColumnType::Integer)), "integer[]"),
        ("character varying(3)[]", ColumnType::Array(Box::new(ColumnType::Text(Some(3)))), "varchar(3)[]"),
        ("inet[][]", ColumnType::Array(Box::new(ColumnType::Native("inet".to_owned()))), "inet[]"),
        ("\"My Type\"", ColumnType::Native("\"My Type\"".to_owned()), "\"My Type\""),
    ] {
        assert_eq!(ColumnType::parse(shown), kind, "{shown}");
        assert_eq!(kind.to_string(), declared);
    }
    assert_eq!(ColumnType::Text(Some(3)).loaded(), "text");
    let fractions = ["timestamp(3) without time zone", "timestamp with time zone", "time(0)", "text"];
    assert_eq!(fractions.map(kept_fraction), [Some(3), Some(6), Some(0), None]);
}

#[test]
fn numbers_fit_exactly_or_widen_the_column() {
    let widens =
        |kind: &ColumnType, value, wider| assert_eq!(kind.fit(value), Fit::Widens(wider), "{value:?}");
    widens(&ColumnType::SmallInt, Value::int(32_768), ColumnType::Integer);
    widens(&ColumnType::Integer, Value::int(-2_147_483_649), ColumnType::BigInt);
    widens(&ColumnType::BigInt, Value::uint(u64::MAX), NUMERIC);
    widens(&ColumnType::Numeric(Some((4, 2))), decimal(123_456, 3), NUMERIC);
    widens(&ColumnType::Real, Value::float(0.1), ColumnType::Double);
    widens(&ColumnType::Text(Some(2)), Value::string("abc"), TEXT);
    for (kind, value) in [
        (ColumnType::SmallInt, Value::int(-32_768)),
        (ColumnType::BigInt, decimal(500, 2)),
        (ColumnType::Numeric(Some((4, 2))), decimal(1_230, 3)),
        (NUMERIC, decimal(i128::MAX, 30)),
        (NUMERIC, Value::float(f64::NAN)),
        (ColumnType::Real, Value::float(0.5)),
        (ColumnType::Double, Value::string("-Infinity")),
        (ColumnType::Date, Value::string("infinity")),
        (ColumnType::Uuid, Value::string("00112233-4455-6677-8899-aabbccddeeff")),
        (ColumnType::Native("inet".to_owned()), Value::string("10.0.0.1")),
    ] {
        assert_eq!(kind.fit(value), Fit::Fits, "{value:?} in {kind}");
    }
    for (kind, value) in [
        (ColumnType::BigInt, decimal(5, 1)),
        (ColumnType::BigInt, Value::string("1e3")),
        (ColumnType::Numeric(Some((4, 2))), Value::float(f64::INFINITY)),
        (TEXT, Value::string("a\0b")),
        (ColumnType::Jsonb, Value::json(r#"{"a":"\u0000"}"#)),
        (ColumnType::Boolean, Value::int(1)),
        (ColumnType::Uuid, Value::string("0011")),
        (ColumnType::Date, Value::string("tomorrow")),
        (ColumnType::Timestamp, timestamp(0, 0, Some(0))),
        (ColumnType::TimestampTz, timestamp(i64::MAX, 0, Some(0))),
    ] {
        assert_eq!(kind.fit(value), Fit::Mismatch, "{value:?} in {kind}");
    }
}

#[test]
fn texts_are_those_that_copy_reads() {
    let day = |year| Value::date(Date::from_civil(year, 3, 1));
    for (kind, value, expected) in [
        (TEXT, Value::NULL, "\\N"),
        (TEXT, Value::string("\\N"), "\\\\N"),
        (TEXT, Value::string("a\tb\nc\\d\r"), "a\\tb\\nc\\\\d\\r"),
        (ColumnType::Boolean, Value::bool(true), "t"),
        (ColumnType::Bytea, Value::bytes(&[0, 255]), "\\\\x00ff"),
        (NUMERIC, decimal(-1_250, 3), "-1.25"),
        (ColumnType::Double, Value::float(f64::NEG_INFINITY), "-inf"),
        (ColumnType::Jsonb, Value::json(r#"{"a": "x\ny"}"#), r#"{"a": "x\\ny"}"#),
        (ColumnType::Date, day(2024), "2024-03-01"),
        (ColumnType::Date, day(0), "0001-03-01 BC"),
        (ColumnType::Date, day(-43), "0044-03-01 BC"),
        (ColumnType::Date, day(12_024), "12024-03-01"),
        (
            ColumnType::Time,
            Value::time(Time { nanoseconds: 1_500_000_000, offset_seconds: None }),
            "00:00:01.500",
        ),
        (ColumnType::Timestamp, timestamp(86_399, 5_000, None), "1970-01-01 23:59:59.000005"),
        (ColumnType::TimestampTz, timestamp(0, 0, Some(-5_400)), "1969-12-31 22:30:00-01:30:00"),
        (ColumnType::TimestampTz, timestamp(-62_167_305_600, 0, Some(0)), "0002-12-31 00:00:00+00:00:00 BC"),
    ] {
        assert_eq!(text(&kind, value), expected, "{value:?}");
    }
}

proptest! {
    #[test]
    fn a_text_is_one_value_of_one_line(value in "[^\0]*") {
        let written = text(&TEXT, Value::string(&value));
        prop_assert!(!written.contains(['\t', '\n', '\r']));
        let read = written.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r");
        prop_assert_eq!(read.replace('\0', "\\"), value);
    }

    #[test]
    fn integers_fit_as_their_range_says(number: i64) {
        let fits = |kind: ColumnType| kind.fit(Value::int(number)) == Fit::Fits;
        prop_assert_eq!(fits(ColumnType::SmallInt), i16::try_from(number).is_ok());
        prop_assert_eq!(fits(ColumnType::Integer), i32::try_from(number).is_ok());
        prop_assert!(fits(ColumnType::BigInt) && fits(NUMERIC));
    }
}
