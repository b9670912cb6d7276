//! Types that the connector file declares.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{ColumnType, MAX_PRECISION, MAX_SCALE};

/// Allowed values, for messages.
const KNOWN: &str = "text, number(p,s), float, boolean, binary, date, time, timestamp_ntz, timestamp_tz, timestamp_ltz \
                     and variant";

impl ColumnType {
    /// The type for a name, in any case.
    fn declared(text: &str) -> Option<Self> {
        let name: String = text.to_lowercase().split_whitespace().collect();
        Some(match name.as_str() {
            "text" | "varchar" | "string" => Self::Text { length: None },
            "float" | "double" => Self::Float,
            "boolean" => Self::Boolean,
            "binary" => Self::Binary { length: None },
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp_ntz" => Self::TimestampNtz,
            "timestamp_tz" => Self::TimestampTz,
            "timestamp_ltz" => Self::TimestampLtz,
            "variant" => Self::Variant,
            "number" => Self::Number { precision: MAX_PRECISION, scale: 0 },
            _ => return number(&name),
        })
    }
}

/// `number(p,s)`, or `number(p)`.
fn number(name: &str) -> Option<ColumnType> {
    let digits = name.strip_prefix("number(")?.strip_suffix(')')?;
    let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
    let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
    let is_one = (1..=MAX_PRECISION).contains(&precision) && scale <= MAX_SCALE.min(precision);
    is_one.then_some(ColumnType::Number { precision, scale })
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let unknown = || de::Error::custom(format_args!("{text:?} is not a column type: use one of {KNOWN}"));
        Self::declared(&text).ok_or_else(unknown)
    }
}

impl JsonSchema for ColumnType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Type of a column, such as text or number(38,10)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_parsed() {
        let text = ColumnType::Text { length: None };
        assert_eq!(ColumnType::declared("text"), Some(text.clone()));
        assert_eq!(ColumnType::declared("VARCHAR"), Some(text));
        assert_eq!(
            ColumnType::declared("NUMBER(38, 10)"),
            Some(ColumnType::Number { precision: 38, scale: 10 })
        );
        assert_eq!(ColumnType::declared("number(5)"), Some(ColumnType::Number { precision: 5, scale: 0 }));
        assert_eq!(ColumnType::declared("Timestamp_TZ"), Some(ColumnType::TimestampTz));
        for wrong in
            ["", "number(39,0)", "number(5,6)", "number(a,b)", "number(0,0)", "geography", "varchar(10)"]
        {
            assert_eq!(ColumnType::declared(wrong), None, "{wrong}");
        }
    }
}
