//! Decimals from their text or their bytes: unscaled bytes at a wanted scale.

/// More digits than this, zeros of an exponent included, are refused: their conversion takes quadratic time.
const MAX_DIGITS: usize = 4_096;
/// What so many digits take in binary, which is 3.32 bits each, with the sign.
const MAX_BYTES: usize = MAX_DIGITS * 333 / 800 + 1;

/// The unscaled value of a decimal, if these bytes can be one. No bytes at all are no number, since zero is one byte, and too
/// many are refused as too many digits are.
pub(crate) fn unscaled_of_bytes(bytes: &[u8]) -> Option<&[u8]> {
    (1..=MAX_BYTES).contains(&bytes.len()).then_some(bytes)
}

/// Writes the unscaled value of a decimal text (JSON's notation, exponents allowed) at `scale` into `out`: big-endian
/// two's complement, as short as it can be. `None` if it is no number, has more digits than the scale, or far too many.
pub(super) fn unscaled_of_text(text: &str, scale: i32, out: &mut Vec<u8>) -> Option<()> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let mut digits = whole.bytes().chain(fraction.bytes());
    let count = whole.len() + fraction.len();
    if count == 0 || count > MAX_DIGITS || !digits.clone().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let zeros = exponent.checked_add(i64::from(scale))?.checked_sub(fraction.len() as i64)?;
    // Digits beyond the scale may only be zeros.
    let dropped = usize::try_from(zeros.min(0).unsigned_abs()).ok()?.min(count);
    let kept = count - dropped;
    out.clear();
    digits.by_ref().take(kept).for_each(|digit| push_digit(out, digit - b'0'));
    if digits.any(|digit| digit != b'0') {
        return None;
    }
    if !out.is_empty() {
        let zeros = usize::try_from(zeros.max(0)).ok().filter(|zeros| zeros + count <= MAX_DIGITS)?;
        (0..zeros).for_each(|_| push_digit(out, 0));
    }
    finish(out, unsigned.len() < text.len());
    Some(())
}

/// Little-endian magnitude times ten plus a digit. Zero is no bytes.
fn push_digit(magnitude: &mut Vec<u8>, digit: u8) {
    let mut carry = u16::from(digit);
    for byte in magnitude.iter_mut() {
        let value = u16::from(*byte) * 10 + carry;
        *byte = value as u8;
        carry = value >> 8;
    }
    if carry > 0 {
        magnitude.push(carry as u8);
    }
}

/// Little-endian magnitude to big-endian two's complement.
fn finish(bytes: &mut Vec<u8>, negative: bool) {
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in bytes.iter_mut() {
            let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = value;
            carry = overflow;
        }
    }
    // The extra byte is there for the sign; it goes where the byte below shows the same.
    if let [.., below, top] = bytes[..]
        && (below ^ top) & 0x80 == 0
    {
        bytes.pop();
    }
    bytes.reverse();
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Decimal;

    use super::*;

    fn shown(text: &str, scale: i32) -> Option<String> {
        let mut out = vec![9];
        unscaled_of_text(text, scale, &mut out)?;
        Some(Decimal::new(&out, scale).to_string())
    }

    #[test]
    fn bytes_have_as_many_digits_as_text_may_have() {
        let longest = "9".repeat(MAX_DIGITS);
        let mut out = Vec::new();
        unscaled_of_text(&longest, 0, &mut out).unwrap();
        assert_eq!(unscaled_of_bytes(&out), Some(&out[..]));
        assert!(out.len() + 5 > MAX_BYTES, "the limit is not much larger");
        assert_eq!((unscaled_of_bytes(&[]), unscaled_of_bytes(&vec![1; MAX_BYTES + 1])), (None, None));
    }

    #[test]
    fn text_becomes_the_same_decimal() {
        for (text, scale, expected) in [
            ("10.2", 2, "10.20"),
            ("-0.01", 2, "-0.01"),
            ("0", 3, "0.000"),
            ("-0", 0, "0"),
            ("1.5e3", 2, "1500.00"),
            ("12E-2", 2, "0.12"),
            ("1.500", 1, "1.5"),
            ("1200", -2, "1200"),
            ("0e9999999", 1, "0.0"),
            ("127", 0, "127"),
            ("128", 0, "128"),
            ("-128", 0, "-128"),
            ("-129", 0, "-129"),
            (
                "12345678901234567890123456789012345678901234567890.5",
                1,
                "12345678901234567890123456789012345678901234567890.5",
            ),
        ] {
            assert_eq!(shown(text, scale).as_deref(), Some(expected), "{text} at {scale}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, scale) in
            [("1.234", 2), ("1e-3", 2), ("15", -1), ("", 0), ("-", 0), ("1e999999999", 0), ("NaN", 0)]
        {
            assert_eq!(shown(text, scale), None, "{text} at {scale}");
        }
    }

    #[test]
    fn bytes_are_as_short_as_java_makes_them() {
        for (text, bytes) in
            [("0", &[0][..]), ("127", &[127]), ("128", &[0, 128]), ("-128", &[128]), ("-1", &[255])]
        {
            let mut out = Vec::new();
            unscaled_of_text(text, 0, &mut out).unwrap();
            assert_eq!(out, bytes, "{text}");
        }
    }
}
