//! The fixtures of `tests/data/formats`, and the captured events.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value as Json;

/// The value of a fixture behind its prefix; `None` if its schema id is in a header.
pub(crate) fn data_of(fixture: &Json) -> Option<Vec<u8>> {
    let is_prefixed = fixture["headers"].as_object().is_none_or(serde_json::Map::is_empty);
    let payload = fixture["payload"].as_str()?;
    let bytes: Vec<u8> = (0..payload.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(payload.get(at..at + 2)?, 16).ok())
        .collect();
    bytes.get(5..).filter(|_| is_prefixed).map(<[u8]>::to_vec)
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data")
}

/// The fixtures of some files whose schemas are of `kind`.
pub(crate) fn fixtures(files: &[&str], kind: &str) -> Vec<Json> {
    let read =
        |file: &&str| fs::read_to_string(data().join("formats").join(file)).expect("a file of fixtures");
    let texts: Vec<String> = files.iter().map(read).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| serde_json::from_str::<Json>(line).expect("a fixture"))
        .filter(|fixture| fixture["schema_type"] == kind)
        .collect()
}

/// The lines of a compressed file of `tests/data`.
pub(crate) fn captured(file: &str) -> Vec<Json> {
    unzip(file).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The schemas of a capture.
pub(crate) fn captured_schemas(file: &str) -> Vec<Json> {
    serde_json::from_str(&unzip(file)).expect("a list of schemas")
}

fn unzip(file: &str) -> String {
    let mut text = String::new();
    let file = File::open(data().join(file)).expect("a capture");
    GzDecoder::new(file).read_to_string(&mut text).expect("a gzip file");
    text
}

/// The names of the inputs from bug reports.
pub(crate) fn reports() -> Vec<String> {
    let names = fs::read_dir(data().join("reports")).expect("a folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".jsonl.gz")).collect();
    names.sort();
    names.iter().map(|name| format!("reports/{name}")).collect()
}

/// A part of a captured line: text or base64.
pub(crate) fn part(line: &Json, name: &str) -> Option<Vec<u8>> {
    let binary = line[format!("{name}_base64")].as_str();
    binary
        .map(|text| STANDARD.decode(text).expect("base64"))
        .or_else(|| line[name].as_str().map(|text| text.as_bytes().to_vec()))
}
