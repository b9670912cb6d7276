//! One plain value to one typed value.

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_abi::{Arena, Date, Interval, Time, Value, ValueRef};

use super::{Mismatch, Scalar, ShortText, Unit, bits, decimal, infinity, iso};
use crate::formats::json;

/// Where bytes of typed values go.
pub(crate) trait Store<'b> {
    /// Memory to work in, kept from value to value.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// A copy of the buffer that lives for `'b`.
    fn keep(&mut self) -> &'b [u8];
}

/// Bytes in a batch's arena.
pub(crate) struct ArenaStore<'b, 's> {
    /// The batch's arena.
    pub(crate) arena: Arena<'b>,
    /// Memory to work in.
    pub(crate) buffer: &'s mut Vec<u8>,
}

impl<'b> Store<'b> for ArenaStore<'b, '_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    fn keep(&mut self) -> &'b [u8] {
        self.arena.slice(self.buffer)
    }
}

/// Bytes that live as long as the process.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct LeakStore(Vec<u8>);

#[cfg(test)]
impl Store<'static> for LeakStore {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn keep(&mut self) -> &'static [u8] {
        Vec::leak(std::mem::take(&mut self.0))
    }
}

/// Makes `value`, as JSON has it, the value that `scalar` declares. Neither null nor a mark for an unavailable value.
///
/// # Errors
/// When it is not of the type.
#[inline]
pub(crate) fn convert<'b>(
    scalar: Scalar,
    value: Value<'b>,
    store: &mut impl Store<'b>,
) -> Result<Value<'b>, Box<Mismatch>> {
    let converted = match (scalar, value.view()) {
        (Scalar::Text, ValueRef::String(_))
        | (Scalar::Boolean, ValueRef::Bool(_))
        | (Scalar::Float, ValueRef::Float(_)) => Some(value),
        (Scalar::Integer(bits), ValueRef::Int(number)) => {
            (number >> (bits - 1) == number >> 63).then_some(value)
        }
        (Scalar::Float, _) => float(value),
        (Scalar::Date, ValueRef::Int(days)) => {
            Some(infinity::of_days(days).unwrap_or_else(|| Value::date(Date { days })))
        }
        (Scalar::Time(unit), ValueRef::Int(count)) => Some(time_of_day(count, unit)),
        (Scalar::Timestamp(unit), ValueRef::Int(count)) => {
            Some(infinity::of_timestamp(count, unit).unwrap_or_else(|| timestamp(count, unit)))
        }
        (Scalar::Duration(unit), ValueRef::Int(count)) => {
            Some(span(count, unit).map_or(value, Value::interval))
        }
        (Scalar::Decimal(scale), ValueRef::String(text)) => decimal_of_text(text, scale, store),
        (
            Scalar::Decimal(scale),
            ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Float(_) | ValueRef::Number(_),
        ) => decimal_of_number(value, scale, store),
        (Scalar::Bytes, ValueRef::String(text)) => base64(text, store).map(Value::bytes),
        (Scalar::Bits(length), ValueRef::String(text)) => bits::text(text, length, store).map(Value::string),
        (scalar, ValueRef::String(text)) => of_text(scalar, text),
        _ => None,
    };
    converted.ok_or_else(|| Box::new(mismatch(scalar, value)))
}

/// Makes `bytes` the value that `scalar` declares; `None` if they are not of the type. For formats that have bytes, unlike
/// JSON with its base64.
#[inline]
pub(crate) fn convert_bytes<'b>(
    scalar: Scalar,
    bytes: &'b [u8],
    store: &mut impl Store<'b>,
) -> Option<Value<'b>> {
    match scalar {
        Scalar::Decimal(scale) => {
            decimal::unscaled_of_bytes(bytes).map(|unscaled| Value::decimal(unscaled, scale))
        }
        Scalar::Bits(length) => bits::text_of_bytes(bytes, length, store).map(Value::string),
        Scalar::Bytes => Some(Value::bytes(bytes)),
        _ => None,
    }
}

