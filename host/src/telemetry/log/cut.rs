//! Cuts values off that are too long for a log line: a name in a record may have many megabytes.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
};

use tidegate_abi::printable::beginning;

use crate::telemetry::redact::scrub;

/// The longest message, and the longest value of a field, in bytes.
const MAX_BYTES: usize = 4 << 10;
/// What is looked at for secrets. It is more, because a secret at the cut would not be found.
const MAX_COLLECTED: usize = 64 << 10;

/// The text of a value without secrets, cut off if it is too long.
pub(super) fn cut(value: &dyn Display) -> String {
    let mut collected = Collected::default();
    let _infallible = write!(collected, "{value}");
    let text = scrub(&collected.text);
    if text.len() <= MAX_BYTES && collected.text.len() == collected.bytes {
        return text.into_owned();
    }
    format!("{}.. ({} bytes in all)", beginning(&text, MAX_BYTES), collected.bytes)
}

/// As [`cut`], for a text.
pub(super) fn cut_str(value: &str) -> Cow<'_, str> {
    if value.len() <= MAX_BYTES { Cow::Borrowed(value) } else { Cow::Owned(cut(&value)) }
}

/// The beginning of a text, and the length of all of it.
#[derive(Default)]
struct Collected {
    text: String,
    bytes: usize,
}

impl Write for Collected {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = MAX_COLLECTED.saturating_sub(self.text.len());
        self.text.push_str(beginning(text, free));
        self.bytes += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_with_their_length() {
        assert_eq!(cut(&"short"), "short");
        let exact = "x".repeat(MAX_BYTES);
        assert_eq!((cut(&exact), cut_str(&exact)), (exact.clone(), Cow::Borrowed(&*exact)));
        let text = cut(&"ä".repeat(10_000_000));
        assert!(
            text.len() < MAX_BYTES + 40 && text.ends_with("ä.. (20000000 bytes in all)"),
            "{}",
            text.len()
        );
        assert_eq!(cut_str(&"y".repeat(5_000)), "y".repeat(MAX_BYTES) + ".. (5000 bytes in all)");
    }
}
