//! Durations in configuration files: `"200ms"`, `"1s"`, `"1.5s"`, `"15m"`, `"1h"`, `"7d"`.

use std::time::Duration;

use super::quantity::Quantity;

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: write a number and ms, s, m, h or d, for example \"1.5s\"")]
pub struct DurationError {
    text: String,
}

const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// Reads a duration, to the nanosecond. A unit is required.
///
/// # Errors
/// Text that is not a number with one of the known units, or more nanoseconds than 64 bits hold (584 years).
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let quantity = Quantity::parse(text).ok_or_else(error)?;
    let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == quantity.unit).ok_or_else(error)?;
    quantity.times(*nanoseconds).map(Duration::from_nanos).ok_or_else(error)
}

/// Reads a plain number of seconds, which may have a fraction, as environment variables use it.
///
/// # Errors
/// Text that is not a number, or has a unit.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let quantity = Quantity::parse(text).filter(|quantity| quantity.unit.is_empty()).ok_or_else(error)?;
    quantity.times(1_000_000_000).map(Duration::from_nanos).ok_or_else(error)
}

/// Writes a duration with the largest unit that divides it, as [`parse_duration`] reads it: `15m`, `200ms`.
/// Anything below a microsecond is dropped.
pub fn format_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() / 1_000 * 1_000;
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let fits = |(_, unit): &&(&str, u64)| nanoseconds.is_multiple_of(u128::from(*unit));
    match UNITS.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", nanoseconds / u128::from(*unit)),
        None => format!("{}us", nanoseconds / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_unit() {
        for (text, milliseconds) in [
            ("200ms", 200),
            ("1s", 1_000),
            ("1.5s", 1_500),
            ("15m", 900_000),
            ("1 h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_duration_and_names_it() {
        for text in ["", "5", "s", "-1s", "1 minute", "1m30s", "1S", "999999999999999d"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a duration")), "{error}");
        }
    }

    #[test]
    fn seconds_have_no_unit_and_may_have_a_fraction() {
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_seconds(" 2 "), Ok(Duration::from_secs(2)));
        assert!(
            parse_seconds("2s").is_err() && parse_seconds("soon").is_err() && parse_seconds("2m").is_err()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(microseconds in 0u64..1 << 50) {
            let duration = Duration::from_micros(microseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
