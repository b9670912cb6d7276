//! A value is in its column unchanged, or it does not fit.

mod desired;
mod elements;
mod fits;
mod properties;
mod shown;

use tidegate_plugin::{Date, Field, Interval, Time, Timestamp, Value};

use super::ColumnType;

const TEXT: ColumnType = ColumnType::Text { length: None };
const BINARY: ColumnType = ColumnType::Binary { length: None };

fn number(precision: u8, scale: u8) -> ColumnType {
    ColumnType::Number { precision, scale }
}

/// The decimal `unscaled / 10^scale`.
fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::decimal(Vec::leak(unscaled.to_be_bytes().to_vec()), scale)
}

fn date(year: i64, month: u32, day: u32) -> Value<'static> {
    Value::date(Date::from_civil(year, month, day))
}

fn time(nanoseconds: u64, offset_seconds: Option<i32>) -> Value<'static> {
    Value::time(Time { nanoseconds, offset_seconds })
}

fn timestamp(seconds: i64, nanoseconds: u32, offset_seconds: Option<i32>) -> Value<'static> {
    Value::timestamp(Timestamp { seconds, nanoseconds, offset_seconds })
}

fn interval() -> Value<'static> {
    Value::interval(Interval { months: 14, days: 3, microseconds: 1_500_000 })
}

fn list() -> Value<'static> {
    Value::list(Vec::leak(vec![Value::NULL, Value::string("a\"b"), decimal(150, 2)]))
}

fn object() -> Value<'static> {
    Value::object(Vec::leak(vec![Field::new("a", Value::bool(true)), Field::new("b", list())]))
}

/// Seconds of 9999-12-31T23:59:59.
const LAST_SECOND: i64 = 253_402_300_799;
/// Seconds of 0001-01-01T00:00:00.
const FIRST_SECOND: i64 = -62_135_596_800;
