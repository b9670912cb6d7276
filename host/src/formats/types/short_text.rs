//! A short text on the stack: a number is formatted into it without an allocation.

use std::fmt;

/// Text of at most 64 bytes. Formatting more is an error.
pub(crate) struct ShortText {
    bytes: [u8; 64],
    len: usize,
}

impl ShortText {
    /// Formats `arguments`. Returns nothing when they are too long.
    pub(crate) fn format(arguments: fmt::Arguments<'_>) -> Option<Self> {
        let mut text = Self { bytes: [0; 64], len: 0 };
        fmt::Write::write_fmt(&mut text, arguments).ok()?;
        Some(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole texts are written.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let to = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
