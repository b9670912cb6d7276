//! The part of docs/performance.md that the comparison writes.

use std::fs;

use tidegate_tests::root;

const BEGIN: &str = "<!-- figures of cargo xtask peers connect -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Replaces the text between the markers.
///
/// # Panics
/// If the document has no markers, or cannot be written.
pub(crate) fn replace(text: &str) {
    let path = root().join("docs/performance.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) =
        old.split_once(BEGIN).expect("docs/performance.md has a marker for the begin of the figures");
    let (_, after) =
        rest.split_once(END).expect("docs/performance.md has a marker for the end of the figures");
    let new = format!("{before}{BEGIN}\n{text}\n{END}{after}");
    fs::write(&path, new).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
