//! Limits the memory of a record's values. For JSON, it is computed from the text before any is allocated.

use std::fmt;

use tidegate_abi::{Field, Value, value::plain_text_end};

/// Values exist twice at most: in an open collection, and in the arena once it is closed.
const COPIES: usize = 2;
const VALUE_BYTES: usize = COPIES * size_of::<Value<'_>>();
const FIELD_BYTES: usize = COPIES * size_of::<Field<'_>>();

/// More than any one byte of text can cost.
const MAX_PER_BYTE: usize = VALUE_BYTES;

/// What the values of one record may take.
#[derive(Debug, Default)]
pub(crate) struct MemoryBudget {
    limit: usize,
    left: usize,
}

/// The values of a record would not fit.
#[derive(Debug, thiserror::Error)]
#[error(
    "its values would take about {}, more than the {} that one batch may have: raise limits.memory",
    Size(*bytes),
    Size(*limit)
)]
pub(crate) struct TooLarge {
    bytes: usize,
    limit: usize,
}

/// What a schema adds to a payload would not fit: fields that it leaves out, zeros of bits.
#[derive(Debug, thiserror::Error)]
#[error(
    "would take more than the {} that one batch may have, with {added}: raise limits.memory",
    Size(*limit)
)]
pub(crate) struct BudgetExceeded {
    limit: usize,
    added: &'static str,
}

impl MemoryBudget {
    /// What `limit` bytes leave once the JSON of `payloads` is read. Small payloads, which fit whatever they hold, are
    /// not looked at.
    ///
    /// # Errors
    /// When their values take more.
    #[inline]
    pub(crate) fn after_payloads(payloads: [&[u8]; 2], limit: usize) -> Result<Self, TooLarge> {
        let text_bytes = payloads[0].len() + payloads[1].len();
        if text_bytes <= limit / MAX_PER_BYTE {
            return Ok(Self { limit, left: limit });
        }
        Self::measure(payloads, limit)
    }

    #[cold]
    fn measure(payloads: [&[u8]; 2], limit: usize) -> Result<Self, TooLarge> {
        let by = |count: fn(&[u8]) -> usize| payloads.into_iter().map(count).sum();
        let mut bytes = by(at_most);
        if bytes > limit {
            bytes = by(outside_strings);
        }
        match limit.checked_sub(bytes) {
            Some(left) => Ok(Self { limit, left }),
            None => Err(TooLarge { bytes, limit }),
        }
    }

    /// Takes the room of a record with so many fields.
    ///
    /// # Errors
    /// When there is no room left.
    #[inline]
    pub(crate) fn take_fields(&mut self, count: usize) -> Result<(), BudgetExceeded> {
        self.take(count * FIELD_BYTES, "the fields of its records")
    }

    /// Takes the room of so many items of lists or maps.
    ///
    /// # Errors
    /// When there is no room left.
    #[inline]
    pub(crate) fn take_items(&mut self, count: usize) -> Result<(), BudgetExceeded> {
        self.take(count * FIELD_BYTES, "the items of its lists and maps")
    }

    /// Takes the room of a field that does not stand in the text.
    ///
    /// # Errors
    /// When there is no room left.
    pub(crate) fn take_field(&mut self) -> Result<(), BudgetExceeded> {
        self.take(FIELD_BYTES, "the fields of its schema that it leaves out")
    }

    /// Takes the room of what else does not stand in the text; `added` names it.
    ///
    /// # Errors
    /// When there is no room left.
    pub(crate) fn take(&mut self, bytes: usize, added: &'static str) -> Result<(), BudgetExceeded> {
        self.left = self.left.checked_sub(bytes).ok_or(BudgetExceeded { limit: self.limit, added })?;
        Ok(())
    }
}

/// What a byte outside of strings stands for. A collection's first value is paid for by its bracket, each further one by
/// its comma, and a name by its colon; an empty collection pays too much.
const fn cost(byte: u8) -> usize {
    match byte {
        b',' | b'[' | b'{' => VALUE_BYTES,
        b':' => FIELD_BYTES - VALUE_BYTES,
        _ => 0,
    }
}

/// What the values of `text` take, or more: strings are looked into as well, which is quicker.
fn at_most(text: &[u8]) -> usize {
    text.iter().map(|byte| cost(*byte)).sum()
}

/// What the values of `text` take.
fn outside_strings(text: &[u8]) -> usize {
    let (mut bytes, mut at) = (0, 0);
    while let Some(byte) = text.get(at) {
        bytes += cost(*byte);
        at += 1;
        if *byte == b'"' {
            at = string_end(text, at);
        }
    }
    bytes
}

/// Index after the quote that ends the string whose text begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        at = plain_text_end::<false>(text, at);
        match text.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            // A control character: the parser will refuse it.
            Some(_) => at += 1,
            None => return at,
        }
    }
}

/// A size for people.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 10 << 20 => write!(out, "{} MiB", bytes >> 20),
            bytes => write!(out, "{} KiB", bytes.div_ceil(1 << 10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names_are_counted_and_text_is_not() {
        for (text, values, fields) in [
            ("1", 0, 0),
            ("[1,2,3]", 3, 0),
            (r#"{"a":1,"b":[true]}"#, 1, 2),
            (r#"{"a,[{:":"\",[{:","b\\":1}"#, 0, 2),
            (r#"{"never ends,,,,"#, 1, 0),
        ] {
            let expected = values * VALUE_BYTES + fields * FIELD_BYTES;
            assert_eq!(outside_strings(text.as_bytes()), expected, "{text}");
            assert!(at_most(text.as_bytes()) >= expected, "{text}");
        }
    }

    #[test]
    fn no_text_of_a_length_costs_more_than_is_allowed_without_looking() {
        for byte in 0..=255 {
            assert!(cost(byte) <= MAX_PER_BYTE, "{byte}");
        }
    }

    #[test]
    fn sizes_are_rounded_to_what_people_read() {
        assert_eq!(Size(900 << 20).to_string(), "900 MiB");
        assert_eq!(Size((1 << 20) + 1).to_string(), "1025 KiB");
    }
}
