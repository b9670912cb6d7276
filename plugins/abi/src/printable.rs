//! The escaping rule for everything that is printed: text from records and other systems never controls a terminal, begins a line
//! or changes the direction of the text behind it.
//!
//! Escaped are control characters (C0, DEL and C1), line and paragraph separators, and the characters that change the direction of
//! text (Unicode Technical Report 36, section 2.6; CVE-2021-42574).

use std::fmt::{self, Write};

/// Whether a character is escaped.
#[must_use]
pub fn is_escaped(character: char) -> bool {
    let is_format = || {
        matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    character.is_control() || is_format()
}

/// Text on one line, with escapes as in Rust's strings: `\n`, `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'t>(pub &'t str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(out, self.0, |out, character| write!(out, "{}", character.escape_default()))
    }
}

/// Passes a JSON document on with its characters escaped as in JSON: `\u009b`. Line ends between values stay.
///
/// Writers of JSON escape only what JSON demands, which is C0 within strings.
#[derive(Debug)]
pub struct PrintableJson<W>(pub W);

impl<W: Write> Write for PrintableJson<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most text has none of these characters, which are ASCII's DEL and beyond.
        if text.bytes().all(|byte| byte < 0x7f) {
            return self.0.write_str(text);
        }
        write_escaped(&mut self.0, text, |out, character| match character {
            '\n' => out.write_char('\n'),
            // All of them are in the basic multilingual plane.
            character => write!(out, "\\u{:04x}", u32::from(character)),
        })
    }
}

/// The beginning of a text: `max_bytes` at most, and whole characters only.
#[must_use]
pub fn beginning(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

fn write_escaped<W: Write>(
    out: &mut W,
    text: &str,
    escape: impl Fn(&mut W, char) -> fmt::Result,
) -> fmt::Result {
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_escaped(*character)) {
        out.write_str(rest.get(..at).unwrap_or_default())?;
        escape(out, character)?;
        rest = rest.get(at + character.len_utf8()..).unwrap_or_default();
    }
    out.write_str(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::write_json_string;

    const HOSTILE: &str = "a\u{1b}[2J\nb\u{7f}\u{9b}\u{2028}\u{202e}ä";

    #[test]
    fn text_stays_on_its_line() {
        let text = OneLine(HOSTILE).to_string();
        assert_eq!(text, "a\\u{1b}[2J\\nb\\u{7f}\\u{9b}\\u{2028}\\u{202e}ä");
        assert!(!text.contains(is_escaped));
        assert_eq!(OneLine("plain").to_string(), "plain");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((beginning("aä", 3), beginning("aä", 2), beginning("aä", 0)), ("aä", "a", ""));
    }

    #[test]
    fn json_stays_the_same_document() {
        let mut text = PrintableJson(String::new());
        text.write_str("[\n  ").unwrap();
        write_json_string(&mut text, HOSTILE).unwrap();
        text.write_str("\n]").unwrap();
        assert_eq!(text.0, "[\n  \"a\\u001b[2J\\nb\\u007f\\u009b\\u2028\\u202e\u{e4}\"\n]");
        assert!(!text.0.replace('\n', "").contains(is_escaped));
    }
}
