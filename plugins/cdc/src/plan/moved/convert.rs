//! Converts a key value in a header to the value that the host would have decoded.
//!
//! The same column in the record key has the same format, so its value determines the conversion.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use tidegate_plugin::{Date, Time, Timestamp, Value, ValueRef};

/// Possible units of numbers, per second: seconds, milliseconds, microseconds, nanoseconds.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// A value in a header.
#[derive(Clone, Copy)]
pub(super) enum Raw<'r> {
    /// In JSON.
    Json(&'r Json),
    /// In the text of a struct, without quotes.
    Text(&'r str),
}

/// An owned value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum KeyValue {
    /// The same value as in the record key.
    Own,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(Vec<u8>, i32),
    Date(Date),
    Time(Time),
    Timestamp(Timestamp),
    Uuid([u8; 16]),
}

impl KeyValue {
    /// The value; `own` is that of the record key.
    pub(super) fn value<'p>(&'p self, own: Value<'p>) -> Value<'p> {
        match self {
            Self::Own => own,
            Self::Bool(value) => Value::bool(*value),
            Self::Int(value) => Value::int(*value),
            Self::UInt(value) => Value::uint(*value),
            Self::Float(value) => Value::float(*value),
            Self::Text(text) => Value::string(text),
            Self::Bytes(bytes) => Value::bytes(bytes),
            Self::Decimal(unscaled, scale) => Value::decimal(unscaled, *scale),
            Self::Date(date) => Value::date(*date),
            Self::Time(time) => Value::time(*time),
            Self::Timestamp(timestamp) => Value::timestamp(*timestamp),
            Self::Uuid(bytes) => Value::uuid(*bytes),
        }
    }
}

