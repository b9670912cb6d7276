//! Character sets of columns, and which characters they have.

use std::fmt;

/// Character set and collation of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charset {
    /// Such as `latin1`.
    pub(crate) name: String,
    /// Such as `latin1_swedish_ci`.
    pub(crate) collation: String,
}

impl Charset {
    /// Whether it has a character. Of sets that are not known here, only ASCII is used.
    pub(super) fn has(&self, character: char) -> bool {
        match self.name.as_str() {
            "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => true,
            "utf8mb3" | "utf8" | "ucs2" => u32::from(character) <= 0xffff,
            "latin1" => character.is_ascii() || ('\u{a0}'..='\u{ff}').contains(&character),
            _ => character.is_ascii(),
        }
    }

    /// Maximum bytes of a character that takes this many in UTF-8.
    pub(super) fn bytes(&self, of_utf8: usize) -> usize {
        if matches!(self.name.as_str(), "utf16" | "utf16le" | "utf32" | "ucs2") { 4 } else { of_utf8 }
    }
}

impl fmt::Display for Charset {
    /// As behind the type in a column definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, " CHARACTER SET {} COLLATE {}", self.name, self.collation)
    }
}
