//! Decimals of arbitrary length: big-endian two's complement unscaled bytes and a scale, as in Kafka Connect.

use std::fmt;

/// A decimal number: unscaled / 10^scale.
#[derive(Clone, Copy)]
pub struct Decimal<'b> {
    unscaled: &'b [u8],
    scale: i32,
}

impl<'b> Decimal<'b> {
    /// A decimal from big-endian two's complement bytes.
    #[must_use]
    pub const fn new(unscaled: &'b [u8], scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// The unscaled value, big-endian two's complement; empty is zero.
    #[must_use]
    pub const fn unscaled(&self) -> &'b [u8] {
        self.unscaled
    }

    /// Digits after the decimal point; negative for trailing zeros before it.
    #[must_use]
    pub const fn scale(&self) -> i32 {
        self.scale
    }

    /// The unscaled value, if it fits 128 bits. 38 digits always fit.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        let fill = if self.is_negative() { 0xff } else { 0 };
        let extra = self.unscaled.len().saturating_sub(16);
        let (head, tail) = self.unscaled.split_at(extra);
        if head.iter().any(|byte| *byte != fill) {
            return None;
        }
        let mut bytes = [fill; 16];
        bytes[16 - tail.len()..].copy_from_slice(tail);
        let value = i128::from_be_bytes(bytes);
        ((value < 0) == self.is_negative()).then_some(value)
    }

    fn is_negative(&self) -> bool {
        self.unscaled.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// The digits of the unscaled value, without sign.
    fn digits(&self) -> String {
        self.to_i128()
            .map_or_else(|| long_digits(self.unscaled, self.is_negative()), |v| v.unsigned_abs().to_string())
    }
}

/// Digits of a number beyond 128 bits, by repeated division of its 32-bit limbs.
fn long_digits(bytes: &[u8], negative: bool) -> String {
    const CHUNK: u64 = 1_000_000_000;
    let mut magnitude = bytes.to_vec();
    if negative {
        magnitude.iter_mut().for_each(|byte| *byte = !*byte);
        for byte in magnitude.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                break;
            }
        }
    }
    let mut limbs: Vec<u32> = magnitude
        .rchunks(4)
        .rev()
        .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
        .collect();
    let mut chunks = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let remainder = limbs.iter_mut().fold(0, |carry, limb| {
            let value = carry << 32 | u64::from(*limb);
            *limb = (value / CHUNK) as u32;
            value % CHUNK
        });
        chunks.push(remainder);
    }
    let mut digits = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        digits.push_str(&format!("{chunk:09}"));
    }
    digits
}

impl fmt::Display for Decimal<'_> {
    /// Plain notation with all its digits: `10.20`, `-0.005`, `1200`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        if self.is_negative() {
            formatter.write_str("-")?;
        }
        let Ok(scale) = usize::try_from(self.scale) else {
            // A scale below -1000 would print too many zeros; an exponent is equally exact.
            if self.scale < -1000 {
                return write!(formatter, "{digits}e{}", self.scale.unsigned_abs());
            }
            let zeros = if digits == "0" { 0 } else { self.scale.unsigned_abs() as usize };
            return write!(formatter, "{digits}{:0<zeros$}", "");
        };
        if scale == 0 {
            return formatter.write_str(&digits);
        }
        if scale > digits.len() + 1000 {
            return write!(formatter, "{digits}e-{scale}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(formatter, "{whole}.{fraction}")
    }
}

impl fmt::Debug for Decimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_read_with_all_their_digits() {
        assert_eq!(Decimal::new(&[0x03, 0xfc], 2).to_string(), "10.20");
        assert_eq!(Decimal::new(&[0xff], 2).to_string(), "-0.01");
        assert_eq!(Decimal::new(&[], 2).to_string(), "0.00");
        assert_eq!(Decimal::new(&[12], -2).to_string(), "1200");
        assert_eq!(Decimal::new(&[0], -2).to_string(), "0");
        assert_eq!(
            Decimal::new(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], 1).to_string(),
            "0.5"
        );
    }

    #[test]
    fn decimals_beyond_128_bits_are_exact() {
        // 2^136 and -2^136.
        let mut bytes = [0u8; 18];
        bytes[0] = 1;
        assert_eq!(Decimal::new(&bytes, 0).to_string(), "87112285931760246646623899502532662132736");
        bytes[0] = 0xff;
        assert_eq!(Decimal::new(&bytes, 1).to_string(), "-8711228593176024664662389950253266213273.6");
        assert_eq!(Decimal::new(&bytes, 0).to_i128(), None);
    }

    #[test]
    fn a_sign_bit_lost_by_cutting_is_not_mistaken() {
        // 2^127 needs 17 bytes: its low 16 bytes would be a negative number.
        let mut bytes = [0u8; 17];
        bytes[1] = 0x80;
        assert_eq!(Decimal::new(&bytes, 0).to_i128(), None);
        assert_eq!(Decimal::new(&bytes, 0).to_string(), "170141183460469231731687303715884105728");
    }
}