/// The same for text as people write it: decimals have digits instead of base64, dates and times are those of ISO 8601, and
/// numbers may be text. A date with the month or day 0, which MySQL has, stays text.
pub(crate) fn convert_written<'b>(
    scalar: Scalar,
    value: Value<'b>,
    store: &mut impl Store<'b>,
) -> Result<Value<'b>, Box<Mismatch>> {
    let Some(text) = value.as_str() else { return convert(scalar, value, store) };
    let (expected, converted) = match scalar {
        Scalar::Decimal(scale) => (
            "a decimal number with no more digits than its scale",
            unscaled(text, scale, store).map(|unscaled| Value::decimal(unscaled, scale)),
        ),
        Scalar::Integer(64) => (scalar.expected(), integer(text)),
        Scalar::Float => (scalar.expected(), text.parse().ok().map(Value::float)),
        Scalar::Date | Scalar::Timestamp(_) | Scalar::IsoDate | Scalar::IsoTimestamp
            if has_no_month_or_day(text) =>
        {
            return Ok(value);
        }
        Scalar::Date => (Scalar::IsoDate.expected(), of_text(Scalar::IsoDate, text)),
        Scalar::Time(_) => (Scalar::IsoTime.expected(), of_text(Scalar::IsoTime, text)),
        Scalar::Timestamp(_) => (Scalar::IsoTimestamp.expected(), of_text(Scalar::IsoTimestamp, text)),
        _ => return convert(scalar, value, store),
    };
    converted.ok_or_else(|| Box::new(Mismatch::new(expected, "text that is none")))
}

fn integer(text: &str) -> Option<Value<'_>> {
    text.parse().map(Value::int).ok().or_else(|| text.parse().map(Value::uint).ok())
}

/// Whether a date such as `0000-00-00` is none.
fn has_no_month_or_day(text: &str) -> bool {
    let part = |at| text.get(at) == Some("00");
    part(5..7) || part(8..10)
}

#[cold]
fn mismatch(scalar: Scalar, value: Value<'_>) -> Mismatch {
    match value.view() {
        ValueRef::String(_) => Mismatch::new(scalar.expected(), "text that is none"),
        ValueRef::Int(_) | ValueRef::UInt(_) if matches!(scalar, Scalar::Integer(_)) => {
            Mismatch::new(scalar.expected(), "a longer one")
        }
        _ => Mismatch::of(scalar.expected(), &value),
    }
}

/// Floats may come as any number, and as the three words that JSON has no number for.
fn float(value: Value<'_>) -> Option<Value<'_>> {
    let float = match value.view() {
        ValueRef::String("NaN") => f64::NAN,
        ValueRef::String("Infinity") => f64::INFINITY,
        ValueRef::String("-Infinity") => f64::NEG_INFINITY,
        _ => value.as_f64().filter(|float| float.is_finite())?,
    };
    Some(Value::float(float))
}

fn timestamp<'b>(count: i64, unit: Unit) -> Value<'b> {
    Value::timestamp(tidegate_abi::Timestamp::from_parts(count, unit.per_second(), None))
}

/// A time of day; what lies outside a day, as MySQL's TIME may, is a span of time.
fn time_of_day<'b>(count: i64, unit: Unit) -> Value<'b> {
    let per_second = unit.per_second();
    if !(0..=86_400 * per_second).contains(&count) {
        return span(count, unit).map_or(Value::int(count), Value::interval);
    }
    let nanoseconds = count.unsigned_abs() * (1_000_000_000 / per_second.unsigned_abs());
    Value::time(Time { nanoseconds, offset_seconds: None })
}

/// A span of time, unless it is too long or too fine for microseconds.
fn span(count: i64, unit: Unit) -> Option<Interval> {
    let nanos = i128::from(count) * i128::from(1_000_000_000 / unit.per_second());
    let micros = (nanos % 1000 == 0).then_some(nanos / 1000)?;
    Some(Interval { months: 0, days: 0, microseconds: micros.try_into().ok()? })
}

fn base64<'b>(text: &str, store: &mut impl Store<'b>) -> Option<&'b [u8]> {
    let buffer = store.buffer();
    buffer.clear();
    STANDARD.decode_vec(text, buffer).ok()?;
    Some(store.keep())
}

/// Base64 of the unscaled value; text with a point is a decimal as people write it, which base64 never is.
fn decimal_of_text<'b>(text: &str, scale: i32, store: &mut impl Store<'b>) -> Option<Value<'b>> {
    let unscaled = if text.contains('.') { unscaled(text, scale, store) } else { base64(text, store) };
    unscaled.and_then(decimal::unscaled_of_bytes).map(|unscaled| Value::decimal(unscaled, scale))
}

fn unscaled<'b>(text: &str, scale: i32, store: &mut impl Store<'b>) -> Option<&'b [u8]> {
    decimal::unscaled_of_text(text, scale, store.buffer())?;
    Some(store.keep())
}

/// Connect's `decimal.format=NUMERIC`.
fn decimal_of_number<'b>(value: Value<'b>, scale: i32, store: &mut impl Store<'b>) -> Option<Value<'b>> {
    // Numbers display as a text of the same decimal; 64 bytes hold any but the exact ones, which are text already.
    let unscaled = match value.view() {
        ValueRef::Number(text) => unscaled(text, scale, store),
        _ => unscaled(ShortText::format(format_args!("{value}"))?.as_str(), scale, store),
    };
    unscaled.map(|unscaled| Value::decimal(unscaled, scale))
}

