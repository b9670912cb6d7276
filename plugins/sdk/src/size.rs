//! Sizes in configurations: `"1 MiB"`, `"8MB"`, `"512 KiB"`, or a plain number of bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::quantity::Quantity;

/// A size in a configuration, written as a number with a unit, such as `"8 MiB"` or `"500 kB"`, or as a number of bytes.
///
/// It is displayed with the largest binary unit that divides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// The text is not a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeError {
    text: String,
}

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// Pattern of the texts that are sizes, for a JSON Schema.
    pub const PATTERN: &'static str = r"^\s*[0-9]+(\.[0-9]{1,9})?\s*([bB]|[kKmMgG][iI]?[bB])?\s*$";

    /// A number of bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;

    /// Parses a size, rounded down to bytes. Units are compared without case, and no unit means bytes. `M` alone is rejected,
    /// because it could mean `MB` or `MiB`.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError { text: text.to_owned() };
        let quantity = Quantity::parse(text).ok_or_else(error)?;
        let unit = if quantity.unit.is_empty() { "B" } else { quantity.unit };
        let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(error)?;
        quantity.times(*bytes).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let fits = |(name, unit): &&(&str, u64)| {
            bytes > 0 && bytes.is_multiple_of(*unit) && (name.contains('i') || *unit == 1)
        };
        match UNITS.iter().find(fits) {
            Some((name, unit)) => write!(formatter, "{} {name}", bytes / unit),
            None => write!(formatter, "{bytes} B"),
        }
    }
}

impl fmt::Display for SizeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text } = self;
        write!(
            formatter,
            "{text:?} is not a size: write a number and B, kB, MB, GB, KiB, MiB or GiB, for example \"8 MiB\""
        )
    }
}

impl std::error::Error for SizeError {}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrBytes;

        impl de::Visitor<'_> for TextOrBytes {
            type Value = ByteSize;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as \"8 MiB\", or a number of bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                let invalid = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
                u64::try_from(bytes).map(ByteSize).map_err(|_| invalid())
            }
        }

        deserializer.deserialize_any(TextOrBytes)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // The host reports a text that does not match with the message above.
        schemars::json_schema!({
            "type": ["string", "integer"],
            "minimum": 0,
            "pattern": Self::PATTERN,
            "x-format": "size",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn binary_and_decimal_units_are_parsed_in_any_case() {
        for (text, bytes) in [
            ("1 MiB", 1 << 20),
            ("8MB", 8_000_000),
            ("1048576", 1 << 20),
            ("1.5 kib", 1536),
            ("2 GiB", 2 << 30),
            (" 7 B ", 7),
            ("0.5 kB", 500),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected_and_named() {
        for text in ["", "MiB", "1 M", "-1 MiB", "1e6", "1..5 MB", "1 TiB", "99999999999 GiB", "1."] {
            let error = text.parse::<ByteSize>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a size")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_parsed_again(bytes in any::<u64>()) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
