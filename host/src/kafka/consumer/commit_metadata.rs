//! Encodes bytes as the metadata of a committed offset, which is text of at most 4,096 characters.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Marks metadata written by Tidegate, with its version.
const PREFIX: &str = "tidegate-1:";

/// Encodes bytes.
pub(super) fn to_text(bytes: &[u8]) -> String {
    let mut text = PREFIX.to_owned();
    STANDARD_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// Decodes a text; `None` if another tool wrote it, for example one that resets offsets.
pub(super) fn from_text(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_foreign_metadata() {
        assert_eq!((to_text(&[]).as_str(), from_text("tidegate-1:")), ("tidegate-1:", Some(Vec::new())));
        assert_eq!(to_text(&[1, 2, 255, 0]), "tidegate-1:AQL/AA");
        assert_eq!(from_text("tidegate-1:AQL/AA"), Some(vec![1, 2, 255, 0]));
        for foreign in ["", "reset by hand", "tidegate-1:*", "tidegate-2:AQL/AA"] {
            assert_eq!(from_text(foreign), None, "{foreign}");
        }
        assert!(to_text(&[0; 3_000]).len() <= 4_096);
    }
}
