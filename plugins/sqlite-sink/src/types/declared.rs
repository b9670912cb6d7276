//! Types by name: the declared types of existing columns, and those in the connector file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::ColumnType;

/// The declared type of documents. A column `JSON` would have the affinity NUMERIC, which changes the document `1.50`.
pub(super) const JSON: &str = "JSON TEXT";

/// Allowed values, for messages.
const KNOWN: &str = "text, integer, real, boolean, blob and json";

impl ColumnType {
    /// The type of a column with this declared type, by SQLite's rules of affinity. `is_strict` is whether its table is STRICT.
    pub(crate) fn of_column(declared: &str, is_strict: bool) -> Self {
        let name = declared.to_ascii_uppercase();
        let contains = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if name == JSON {
            Self::Json
        } else if name.is_empty() || (is_strict && name == "ANY") {
            Self::Any
        } else if contains(&["INT"]) {
            Self::Integer
        } else if contains(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if contains(&["BLOB"]) {
            Self::Blob
        } else if contains(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else if name.starts_with("BOOL") {
            Self::Boolean
        } else {
            Self::Numeric
        }
    }

    /// The type for a name in the connector file, in any case.
    fn named(text: &str) -> Option<Self> {
        Some(match text.trim().to_lowercase().as_str() {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "real" => Self::Real,
            "boolean" => Self::Boolean,
            "blob" => Self::Blob,
            "json" => Self::Json,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let unknown = || de::Error::custom(format_args!("{text:?} is not a column type: use one of {KNOWN}"));
        Self::named(&text).ok_or_else(unknown)
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
        json_schema!({ "type": "string", "description": "Type of a column, such as text or integer" })
    }
}