impl Raw<'_> {
    fn is(&self, other: &Json) -> bool {
        match (self, other) {
            (Self::Json(json), other) => *json == other,
            (Self::Text(text), Json::String(other)) => text == other,
            (Self::Text(text), Json::Number(number)) => *text == number.to_string(),
            (Self::Text(text), Json::Bool(value)) => *text == value.to_string(),
            (Self::Text(_), _) => false,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Json(json) => json.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Json(json) => json.as_i64(),
            Self::Text(text) => text.parse().ok(),
        }
    }

    fn uint(&self) -> Option<u64> {
        match self {
            Self::Json(json) => json.as_u64(),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Converts `raw`. `own` is the value of the column in the record key, `own_raw` its JSON, and `semantic` the name of its
/// type, if there is a schema. Returns `None` for unknown formats.
pub(super) fn convert(
    own: Value<'_>,
    own_raw: Option<&Json>,
    raw: Raw<'_>,
    semantic: &str,
) -> Option<KeyValue> {
    if own_raw.is_some_and(|own| raw.is(own)) {
        return Some(KeyValue::Own);
    }
    match own.view() {
        ValueRef::Bool(_) => match raw {
            Raw::Json(json) => json.as_bool().map(KeyValue::Bool),
            Raw::Text(text) => text.parse().ok().map(KeyValue::Bool),
        },
        ValueRef::Int(_) | ValueRef::UInt(_) => {
            raw.int().map(KeyValue::Int).or_else(|| raw.uint().map(KeyValue::UInt))
        }
        ValueRef::Float(_) => float(raw),
        ValueRef::String(_) => text(raw, semantic),
        ValueRef::Bytes(_) => match raw {
            // Java prints only the length of bytes.
            Raw::Text(_) => None,
            Raw::Json(json) => STANDARD.decode(json.as_str()?).ok().map(KeyValue::Bytes),
        },
        ValueRef::Decimal(decimal) => decimal_of(raw, own_raw, decimal.scale()),
        ValueRef::Uuid(_) => uuid(raw.text()?).map(KeyValue::Uuid),
        ValueRef::Date(_) => match raw.int() {
            Some(days) => Some(KeyValue::Date(Date { days })),
            None => date(raw.text()?).map(KeyValue::Date),
        },
        ValueRef::Time(own) => time(raw.int()?, own, own_raw?.as_i64()?).map(KeyValue::Time),
        ValueRef::Timestamp(own) => match (raw.int(), own_raw.and_then(Json::as_i64)) {
            (Some(count), Some(own_count)) => timestamp(count, own, own_count).map(KeyValue::Timestamp),
            // Values that are not timestamps, such as `infinity`, are text.
            _ => match iso_timestamp(raw.text()?) {
                Some(timestamp) => Some(KeyValue::Timestamp(timestamp)),
                None => raw.text().map(|text| KeyValue::Text(text.to_owned())),
            },
        },
        _ => None,
    }
}

fn float(raw: Raw<'_>) -> Option<KeyValue> {
    match raw {
        Raw::Json(json) if json.is_f64() => json.as_f64().map(KeyValue::Float),
        Raw::Json(_) => None,
        Raw::Text(text) => text.parse().ok().map(KeyValue::Float),
    }
}

/// Text, or a timestamp if the schema says so.
fn text(raw: Raw<'_>, semantic: &str) -> Option<KeyValue> {
    let text = raw.text()?;
    let timestamp = semantic.ends_with("Timestamp").then(|| iso_timestamp(text)).flatten();
    Some(timestamp.map_or_else(|| KeyValue::Text(text.to_owned()), KeyValue::Timestamp))
}

fn decimal_of(raw: Raw<'_>, own_raw: Option<&Json>, scale: i32) -> Option<KeyValue> {
    let json = match raw {
        Raw::Text(text) => return plain_decimal(text, scale),
        Raw::Json(json) => json,
    };
    if let Some(object) = json.as_object() {
        let scale = i32::try_from(object.get("scale")?.as_i64()?).ok()?;
        let unscaled = STANDARD.decode(object.get("value")?.as_str()?).ok()?;
        return Some(KeyValue::Decimal(unscaled, scale));
    }
    let own_is_plain = own_raw.is_some_and(|own| own.is_number() || own.as_str().is_some_and(is_plain));
    match json {
        Json::String(text) if !own_is_plain => {
            STANDARD.decode(text).ok().map(|bytes| KeyValue::Decimal(bytes, scale))
        }
        Json::String(text) => plain_decimal(text, scale),
        Json::Number(number) => plain_decimal(&number.to_string(), scale),
        _ => None,
    }
}

fn is_plain(text: &str) -> bool {
    text.contains('.') || text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
}

/// A decimal in plain notation, with at most `scale` digits after the decimal point.
fn plain_decimal(text: &str, scale: i32) -> Option<KeyValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    let unscaled: i128 = format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()?;
    Some(KeyValue::Decimal(unscaled.to_be_bytes().to_vec(), scale))
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// The unit of the numbers, if exactly one matches. Zero matches any.
fn unit(fits: impl Fn(i64) -> bool) -> Option<i64> {
    let mut units = UNITS.into_iter().filter(|unit| fits(*unit));
    let unit = units.next()?;
    units.next().is_none().then_some(unit)
}

fn timestamp(count: i64, own: Timestamp, own_count: i64) -> Option<Timestamp> {
    let of = |count, unit| Timestamp::from_parts(count, unit, own.offset_seconds);
    unit(|unit| of(own_count, unit) == own).map(|unit| of(count, unit))
}

fn time(count: i64, own: Time, own_count: i64) -> Option<Time> {
    let of = |count: i64, unit: i64| {
        let nanoseconds = u64::try_from(count).ok()?.checked_mul(1_000_000_000 / unit.unsigned_abs())?;
        Some(Time { nanoseconds, offset_seconds: own.offset_seconds })
    };
    unit(|unit| of(own_count, unit) == Some(own)).and_then(|unit| of(count, unit))
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_date = year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
    let date = Date::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    // An invalid day of a month is converted to a different date.
    (is_date && date.to_string() == text).then_some(date)
}

/// An ISO 8601 timestamp, with or without an offset.
fn iso_timestamp(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.split_once('T')?;
    let at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, offset) = (clock.get(..at)?, clock.get(at..)?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok().filter(|_| part.len() == 2));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let is_clock =
        hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none() && fraction.len() <= 9;
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    let offset_seconds = match offset {
        "" => None,
        "Z" => Some(0),
        _ => Some(offset_of(offset)?),
    };
    let local = date(day)?.days * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let seconds = local - i64::from(offset_seconds.unwrap_or(0));
    is_clock.then_some(Timestamp { seconds, nanoseconds, offset_seconds })
}

fn offset_of(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60))
}
