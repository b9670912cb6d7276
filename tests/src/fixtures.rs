//! Values that other projects' serializers wrote: see `tests/data/formats/README.md`.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use crate::root;

/// A value with its schema, and what it is decoded to.
#[derive(Clone, Debug, Deserialize)]
pub struct Fixture {
    /// Unique in its file.
    pub name: String,
    /// Id of the schema, unique in its file.
    pub schema_id: u32,
    /// Global id of the schema, if it is in a header.
    pub guid: Option<String>,
    /// `AVRO`, `PROTOBUF` or `JSON`.
    pub schema_type: String,
    /// The schema's text.
    pub schema: String,
    /// The serialized descriptor of a Protobuf schema.
    pub schema_base64: Option<String>,
    /// Schemas that the schema refers to.
    pub references: Vec<Reference>,
    /// The value of the Kafka message.
    #[serde(deserialize_with = "bytes")]
    pub payload: Vec<u8>,
    /// Its headers, in hexadecimal.
    pub headers: BTreeMap<String, String>,
    /// Options of Apicurio's serializer.
    #[serde(default)]
    pub options: serde_json::Value,
    /// The value of `apicurio_id` that is needed for them.
    pub apicurio_id: Option<String>,
    /// The JSON that the file sink writes; `None` if the value has to be rejected.
    pub expected: Option<String>,
}

/// A schema that another one refers to.
#[derive(Clone, Debug, Deserialize)]
pub struct Reference {
    /// How the schema calls it.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its version.
    pub version: u32,
    /// Its text.
    pub schema: String,
    /// The serialized descriptor, for Protobuf.
    pub schema_base64: Option<String>,
    /// Schemas that it refers to.
    pub references: Vec<Reference>,
}

/// The values of a file, such as `avro.jsonl`.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn fixtures(file: &str) -> Vec<Fixture> {
    let path = root().join("tests/data/formats").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}

/// The bytes of a text in hexadecimal.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn from_hexadecimal(text: &str) -> Vec<u8> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.unwrap_or_else(|| panic!("not hexadecimal: {text}"))
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(|text| from_hexadecimal(&text))
}
