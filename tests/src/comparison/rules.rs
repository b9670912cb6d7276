//! Rules: what a value of the source looks like after an encoding that loses its type. Each rule computes one exact
//! text.

use super::{
    canonical::{date, expected, time, timestamp, zoned_timestamp},
    json,
};

/// The names of all rules.
pub(crate) const RULES: [&str; 14] = [
    "epoch-days",
    "epoch-millis",
    "epoch-micros",
    "time-millis",
    "time-micros",
    "milliseconds-only",
    "iso-text",
    "base64",
    "bits",
    "bits-base64",
    "money",
    "number-array",
    "text-array",
    "hstore",
];

/// Applies a rule: the canonical text in a column of this type.
///
/// # Errors
/// If the rule does not apply to the value.
pub(crate) fn apply(rule: &str, kind: &str, text: &str) -> Result<String, String> {
    match rule {
        "epoch-days" => Ok(days(date(text)?)?.to_string()),
        "epoch-millis" => Ok(micros_since_epoch(text)?.div_euclid(1_000).to_string()),
        "epoch-micros" => Ok(micros_since_epoch(text)?.to_string()),
        "time-millis" => Ok((micros_of_day(&time(text)?)? / 1_000).to_string()),
        "time-micros" => Ok(micros_of_day(&time(text)?)?.to_string()),
        "milliseconds-only" => expected(kind, &milliseconds_only(text)),
        "iso-text" => zoned_timestamp(text),
        "base64" => Ok(base64(&hexadecimal(text)?)),
        "bits" => Ok(bits(text)?.iter().map(|byte| format!("{byte:02x}")).collect()),
        "bits-base64" => Ok(base64(&bits(text)?)),
        "money" => expected(kind, &text.replace(['$', ','], "")),
        "number-array" => json::canonical(&array(text, |element| element.to_owned())?),
        "text-array" => json::canonical(&array(text, |element| json::string(&unquoted(element)))?),
        "hstore" => json::canonical(&format!("{{{}}}", text.replace("=>", ":"))),
        _ => Err(format!("there is no rule {rule:?}")),
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, which PostgreSQL uses.
fn days(text: &str) -> Result<i64, String> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().map_err(|_| format!("no date: {text:?}")));
    let mut next = || parts.next().unwrap_or(Err(format!("no date: {text:?}")));
    let (year, month, day) = (next()?, next()?, next()?);
    // Years begin in March, so that the leap day is the last day of a year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(era * 146_097 + day_of_era - 719_468)
}

fn micros_of_day(text: &str) -> Result<i64, String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number: i64 = digits.parse().map_err(|_| format!("no time: {text:?}"))?;
    let (clock, micros) = (number / 1_000_000, number % 1_000_000);
    Ok(((clock / 10_000 * 60 + clock / 100 % 100) * 60 + clock % 100) * 1_000_000 + micros)
}

fn micros_since_epoch(text: &str) -> Result<i64, String> {
    let text = timestamp(text)?;
    let (day, clock) = text.split_once('T').ok_or(format!("no timestamp: {text:?}"))?;
    Ok(days(day)? * 86_400_000_000 + micros_of_day(clock)?)
}

fn milliseconds_only(text: &str) -> String {
    let Some((seconds, fraction)) = text.split_once('.') else { return text.to_owned() };
    let (digits, zone) = fraction.split_at(fraction.find('+').unwrap_or(fraction.len()));
    format!("{seconds}.{}{zone}", digits.get(..3).unwrap_or(digits))
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("\\x").ok_or(format!("no bytea: {text:?}"))?;
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).map_err(|_| format!("no bytea: {text:?}"))
    });
    bytes.collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).map(|group| {
        let number =
            (0..3).fold(0_usize, |sum, at| sum << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
        let letter = |at: usize| {
            let shown = at <= group.len();
            if shown { char::from(LETTERS[number >> (18 - 6 * at) & 63]) } else { '=' }
        };
        (0..4).map(letter).collect::<String>()
    });
    groups.collect()
}

/// Bits as Debezium encodes them: little-endian, without trailing zero bytes.
fn bits(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (at, bit) in text.chars().rev().enumerate() {
        let bit = bit.to_digit(2).ok_or(format!("no bits: {text:?}"))? as u8;
        if at % 8 == 0 {
            bytes.push(0);
        }
        if let Some(byte) = bytes.last_mut() {
            *byte |= bit << (at % 8);
        }
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// A one-dimensional array as JSON. `element` converts the elements, which it gets with their quotes.
fn array(text: &str, element: impl Fn(&str) -> String) -> Result<String, String> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.ok_or(format!("no array: {text:?}"))?;
    let shown = elements(inner)
        .into_iter()
        .map(|part| if part == "NULL" { "null".to_owned() } else { element(part) });
    Ok(format!("[{}]", shown.collect::<Vec<_>>().join(",")))
}

fn elements(inner: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = inner.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn unquoted(element: &str) -> String {
    let inner = element.strip_prefix('"').and_then(|element| element.strip_suffix('"'));
    inner.map_or_else(|| element.to_owned(), |inner| inner.replace("\\\"", "\"").replace("\\\\", "\\"))
}
