//! `key_reader_schema` and `value_reader_schema`: Avro schemas that records are resolved to.

use crate::config::section::Section;
use crate::formats::check_schema;

/// The largest file with a schema.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the schema: the path of a file, or the schema itself.
pub(super) fn read(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let written = section.name(key)?;
    let text = if written.trim_start().starts_with(['{', '[', '"']) {
        written
    } else {
        match read_file(&written) {
            Ok(text) => text,
            Err(reason) => {
                section.error(key, format!("cannot read {written}: {reason}"), None);
                return None;
            }
        }
    };
    match check_schema(&text) {
        Ok(()) => Some(text),
        Err(error) => {
            section.error(key, format!("not an Avro schema: {error}"), None);
            None
        }
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err("it is larger than 4 MiB".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}
