//! Bit strings: Debezium's `io.debezium.data.Bits` as the text that the database shows.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::convert::Store;

/// More bits than a column of any source has (PostgreSQL: 83,886,080). Debezium says 2147483647 where a column has no
/// length.
const LONGEST: u32 = 83_886_080;

/// How many bits the values of a column have, from the parameter `length` of its schema; `None` where that does not
/// tell: it is missing, or the column is of varying length without a limit.
pub(crate) fn length(declared: Option<u32>) -> Option<u32> {
    declared.filter(|length| (1..=LONGEST).contains(length))
}

/// The bits in base64, the lowest byte first, as text with the highest bit first.
///
/// PostgreSQL's connector leaves out the zero bytes at the high end, the others send as many bytes as the length needs.
/// So zeros are added up to `length`; without one the text begins with the highest bit that is set. Bits beyond the
/// length are kept.
pub(super) fn text<'b>(base64: &str, length: Option<u32>, store: &mut impl Store<'b>) -> Option<&'b str> {
    let buffer = store.buffer();
    buffer.clear();
    STANDARD.decode_vec(base64, buffer).ok()?;
    shown(length, store)
}

/// The same for the bytes themselves.
pub(super) fn text_of_bytes<'b>(
    bytes: &[u8],
    length: Option<u32>,
    store: &mut impl Store<'b>,
) -> Option<&'b str> {
    let buffer = store.buffer();
    buffer.clear();
    buffer.extend_from_slice(bytes);
    shown(length, store)
}

/// The text for the bytes in the buffer.
fn shown<'b>(length: Option<u32>, store: &mut impl Store<'b>) -> Option<&'b str> {
    let buffer = store.buffer();
    let sent = buffer.len();
    let set = buffer.iter().rposition(|byte| *byte != 0).map_or(0, |last| {
        let high = 8 - buffer.get(last).map_or(0, |byte| byte.leading_zeros() as usize);
        last * 8 + high
    });
    let width = set.max(length.unwrap_or(0) as usize);
    for bit in (0..width).rev() {
        let is_set = buffer.get(..sent)?.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
        buffer.push(if is_set { b'1' } else { b'0' });
    }
    buffer.drain(..sent);
    std::str::from_utf8(store.keep()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::types::convert::LeakStore;

    fn shown_text(base64: &str, declared: Option<u32>) -> Option<&'static str> {
        text(base64, length(declared), &mut LeakStore::default())
    }

    #[test]
    fn bits_are_shown_as_the_database_shows_them() {
        for (base64, declared, expected) in [
            ("AgE=", Some(16), "0000000100000010"),
            ("/wA=", Some(16), "0000000011111111"),
            ("/w==", Some(16), "0000000011111111"),
            ("qgo=", Some(12), "101010101010"),
            ("", Some(12), "000000000000"),
            ("AwI=", Some(2_147_483_647), "1000000011"),
            ("Cw==", Some(2_147_483_647), "1011"),
            ("", Some(2_147_483_647), ""),
            ("AA==", None, ""),
            ("AQ==", None, "1"),
            ("AQ==", Some(0), "1"),
            ("AQ==", Some(1), "1"),
            ("//////////8=", Some(64), "1111111111111111111111111111111111111111111111111111111111111111"),
        ] {
            assert_eq!(shown_text(base64, declared), Some(expected), "{base64} of {declared:?}");
        }
    }

    #[test]
    fn bits_beyond_the_length_are_kept() {
        assert_eq!(shown_text("/wE=", Some(5)), Some("111111111"));
    }

    #[test]
    fn text_that_is_not_base64_is_rejected() {
        for text in ["010", "b'0101'", "true or false", "AgE"] {
            assert_eq!(shown_text(text, Some(4)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_bit_string_of_a_fixed_length_comes_back(bits in "[01]{2,80}", trimmed: bool) {
            let mut bytes = vec![0u8; bits.len().div_ceil(8)];
            for (at, bit) in bits.bytes().rev().enumerate() {
                bytes[at / 8] |= (bit - b'0') << (at % 8);
            }
            while trimmed && bytes.last() == Some(&0) {
                bytes.pop();
            }
            prop_assert_eq!(shown_text(&STANDARD.encode(&bytes), Some(bits.len() as u32)), Some(&*bits));
        }
    }
}
