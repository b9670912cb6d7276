//! Bytes in the metadata of a committed offset, which Kafka keeps as text of 4,096 characters at most.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Says that the text is ours, and how to read it.
const PREFIX: &str = "tidegate-1:";

/// The text that holds `bytes`; empty for none.
pub(super) fn to_text(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let mut text = PREFIX.to_owned();
    STANDARD_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// The bytes that a text holds; none if somebody else wrote it, such as a tool that sets offsets.
pub(super) fn from_text(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_foreign_texts_are_left_alone() {
        assert_eq!(to_text(&[]), "");
        assert_eq!(to_text(&[1, 2, 255, 0]), "tidegate-1:AQL/AA");
        assert_eq!(from_text("tidegate-1:AQL/AA"), Some(vec![1, 2, 255, 0]));
        for foreign in ["", "reset by hand", "tidegate-1:*", "tidegate-2:AQL/AA"] {
            assert_eq!(from_text(foreign), None, "{foreign}");
        }
        assert!(to_text(&[0; 3_000]).len() <= 4_096);
    }
}
