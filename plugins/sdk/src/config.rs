//! Configuration: a Rust struct, and the JSON Schema that describes it.

use serde::de::DeserializeOwned;

/// A plugin's configuration: any struct that derives `Deserialize` and `JsonSchema`, or `()`.
///
/// Keys that the struct does not have are refused by the host. A field's doc comment is its description;
/// `#[schemars(extend("x-env" = "NAME"))]` names the environment variable that fills it when the connector file does
/// not; a [`crate::Secret`] is never shown.
pub trait PluginConfig: DeserializeOwned {
    /// The JSON Schema, as text.
    #[must_use]
    fn schema() -> String;
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

/// The schema of a plugin that has nothing to configure.
const EMPTY: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// Refuses unknown keys wherever the struct does not say otherwise: a mistyped key must not be ignored.
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
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Config {
        /// Who.
        #[schemars(extend("x-env" = "APP_USER"))]
        user: String,
        #[serde(default)]
        password: Secret,
        inner: Inner,
        labels: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        level: u8,
    }

    #[test]
    fn a_schema_says_what_the_host_needs() {
        let schema: serde_json::Value = serde_json::from_str(&Config::schema()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["user"]["x-env"], "APP_USER");
        assert_eq!(schema["properties"]["user"]["description"], "Who.");
        assert_eq!(schema["properties"]["password"]["x-secret"], true);
        assert_eq!(schema["$defs"]["Inner"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["labels"]["additionalProperties"]["type"], "string");
    }

    #[test]
    fn nothing_to_configure_is_an_empty_object() {
        assert_eq!(<()>::schema(), EMPTY);
    }
}
