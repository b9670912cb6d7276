//! Escapes foreign text so that it stays on one line.

use std::fmt;

/// Text that may come from a record or another system. Characters that could fake a log line or control a terminal are
/// escaped as in Rust's strings, `\n` or `\u{1b}`.
pub(crate) struct OneLine<'t>(pub(crate) &'t str);

impl OneLine<'_> {
    /// Control characters, line and paragraph separators, and characters that change the direction of text.
    fn escapes(character: char) -> bool {
        let is_format = || {
            matches!(character,
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        character.is_control() || is_format()
    }
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| Self::escapes(*character))
        {
            write!(out, "{}{}", &rest[..at], character.escape_default())?;
            rest = &rest[at + character.len_utf8()..];
        }
        out.write_str(rest)
    }
}
