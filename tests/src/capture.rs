//! Change events that were captured from a real source.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::root;

/// One captured record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Captured {
    /// Topic.
    pub topic: String,
    /// Key, as text.
    pub key: Option<String>,
    /// Value, as text; `None` for a tombstone.
    pub value: Option<String>,
}

/// The path of a captured file, such as `shop-string/json.jsonl.gz`.
#[must_use]
pub fn captured_file(name: &str) -> PathBuf {
    root().join("tests/data").join(name)
}

/// The records of a captured file, in order.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn captured(name: &str) -> Vec<Captured> {
    let path = captured_file(name);
    read(&path).lines().map(|line| serde_json::from_str(line).expect("a captured record")).collect()
}

/// One captured record in a binary format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryCapture {
    /// Topic.
    pub topic: String,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; a tombstone has none.
    pub value: Option<Vec<u8>>,
}

/// The records of a captured file in a binary format, in order.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn captured_binary(name: &str) -> Vec<BinaryCapture> {
    let line = |line: &str| {
        let line: Json = serde_json::from_str(line).expect("a line of JSON");
        let part = |name: &str| line[name].as_str().map(|text| STANDARD.decode(text).expect("base64"));
        let topic = line["topic"].as_str().expect("a topic").to_owned();
        BinaryCapture { topic, key: part("key_base64"), value: part("value_base64") }
    };
    read(&captured_file(name)).lines().map(line).collect()
}

/// The schemas of a capture, as its registry had them.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn captured_schemas(name: &str) -> Json {
    serde_json::from_str(&read(&captured_file(name))).expect("a list of schemas")
}

fn read(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a file of text, compressed with gzip");
    text
}
