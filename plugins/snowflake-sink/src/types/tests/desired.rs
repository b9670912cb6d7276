//! Types of new columns.

use tidegate_plugin::Kind;

use tidegate_cdc::types::{ColumnType as _, Fit};

use super::super::desired::of_declared;
use super::*;

#[test]
fn values_have_types() {
    let digits = |count: usize| Value::number(String::leak("9".repeat(count)));
    for (value, wanted) in [
        (Value::bool(true), ColumnType::Boolean),
        (Value::int(-1), number(38, 0)),
        (Value::uint(u64::MAX), number(38, 0)),
        (Value::float(f64::NAN), ColumnType::Float),
        (Value::number("1.000000000000000000001"), number(38, 21)),
        (Value::number("1.5000000000000000000000000"), number(38, 1)),
        (Value::number("12345678901234567890e3"), number(38, 0)),
        (digits(38), number(38, 0)),
        (digits(39), TEXT),
        (Value::number("1e-37"), number(38, 37)),
        (Value::number("1e-38"), TEXT),
        (Value::number("1e400"), TEXT),
        (Value::number("1e-99999999999999999999999"), TEXT),
        (decimal(1020, 2), number(38, 2)),
        (decimal(1000, 2), number(38, 2)),
        (decimal(12, -3), number(38, 0)),
        (decimal(1, 38), TEXT),
        (decimal(1, i32::MAX), TEXT),
        (decimal(1, i32::MIN), TEXT),
        (decimal(i128::MAX, 0), TEXT),
        (Value::string("1"), TEXT),
        (Value::bytes(b"x"), BINARY),
        (date(9999, 12, 31), ColumnType::Date),
        (date(10_000, 1, 1), TEXT),
        (date(0, 12, 31), TEXT),
        (time(86_399_999_999_999, None), ColumnType::Time),
        (time(86_400_000_000_000, None), TEXT),
        (time(0, Some(0)), TEXT),
        (timestamp(LAST_SECOND, 999_999_999, None), ColumnType::TimestampNtz),
        (timestamp(LAST_SECOND + 1, 0, None), TEXT),
        (timestamp(0, 0, Some(3600)), ColumnType::TimestampTz),
        (timestamp(i64::MAX, 0, Some(3600)), TEXT),
        (interval(), TEXT),
        (Value::uuid([7; 16]), TEXT),
        (Value::json("1"), ColumnType::Variant),
        (list(), ColumnType::Variant),
        (object(), ColumnType::Variant),
    ] {
        assert_eq!(ColumnType::of_value(value), Some(wanted), "{value:?}");
    }
    assert_eq!(ColumnType::of_value(Value::NULL), None);
    assert_eq!(ColumnType::of_value(Value::UNAVAILABLE), None);
}

