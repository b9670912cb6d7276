//! The part of docs/performance.md that the comparison writes.

use std::fs;

use tidegate_tests::root;

const END: &str = "<!-- end of figures -->\n";

/// Replaces the text between the markers of a comparison.
///
/// # Panics
/// If the document has no markers, or cannot be written.
pub(crate) fn replace(comparison: &str, text: &str) {
    let begin = format!("<!-- figures of cargo xtask peers {comparison} -->\n");
    let path = root().join("docs/performance.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) =
        old.split_once(&begin).expect("docs/performance.md has a marker for the begin of the figures");
    let (_, after) =
        rest.split_once(END).expect("docs/performance.md has a marker for the end of the figures");
    let new = format!("{before}{begin}\n{text}\n{END}{after}");
    fs::write(&path, new).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
