//! Sizes in configuration files: `"1 MiB"`, `"8MB"`, `"512 KiB"`, or a plain number of bytes.

use super::quantity::Quantity;

/// A text that is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size: write a number and B, kB, MB, GB, KiB, MiB or GiB, for example \"8 MiB\"")]
pub struct SizeError {
    text: String,
}

/// Names and bytes; the first name of each size is the one that [`format_size`] prints.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a size and returns bytes, rounded down. Units are compared without case; no unit means bytes.
///
/// # Errors
/// Text that is not a number with one of the known units (`M` alone is rejected, because it is ambiguous),
/// or more than 64 bits of bytes.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let error = || SizeError { text: text.to_owned() };
    let quantity = Quantity::parse(text).ok_or_else(error)?;
    let unit = if quantity.unit.is_empty() { "B" } else { quantity.unit };
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(error)?;
    quantity.times(*bytes).ok_or_else(error)
}

/// Writes bytes with the largest binary unit that divides them, as [`parse_size`] reads them: `1 MiB`, `100 B`.
pub fn format_size(bytes: u64) -> String {
    let fits = |(name, unit): &&(&str, u64)| {
        bytes > 0 && bytes.is_multiple_of(*unit) && (name.contains('i') || *unit == 1)
    };
    match UNITS.iter().find(fits) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_binary_and_decimal_units_in_any_case() {
        for (text, bytes) in [
            ("1 MiB", 1 << 20),
            ("8MB", 8_000_000),
            ("1048576", 1 << 20),
            ("1.5 kib", 1536),
            ("2 GiB", 2 << 30),
            (" 7 B ", 7),
            ("0.5 kB", 500),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_size_and_names_it() {
        for text in ["", "MiB", "1 M", "-1 MiB", "1e6", "1..5 MB", "1 TiB", "99999999999 GiB", "1."] {
            let error = parse_size(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a size")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
    }
}
