//! Change events that were captured from a real source.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;

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

fn read(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a file of text, compressed with gzip");
    text
}
