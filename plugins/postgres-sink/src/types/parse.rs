//! Types of existing columns, and types that the connector file declares.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::ColumnType;

impl ColumnType {
    /// Parses a type as `format_type` returns it, or as in a definition. Types that are not known are [`ColumnType::Native`].
    pub(crate) fn parse(text: &str) -> Self {
        if let Some(element) = text.trim().strip_suffix("[]") {
            // `format_type` shows one dimension, and a definition may have more, which PostgreSQL treats alike.
            let element = match kept_fraction(element) {
                // Elements with more digits would be rounded. There is no warning of what a list has lost, so lists do not fit.
                Some(..6) => Self::Native(element.to_owned()),
                _ => Self::parse(element),
            };
            return if matches!(element, Self::Array(_)) { element } else { Self::Array(Box::new(element)) };
        }
        let name = text.trim().to_lowercase();
        let (base, size) =
            match name.split_once('(').and_then(|(base, rest)| Some((base, rest.split_once(')')?))) {
                Some((base, (size, rest))) => (format!("{}{rest}", base.trim_end()), Some(size)),
                None => (name.clone(), None),
            };
        let numbers: Vec<u32> = size
            .into_iter()
            .flat_map(|size| size.split(','))
            .filter_map(|part| part.trim().parse().ok())
            .collect();
        match base.as_str() {
            "smallint" | "int2" => Self::SmallInt,
            "integer" | "int" | "int4" => Self::Integer,
            "bigint" | "int8" => Self::BigInt,
            "numeric" | "decimal" => match *numbers {
                [precision] => Self::Numeric(Some((precision as u16, 0))),
                [precision, scale] => Self::Numeric(Some((precision as u16, scale as u16))),
                _ => Self::Numeric(None),
            },
            "real" | "float4" => Self::Real,
            "double precision" | "float8" | "double" => Self::Double,
            "boolean" | "bool" => Self::Boolean,
            "text" | "character varying" | "varchar" => Self::Text(numbers.first().copied()),
            "character" | "char" => Self::Text(Some(numbers.first().copied().unwrap_or(1))),
            "bytea" => Self::Bytea,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timetz" | "time with time zone" => Self::TimeTz,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => Self::Native(text.trim().to_owned()),
        }
    }
}

/// Fractional digits of a second of a type as `format_type` returns it, if there are fewer than nanoseconds have.
pub(crate) fn kept_fraction(text: &str) -> Option<u8> {
    if !text.starts_with("time") {
        return None;
    }
    let declared = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok());
    Some(declared.unwrap_or(6))
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _(),.[]\"".contains(&byte);
        if text.trim().is_empty() || !text.bytes().all(is_plain) {
            return Err(de::Error::custom(format_args!(
                "{text:?} is not a column type: write it as in CREATE TABLE, such as text, numeric(12,2) or timestamptz"
            )));
        }
        Ok(Self::parse(&text))
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
        json_schema!({ "type": "string", "description": "Type of a column as in CREATE TABLE, such as text or numeric(12,2)" })
    }
}
