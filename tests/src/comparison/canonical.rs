//! The canonical text of a value: one per value and column type.

use super::json;

/// The canonical text of a stored value.
pub(crate) fn stored(kind: &str, text: &str) -> String {
    let canonical = match kind {
        "fixed" => number(text),
        "real" => float(text),
        "variant" | "object" | "array" => json::canonical(text),
        "iso_text" => Ok(iso(text)),
        _ => Ok(text.to_owned()),
    };
    // An invalid value differs from every expected value, and is shown unchanged.
    canonical.unwrap_or_else(|_| format!("unreadable {text:?}"))
}

/// The canonical text of a value of the source's CSV in a column of this type.
///
/// # Errors
/// If the column cannot hold it.
pub(crate) fn expected(kind: &str, text: &str) -> Result<String, String> {
    match kind {
        // Not every database has these.
        "date" | "timestamp_ntz" | "timestamp_tz" | "timestamp_utc"
            if matches!(text, "infinity" | "-infinity") =>
        {
            Ok(text.to_owned())
        }
        "fixed" => number(text),
        "real" => float(text),
        "boolean" => boolean(text),
        "text" => Ok(text.to_owned()),
        // A column of a database without dates and times: they are text of ISO 8601.
        "iso_text" => Ok(zoned_timestamp(text)
            .or_else(|_| timestamp(text))
            .or_else(|_| time(text))
            .unwrap_or(text.to_owned())),
        "date" => date(text).map(str::to_owned),
        "time" => time(text),
        "timestamp_ntz" => timestamp(text),
        "timestamp_tz" => zoned_timestamp(text),
        // Without a zone: points in time are in UTC.
        "timestamp_utc" => timestamp(text.strip_suffix("+00").unwrap_or(text)),
        "binary" => binary(text),
        "variant" | "object" | "array" => json::canonical(text),
        _ => Err(format!("no column of type {kind} is expected")),
    }
}

/// Text, of which times and timestamps in ISO 8601 get six fractional digits.
fn iso(text: &str) -> String {
    let (zoneless, zone) = text.strip_suffix('Z').map_or((text, ""), |zoneless| (zoneless, "Z"));
    let canonical = match zoneless.split_once('T') {
        Some((day, clock)) => date(day).and_then(|day| Ok(format!("{day}T{}{zone}", time(clock)?))),
        None if zone.is_empty() => time(zoneless),
        None => Err(String::new()),
    };
    canonical.unwrap_or_else(|_| text.to_owned())
}

/// A decimal number without leading and trailing zeros and without an exponent.
///
/// # Errors
/// If it is invalid.
pub(crate) fn number(text: &str) -> Result<String, String> {
    let wrong = || format!("no number: {text:?}");
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| wrong())?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let mut digits = format!("{whole}{fraction}");
    let mut point = i32::try_from(whole.len()).map_err(|_| wrong())? + exponent;
    while point <= 0 {
        digits.insert(0, '0');
        point += 1;
    }
    let point = usize::try_from(point).map_err(|_| wrong())?;
    let missing = point.saturating_sub(digits.len());
    digits.push_str(&"0".repeat(missing));
    let (whole, fraction) = digits.split_at(point);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    match (whole, fraction) {
        ("0", "") => Ok("0".to_owned()),
        (_, "") => Ok(format!("{sign}{whole}")),
        _ => Ok(format!("{sign}{whole}.{fraction}")),
    }
}

fn float(text: &str) -> Result<String, String> {
    let value: f64 = text.parse().map_err(|_| format!("no float: {text:?}"))?;
    Ok(format!("{value:?}"))
}

fn boolean(text: &str) -> Result<String, String> {
    match text {
        "t" | "1" => Ok("true".to_owned()),
        "f" | "0" => Ok("false".to_owned()),
        _ => Err(format!("no boolean: {text:?}")),
    }
}

fn binary(text: &str) -> Result<String, String> {
    text.strip_prefix("\\x").map(str::to_owned).ok_or(format!("no bytea: {text:?}"))
}

/// A date, unchanged.
///
/// # Errors
/// If it is not a date, such as `infinity`.
pub(crate) fn date(text: &str) -> Result<&str, String> {
    let is_date = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if [4, 7].contains(&at) { byte == b'-' } else { byte.is_ascii_digit() });
    if is_date { Ok(text) } else { Err(format!("no date: {text:?}")) }
}

/// A time with six fractional digits.
///
/// # Errors
/// If it is invalid.
pub(crate) fn time(text: &str) -> Result<String, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_time = seconds.len() == 8 && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let is_fraction = fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if is_time && is_fraction {
        Ok(format!("{seconds}.{fraction:0<6}"))
    } else {
        Err(format!("no time: {text:?}"))
    }
}

/// A timestamp with a `T` and six fractional digits.
///
/// # Errors
/// If it is invalid.
pub(crate) fn timestamp(text: &str) -> Result<String, String> {
    let (day, clock) = text.split_once(' ').ok_or(format!("no timestamp: {text:?}"))?;
    Ok(format!("{}T{}", date(day)?, time(clock)?))
}

/// A timestamp with time zone. The captures were exported in UTC.
///
/// # Errors
/// If it is invalid or not in UTC.
pub(crate) fn zoned_timestamp(text: &str) -> Result<String, String> {
    let utc = text.strip_suffix("+00").ok_or(format!("no timestamp in UTC: {text:?}"))?;
    timestamp(utc).map(|text| text + "Z")
}
