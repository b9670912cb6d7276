//! Configuration structs and their JSON Schemas.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use tidegate_abi::Value;

use crate::{
    de::ValueDeserializer,
    error::{Error, OptionKey, Result},
};

/// A plugin's configuration: any struct that derives `Deserialize` and `JsonSchema`, or `()`.
///
/// The host rejects unknown keys. The doc comment of a field is its description. With
/// `#[schemars(extend("x-env" = "NAME"))]`, the environment variable is used if the connector file does not set the field.
/// A [`crate::Secret`] is never shown.
pub trait PluginConfig: DeserializeOwned {
    /// The JSON Schema, as text.
    #[must_use]
    fn schema() -> String;
}

/// Deserializes a configuration. An error names the option.
pub(crate) fn read_config<C: PluginConfig>(value: Value<'_>) -> Result<C> {
    serde_path_to_error::deserialize(ValueDeserializer(value)).map_err(|error| {
        let key = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(OptionKey::Index(*index)),
            Segment::Map { key } => Some(OptionKey::Name(key.clone())),
            Segment::Enum { variant } => Some(OptionKey::Name(variant.clone())),
            Segment::Unknown => None,
        };
        let keys: Vec<OptionKey> = error.path().iter().filter_map(key).collect();
        keys.into_iter().rev().fold(Error::invalid_config(error.inner()), Error::at)
    })
}

#[cfg(feature = "schema")]
impl<T: DeserializeOwned + schemars::JsonSchema> PluginConfig for T {
    fn schema() -> String {
        let mut schema =
            schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
        close_objects(schema.ensure_object());
        if schema.get("type").and_then(|kind| kind.as_str()) == Some("null") {
            return EMPTY.to_owned();
        }
        schema.as_value().to_string()
    }
}

#[cfg(not(feature = "schema"))]
impl PluginConfig for () {
    fn schema() -> String {
        EMPTY.to_owned()
    }
}

/// The schema of a plugin without options.
const EMPTY: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// Rejects unknown keys unless the struct allows them: a misspelled key must not be ignored.
#[cfg(feature = "schema")]
fn close_objects(schema: &mut serde_json::Map<String, serde_json::Value>) {
    let open = ["additionalProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf"];
    if schema.contains_key("properties") && !open.iter().any(|key| schema.contains_key(*key)) {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    for key in ["properties", "$defs"] {
        let Some(serde_json::Value::Object(children)) = schema.get_mut(key) else { continue };
        children.values_mut().filter_map(serde_json::Value::as_object_mut).for_each(close_objects);
    }
    if let Some(serde_json::Value::Object(items)) = schema.get_mut("items") {
        close_objects(items);
    }
}

#[cfg(all(test, feature = "schema"))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Secret;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Config {
        /// User name.
        #[schemars(extend("x-env" = "APP_USER"))]
        user: String,
        #[serde(default)]
        password: Secret,
        inner: Inner,
        labels: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        level: u8,
    }

    #[test]
    fn a_schema_has_everything_that_the_host_needs() {
        let schema: serde_json::Value = serde_json::from_str(&Config::schema()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["user"]["x-env"], "APP_USER");
        assert_eq!(schema["properties"]["user"]["description"], "User name.");
        assert_eq!(schema["properties"]["password"]["x-secret"], true);
        assert_eq!(schema["$defs"]["Inner"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["labels"]["additionalProperties"]["type"], "string");
    }

    #[test]
    fn no_options_is_an_empty_object() {
        assert_eq!(<()>::schema(), EMPTY);
    }
}
