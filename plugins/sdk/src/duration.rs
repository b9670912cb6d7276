//! Durations in configurations: `"200ms"`, `"1s"`, `"1.5s"`, `"15m"`, `"1h"`, `"7d"`.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::quantity::Quantity;

/// A duration in a configuration, written as a number with a unit: `"200ms"`, `"1.5s"`, `"15m"`, `"1h"`, `"7d"`.
///
/// It dereferences to [`Duration`], and is displayed with the largest unit that divides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl HumanDuration {
    /// Pattern of the texts that are durations, for a JSON Schema.
    pub const PATTERN: &'static str = r"^\s*[0-9]+(\.[0-9]{1,9})?\s*(us|ms|s|m|h|d)\s*$";

    /// A number of seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
}

impl FromStr for HumanDuration {
    type Err = DurationError;

    /// Parses a duration exactly, to the nanosecond. A unit is required.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let error = || DurationError { text: text.to_owned() };
        let quantity = Quantity::parse(text).ok_or_else(error)?;
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == quantity.unit).ok_or_else(error)?;
        quantity.times(*nanoseconds).map(|total| Self(Duration::from_nanos(total))).ok_or_else(error)
    }
}

impl fmt::Display for HumanDuration {
    /// Writes the duration as it can be parsed, such as `15m` or `200ms`. Fractions of a microsecond are dropped.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos() / 1_000 * 1_000;
        if nanoseconds == 0 {
            return formatter.write_str("0s");
        }
        let fits = |(_, unit): &&(&str, u64)| nanoseconds.is_multiple_of(u128::from(*unit));
        match UNITS.iter().find(fits) {
            Some((name, unit)) => write!(formatter, "{}{name}", nanoseconds / u128::from(*unit)),
            None => write!(formatter, "{}us", nanoseconds / 1_000),
        }
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text } = self;
        write!(
            formatter,
            "{text:?} is not a duration: write a number and us, ms, s, m, h or d, for example \"1.5s\""
        )
    }
}

impl std::error::Error for DurationError {}

impl Deref for HumanDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = HumanDuration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration with its unit, such as \"1.5s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // The host reports a text that does not match with the message above.
        schemars::json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "x-format": "duration",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_parsed() {
        for (text, milliseconds) in [
            ("200ms", 200),
            ("1s", 1_000),
            ("1.5s", 1_500),
            ("15m", 900_000),
            ("1 h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("1500us", 1),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.as_millis(), milliseconds, "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected_and_named() {
        for text in ["", "5", "s", "-1s", "1 minute", "1m30s", "1S", "999999999999999d"] {
            let error = text.parse::<HumanDuration>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a duration")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_parsed_again(microseconds in 0u64..1 << 50) {
            let duration = HumanDuration(Duration::from_micros(microseconds));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