fn of_text(scalar: Scalar, text: &str) -> Option<Value<'_>> {
    match scalar {
        Scalar::IsoDate | Scalar::IsoTimestamp | Scalar::ZonedTimestamp if infinity::is_word(text) => {
            Some(Value::string(text))
        }
        Scalar::IsoDate => iso::date(text).map(|(date, offset)| in_utc(Value::date(date), offset, text)),
        Scalar::IsoTime => iso::time(text).map(|time| {
            in_utc(Value::time(Time { offset_seconds: None, ..time }), time.offset_seconds, text)
        }),
        Scalar::ZonedTime => iso::time(text).map(Value::time),
        Scalar::IsoTimestamp => iso::timestamp(text).map(|timestamp| {
            let local = tidegate_abi::Timestamp { offset_seconds: None, ..timestamp };
            in_utc(Value::timestamp(local), timestamp.offset_seconds, text)
        }),
        Scalar::ZonedTimestamp => iso::timestamp(text).map(Value::timestamp),
        Scalar::Interval => iso::duration(text).map(|duration| match duration {
            iso::Duration::Exact(interval) => Value::interval(interval),
            iso::Duration::Beyond => Value::string(text),
        }),
        Scalar::Uuid => uuid(text).map(Value::uuid),
        Scalar::Json => Some(document(text)),
        _ => None,
    }
}

/// What Debezium's types without a zone say: their text ends with the offset 0, or none. Another offset is no part of the
/// type, and dropping it would change what the text says.
fn in_utc<'b>(value: Value<'b>, offset: Option<i32>, text: &'b str) -> Value<'b> {
    if matches!(offset, None | Some(0)) { value } else { Value::string(text) }
}

/// A JSON document. What our reader does not take stays text: nesting deeper than ours, half of a surrogate pair as an
/// escape, which PostgreSQL's `json` takes, or what is no document at all. The source has stored it, so it is kept.
fn document(text: &str) -> Value<'_> {
    if json::check(text).is_ok() { Value::json(text) } else { Value::string(text) }
}

