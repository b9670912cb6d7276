//! Reads eight digits at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number that the eight bytes at `at` spell, if all are digits.
///
/// Daniel Lemire, "Quickly parsing eight digits" (2018).
#[inline]
pub(super) fn eight_digits(bytes: &[u8], at: usize) -> Option<u64> {
    let word = word(bytes, at)?;
    let digits = word ^ (ONES * b'0' as u64);
    if (digits.wrapping_add(ONES * 0x76) | digits) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some(low.wrapping_add(high) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_read_and_nothing_else() {
        assert_eq!(eight_digits(b"12345678", 0), Some(12_345_678));
        assert_eq!(eight_digits(b"x99999999", 1), Some(99_999_999));
        assert_eq!(eight_digits(b"1234567", 0), None);
        for at in 0..8 {
            for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"98765432";
                text[at] = byte;
                assert_eq!(eight_digits(&text, 0), None, "{byte} at {at}");
            }
        }
    }
}
