//! Parses the types in SHOW COLUMNS: a small JSON document for each column.

use serde::Deserialize;

use super::{ColumnType, MAX_PRECISION, MAX_SCALE};

/// A VARCHAR of at least this length has the maximum length.
const LARGEST_TEXT: u32 = 16_777_216;
/// A BINARY of at least this length has the maximum length.
const LARGEST_BINARY: u32 = 8_388_608;

/// Maximum fractional digits of a second.
const MOST_FRACTION: u32 = 9;

/// The type of a column cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableType {
    /// It is not JSON, or has no type.
    #[error("the column type in SHOW COLUMNS cannot be parsed: {0}")]
    Json(#[source] serde_json::Error),
    /// A number with too many digits.
    #[error("NUMBER({precision},{scale}) is not a valid type")]
    Number {
        /// Total number of digits.
        precision: u32,
        /// Digits after the decimal point.
        scale: u32,
    },
}

/// The relevant fields of the document.
#[derive(Deserialize)]
struct Shown {
    #[serde(rename = "type")]
    name: String,
    precision: Option<u32>,
    scale: Option<u32>,
    length: Option<u32>,
}

impl ColumnType {
    /// Parses the `data_type` of SHOW COLUMNS, such as `{"type":"FIXED","precision":38,"scale":0}`.
    ///
    /// # Errors
    /// If it has another format.
    pub(crate) fn from_show(data_type: &str) -> Result<Self, UnreadableType> {
        let shown: Shown = serde_json::from_str(data_type).map_err(UnreadableType::Json)?;
        Ok(match shown.name.as_str() {
            "FIXED" => return number(shown.precision, shown.scale),
            "REAL" => Self::Float,
            "BOOLEAN" => Self::Boolean,
            "TEXT" => Self::Text { length: shown.length.filter(|length| *length < LARGEST_TEXT) },
            "BINARY" => Self::Binary { length: shown.length.filter(|length| *length < LARGEST_BINARY) },
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TIMESTAMP_NTZ" => Self::TimestampNtz,
            "TIMESTAMP_TZ" => Self::TimestampTz,
            "TIMESTAMP_LTZ" => Self::TimestampLtz,
            "VARIANT" => Self::Variant,
            _ => Self::Other(shown.name),
        })
    }
}

/// The fractional digits of a second of a column, from the `data_type` of SHOW COLUMNS, if there are fewer than the maximum.
pub(crate) fn kept_fraction(data_type: &str) -> Option<u8> {
    let shown: Shown = serde_json::from_str(data_type).ok()?;
    let has_clock = shown.name == "TIME" || shown.name.starts_with("TIMESTAMP_");
    let digits = shown.scale.filter(|digits| has_clock && *digits < MOST_FRACTION)?;
    u8::try_from(digits).ok()
}

fn number(precision: Option<u32>, scale: Option<u32>) -> Result<ColumnType, UnreadableType> {
    let (precision, scale) = (precision.unwrap_or(MAX_PRECISION.into()), scale.unwrap_or(0));
    let unreadable = || UnreadableType::Number { precision, scale };
    let within = |digits: u32, most: u8| u8::try_from(digits).ok().filter(|digits| *digits <= most);
    let (digits, behind) =
        within(precision, MAX_PRECISION).zip(within(scale, MAX_SCALE)).ok_or_else(unreadable)?;
    if behind > digits {
        return Err(unreadable());
    }
    Ok(ColumnType::Number { precision: digits, scale: behind })
}