/// The 36 characters of a UUID (RFC 9562).
pub(crate) fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let mut digits = bytes.iter().filter(|byte| **byte != b'-').map(|byte| (*byte as char).to_digit(16));
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = (digits.next()?? << 4 | digits.next()??) as u8;
    }
    digits.next().is_none().then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(scalar: Scalar, value: Value<'static>) -> Result<String, String> {
        convert(scalar, value, &mut LeakStore::default())
            .map(|value| format!("{:?} {value}", value.kind()))
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn assert_shown(scalar: Scalar, value: Value<'static>, kind: tidegate_abi::raw::Kind, text: &str) {
        assert_eq!(shown(scalar, value), Ok(format!("{kind:?} {text}")));
    }

    #[test]
    fn encodings_become_typed_values() {
        use tidegate_abi::raw::Kind;
        assert_shown(Scalar::Decimal(2), Value::string("A/w="), Kind::DECIMAL, "10.20");
        assert_shown(Scalar::Decimal(2), Value::float(10.2), Kind::DECIMAL, "10.20");
        assert_shown(Scalar::Decimal(2), Value::float(1e20), Kind::DECIMAL, "100000000000000000000.00");
        assert_shown(Scalar::Decimal(2), Value::int(-7), Kind::DECIMAL, "-7.00");
        assert_shown(Scalar::Decimal(2), Value::string("21.57"), Kind::DECIMAL, "21.57");
        assert_shown(
            Scalar::Decimal(21),
            Value::number("1.000000000000000000001"),
            Kind::DECIMAL,
            "1.000000000000000000001",
        );
        assert_shown(Scalar::Date, Value::int(19_782), Kind::DATE, "2024-02-29");
        assert_shown(Scalar::Time(Unit::Micros), Value::int(47_655_123_456), Kind::TIME, "13:14:15.123456");
        assert_shown(Scalar::Time(Unit::Millis), Value::int(86_400_000), Kind::TIME, "24:00:00");
        assert_shown(
            Scalar::Time(Unit::Micros),
            Value::int(-3_020_399_000_000),
            Kind::INTERVAL,
            "PT-838H-59M-59S",
        );
        assert_shown(
            Scalar::Timestamp(Unit::Nanos),
            Value::int(-1),
            Kind::TIMESTAMP,
            "1969-12-31T23:59:59.999999999",
        );
        assert_shown(
            Scalar::Timestamp(Unit::Seconds),
            Value::int(60),
            Kind::TIMESTAMP,
            "1970-01-01T00:01:00",
        );
        assert_shown(
            Scalar::IsoTimestamp,
            Value::string("2019-07-09T02:28:57.123456Z"),
            Kind::TIMESTAMP,
            "2019-07-09T02:28:57.123456",
        );
        assert_shown(Scalar::ZonedTimestamp, Value::string("-infinity"), Kind::STRING, "-infinity");
        assert_shown(Scalar::Timestamp(Unit::Micros), Value::int(i64::MAX), Kind::STRING, "infinity");
        assert_shown(Scalar::Date, Value::int(-2_147_472_691), Kind::STRING, "-infinity");
        assert_shown(Scalar::Date, Value::int(2_932_897), Kind::DATE, "+10000-01-01");
        assert_shown(
            Scalar::Timestamp(Unit::Micros),
            Value::int(-62_167_305_600_000_000),
            Kind::TIMESTAMP,
            "-0001-12-31T00:00:00",
        );
        assert_shown(Scalar::Bits(Some(16)), Value::string("AgE="), Kind::STRING, "0000000100000010");
        assert_shown(Scalar::IsoDate, Value::string("2017-09-15Z"), Kind::DATE, "2017-09-15");
        for (scalar, text) in [
            (Scalar::IsoDate, "2017-09-15+02:00"),
            (Scalar::IsoTime, "11:14:15+02:00"),
            (Scalar::IsoTimestamp, "2017-09-15T11:14:15-01:00"),
            (Scalar::IsoDate, "infinity"),
        ] {
            assert_shown(scalar, Value::string(text), Kind::STRING, text);
        }
        assert_shown(Scalar::ZonedTime, Value::string("11:14:15.123Z"), Kind::TIME, "11:14:15.123Z");
        assert_shown(Scalar::Duration(Unit::Micros), Value::int(1_500_000), Kind::INTERVAL, "PT1.5S");
        assert_shown(Scalar::Duration(Unit::Nanos), Value::int(1), Kind::INT, "1");
        assert_shown(Scalar::Interval, Value::string("P1Y2M"), Kind::INTERVAL, "P1Y2M");
        assert_shown(Scalar::Float, Value::string("-Infinity"), Kind::FLOAT, "-inf");
        assert_shown(
            Scalar::Float,
            Value::number("2.2250738585072014E-308"),
            Kind::FLOAT,
            "2.2250738585072014e-308",
        );
        assert_shown(Scalar::Bytes, Value::string("3q2+7w=="), Kind::BYTES, "3q2+7w==");
        assert_shown(Scalar::Json, Value::string("[1, {}]"), Kind::JSON, "[1, {}]");
        let deep: &str = String::leak("[".repeat(200) + &"]".repeat(200));
        assert_shown(Scalar::Json, Value::string(deep), Kind::STRING, deep);
        for text in [r#"{"k":"cut \ud83d"}"#, "not json", "{", ""] {
            assert_shown(Scalar::Json, Value::string(text), Kind::STRING, text);
        }
        for text in [r#"{"k":"x\u0000y"}"#, r#"{"n":1e400,"n":2}"#, "null", "123456789012345678901234567890"]
        {
            assert_shown(Scalar::Json, Value::string(text), Kind::JSON, text);
        }
        let uuid = "00112233-4455-6677-8899-aabbccddeeff";
        assert_shown(Scalar::Uuid, Value::string(uuid), Kind::UUID, uuid);
    }

    #[test]
    fn values_of_another_type_are_rejected_without_showing_them() {
        for (scalar, value, expected) in [
            (
                Scalar::Decimal(2),
                Value::string("se cret"),
                "expected base64 for a decimal, or a number of its scale, found text that is none",
            ),
            (
                Scalar::Decimal(2),
                Value::float(1.234),
                "expected base64 for a decimal, or a number of its scale, found a number",
            ),
            (Scalar::Integer(8), Value::int(128), "expected a whole number of 8 bits, found a longer one"),
            (
                Scalar::Integer(64),
                Value::uint(u64::MAX),
                "expected a whole number of 64 bits, found a longer one",
            ),
            (Scalar::Text, Value::int(1), "expected text, found a whole number"),
            (
                Scalar::Decimal(2),
                Value::string(""),
                "expected base64 for a decimal, or a number of its scale, found text that is none",
            ),
            (Scalar::Json, Value::int(1), "expected text for a JSON document, found a whole number"),
            (Scalar::Bits(Some(8)), Value::string("x"), "expected base64 for bits, found text that is none"),
            (Scalar::Uuid, Value::string("0"), "expected a uuid, found text that is none"),
            (Scalar::Boolean, Value::NULL, "expected true or false, found null"),
        ] {
            assert_eq!(shown(scalar, value), Err(expected.to_owned()));
        }
        assert!(shown(Scalar::Integer(8), Value::int(-128)).is_ok());
    }
}
