//! Looks at eight bytes of a JSON string at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is zero. Exact for the first such byte, which is the only one asked for.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

/// The high bit of every byte that ends a run of plain text.
const fn specials<const DELETE: bool>(word: u64) -> u64 {
    let quotes = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslashes = zero_bytes(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS;
    let deletes = if DELETE { zero_bytes(word ^ (ONES * 0x7f)) } else { 0 };
    quotes | backslashes | controls | deletes
}

/// Returns the index of the first quote, backslash or control character from `at` on, or the length if there is none. With
/// `DELETE`, the control character DEL counts too; JSON allows it in strings.
#[inline]
#[must_use]
#[cfg_attr(
    not(feature = "host"),
    expect(unreachable_pub, reason = "only the host uses it outside of this crate")
)]
pub fn plain_text_end<const DELETE: bool>(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = specials::<DELETE>(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20) || DELETE && *byte == 0x7f;
    at + tail.iter().position(is_special).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_is_found_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let special = byte == b'"' || byte == b'\\' || byte < 0x20;
                    let end = |special: bool| if special { at } else { length };
                    assert_eq!(plain_text_end::<false>(&text, 0), end(special), "{byte} at {at} of {length}");
                    let special = special || byte == 0x7f;
                    assert_eq!(plain_text_end::<true>(&text, 0), end(special), "{byte} at {at} of {length}");
                }
            }
        }
    }
}