#[test]
fn fields_have_types() {
    let (none, zoned) = ("", "io.debezium.time.ZonedTimestamp");
    for (kind, semantic, precision, scale, wanted) in [
        (Kind::INT, none, None, None, number(38, 0)),
        (Kind::UINT, none, None, None, number(38, 0)),
        (Kind::FLOAT, none, None, None, ColumnType::Float),
        (Kind::BOOL, none, None, None, ColumnType::Boolean),
        (Kind::DECIMAL, none, Some(12), Some(2), number(12, 2)),
        (Kind::DECIMAL, none, Some(38), Some(0), number(38, 0)),
        (Kind::DECIMAL, none, Some(39), Some(2), TEXT),
        (Kind::DECIMAL, none, None, Some(2), number(38, 2)),
        (Kind::DECIMAL, none, None, Some(38), TEXT),
        (Kind::DECIMAL, none, Some(5), Some(-2), number(7, 0)),
        (Kind::DECIMAL, none, Some(37), Some(-2), TEXT),
        (Kind::DECIMAL, none, None, Some(i32::MIN), number(38, 0)),
        (Kind::DECIMAL, none, Some(2), Some(5), number(5, 5)),
        (Kind::DECIMAL, "io.debezium.data.VariableScaleDecimal", None, None, TEXT),
        (Kind::STRING, "io.debezium.data.Enum", None, None, TEXT),
        (Kind::STRING, "io.debezium.data.Xml", None, None, TEXT),
        (Kind::INTERVAL, "io.debezium.time.Interval", None, None, TEXT),
        (Kind::UUID, "io.debezium.data.Uuid", None, None, TEXT),
        (Kind::BYTES, none, None, None, BINARY),
        (Kind::DATE, "io.debezium.time.Date", None, None, ColumnType::Date),
        (Kind::TIME, "io.debezium.time.MicroTime", None, None, ColumnType::Time),
        (Kind::TIME, "io.debezium.time.ZonedTime", None, None, TEXT),
        (Kind::TIMESTAMP, "io.debezium.time.MicroTimestamp", None, None, ColumnType::TimestampNtz),
        (Kind::TIMESTAMP, zoned, None, None, ColumnType::TimestampTz),
        (Kind::TIMESTAMP, "timestamp-micros", None, None, ColumnType::TimestampTz),
        (Kind::TIMESTAMP, "local-timestamp-micros", None, None, ColumnType::TimestampNtz),
        (Kind::JSON, "io.debezium.data.Json", None, None, ColumnType::Variant),
        (Kind::LIST, none, None, None, ColumnType::Variant),
        (Kind::STRUCT, none, None, None, ColumnType::Variant),
        (Kind(200), none, None, None, ColumnType::Variant),
    ] {
        let declared = of_declared(kind, semantic, precision, scale);
        assert_eq!(declared, wanted, "{kind:?} {semantic} {precision:?} {scale:?}");
    }
}

/// Inferred types are widened until a table is created: earlier values must still fit.
#[test]
fn types_without_a_schema_are_widened_to_hold_all_values() {
    let (small, large) = (Value::int(1), Value::number("99999999999999999999999999999999999999"));
    for (values, grown) in [
        (vec![small, Value::number("1.25")], number(38, 2)),
        (vec![Value::number("1.25"), small], number(38, 2)),
        (vec![small, Value::float(0.5)], ColumnType::Float),
        (vec![Value::float(0.5), small], ColumnType::Float),
        (vec![Value::float(0.5), Value::int(i64::MAX)], TEXT),
        (vec![Value::int(i64::MAX), Value::float(0.5), small], TEXT),
        (vec![large, Value::float(0.5)], TEXT),
        (vec![large, Value::number("1.25")], TEXT),
        (vec![date(2024, 2, 29), timestamp(0, 0, None)], ColumnType::TimestampNtz),
        (vec![timestamp(0, 0, None), timestamp(0, 0, Some(0))], TEXT),
        (vec![small, Value::string("n/a")], TEXT),
        (vec![Value::string("n/a"), object()], TEXT),
        (vec![small, object(), Value::string("n/a")], ColumnType::Variant),
        (vec![Value::bool(true), small], TEXT),
    ] {
        assert_eq!(grow(&values), grown, "{values:?}");
    }
}

/// Infers the types of a new table: repeats until all values fit.
pub(super) fn grow(values: &[Value<'_>]) -> ColumnType {
    let mut kind = values.iter().copied().find_map(ColumnType::of_value).unwrap();
    for _ in 0..60 {
        let Some(mismatch) = values.iter().copied().find(|value| kind.fit(*value) != Fit::Fits) else {
            return kind;
        };
        let grown = kind.join(&ColumnType::of_value(mismatch).unwrap());
        assert_ne!(grown, kind, "{mismatch:?} does not make it grow");
        kind = grown;
    }
    panic!("{values:?} do not converge to a type");
}

#[test]
fn kinds_that_json_does_not_have_determine_the_type() {
    let ancient = Timestamp { seconds: -9_223_372_036_854, nanoseconds: 0, offset_seconds: None };
    assert_eq!(ColumnType::of_kind(Value::timestamp(ancient)), Some(ColumnType::TimestampNtz));
    assert_eq!(ColumnType::of_value(Value::timestamp(ancient)), Some(ColumnType::Text { length: None }));
    assert_eq!(ColumnType::of_kind(Value::int(1)), None);
}
