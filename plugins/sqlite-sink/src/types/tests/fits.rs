//! Which values fit which columns, and which columns new values get.

use tidegate_cdc::types::{ColumnType as _, Fit};
use tidegate_plugin::{Date, Field, Interval, Kind, Time, Timestamp, Value};

use super::super::{ColumnType, desired};
use ColumnType::{Any, Blob, Boolean, Integer, Json, Numeric, Real, Text};

const ALL: [ColumnType; 8] = [Integer, Real, Boolean, Text, Json, Blob, Numeric, Any];

fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::decimal(Vec::leak(unscaled.to_be_bytes().to_vec()), scale)
}

fn object() -> Value<'static> {
    Value::object(Vec::leak(vec![Field::new("a", Value::bool(true))]))
}

#[test]
fn each_value_fits_its_types_and_no_others() {
    for (value, holders) in [
        (Value::bool(true), vec![Integer, Boolean, Numeric, Any]),
        (Value::int(1), vec![Integer, Real, Boolean, Numeric, Any]),
        (Value::int(i64::MIN), vec![Integer, Numeric, Any]),
        (Value::int(i64::MAX), vec![Integer, Numeric, Any]),
        (Value::uint(u64::MAX), vec![Any]),
        (Value::float(0.5), vec![Real, Numeric, Any]),
        (Value::float(f64::INFINITY), vec![Real, Numeric, Any]),
        (Value::float(f64::NAN), vec![]),
        (Value::number("1e3"), vec![Integer, Real, Numeric, Any]),
        (Value::number("0.1"), vec![Real, Numeric, Any]),
        (Value::number("12345678901234567.89"), vec![Any]),
        (decimal(1050, 2), vec![Real, Numeric, Any]),
        (decimal(1_234_567_890_123_456_789, 2), vec![Any]),
        (decimal(10i128.pow(30), 0), vec![Real, Numeric, Any]),
        (Value::string("12.50"), vec![Real, Numeric, Any]),
        (Value::string("12345678901234567.89"), vec![Any]),
        (Value::string("007"), vec![Any]),
        (Value::string(" 1e5\n"), vec![Any]),
        (Value::string("abc"), vec![Numeric, Any]),
        (Value::string(""), vec![Numeric, Any]),
        (Value::string("Infinity"), vec![Real, Numeric, Any]),
        (Value::bytes(b"\0\xff"), vec![Blob]),
        (Value::date(Date::from_civil(2024, 2, 29)), vec![Numeric, Any]),
        (Value::time(Time { nanoseconds: 1, offset_seconds: None }), vec![Numeric, Any]),
        (
            Value::timestamp(Timestamp { seconds: 0, nanoseconds: 1, offset_seconds: Some(0) }),
            vec![Numeric, Any],
        ),
        (Value::interval(Interval { months: 1, days: 2, microseconds: 3 }), vec![Numeric, Any]),
        (Value::json("{}"), vec![Numeric, Any]),
        (Value::json("1.50"), vec![Any]),
        (object(), vec![Numeric, Any]),
        (Value::NULL, ALL.to_vec()),
        (Value::UNAVAILABLE, ALL.to_vec()),
    ] {
        for kind in ALL {
            let fits = matches!(kind, Text | Json) || holders.contains(&kind);
            let expected = if fits { Fit::Fits } else { Fit::Mismatch };
            assert_eq!(kind.fit(value), expected, "{value:?} in {kind}");
        }
    }
}

#[test]
fn new_columns_get_the_type_that_holds_their_values() {
    for (value, kind) in [
        (Value::bool(false), Boolean),
        (Value::int(5), Integer),
        (Value::uint(u64::MAX), Text),
        (Value::number("5"), Integer),
        (Value::number("0.5"), Real),
        (Value::number("0.12345678901234567890"), Text),
        (Value::float(1.0), Real),
        (Value::float(f64::NAN), Text),
        (decimal(5, 0), Integer),
        (decimal(50, 1), Text),
        (Value::string("x"), Text),
        (Value::bytes(b"x"), Blob),
        (Value::date(Date::from_civil(2024, 2, 29)), Text),
        (object(), Json),
    ] {
        assert_eq!(ColumnType::of_value(value), Some(kind), "{value:?}");
    }
    assert_eq!(ColumnType::of_value(Value::NULL), None);
}

#[test]
fn declared_decimals_are_integers_only_if_all_of_their_values_are() {
    for (precision, scale, kind) in [
        (Some(18), Some(0), Integer),
        (Some(19), Some(0), Text),
        (None, Some(0), Text),
        (Some(5), Some(2), Text),
        (Some(5), Some(-2), Text),
        (None, None, Text),
    ] {
        assert_eq!(desired::of_declared(Kind::DECIMAL, precision, scale), kind, "{precision:?} {scale:?}");
    }
}

#[test]
fn types_in_the_connector_file_are_known_by_name() {
    for kind in [Integer, Real, Boolean, Text, Blob] {
        let declared: ColumnType = serde_json::from_value(kind.to_string().to_lowercase().into()).unwrap();
        assert_eq!(declared, kind);
    }
    assert_eq!(serde_json::from_str::<ColumnType>("\"JSON\"").unwrap(), Json);
    let error = serde_json::from_str::<ColumnType>("\"number(38,0)\"").unwrap_err().to_string();
    assert!(error.contains("use one of text, integer"), "{error}");
}
