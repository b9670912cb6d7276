//! Decimal numbers as digits: exact in any notation.

use std::fmt::{self, Write};

/// Maximum exponent: more than the digits of any text, and small enough for sums not to overflow.
const MAX_EXPONENT: i64 = 1 << 60;

/// A decimal number: its significant digits without leading and trailing zeros, and the position of the decimal point.
#[derive(Clone, Copy, Debug)]
pub struct Digits<'t> {
    is_negative: bool,
    /// Digits before and after the decimal point in the text.
    parts: [&'t str; 2],
    /// The number is 0.ddd * 10^point; of zero, 0.
    point: i64,
}

impl<'t> Digits<'t> {
    /// Parses a number in JSON notation.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let number = Self::plain(mantissa)?;
        if number.count() == 0 {
            return Some(number);
        }
        Some(Self { point: number.point.saturating_add(exponent), ..number })
    }

    /// Parses a number in JSON notation without an exponent.
    pub fn plain(text: &'t str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let has_spare_zero = whole.len() > 1 && whole.starts_with('0');
        if has_spare_zero || !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return None;
        }
        Some(Self::new(unsigned.len() < text.len(), whole, fraction.unwrap_or_default()))
    }

    /// The number `digits / 10^scale`.
    pub fn scaled(is_negative: bool, digits: &'t str, scale: i32) -> Self {
        let number = Self::new(is_negative, digits, "");
        if number.count() == 0 {
            return number;
        }
        Self { point: number.point.saturating_sub(scale.into()), ..number }
    }

    fn new(is_negative: bool, whole: &'t str, fraction: &'t str) -> Self {
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if !whole.is_empty() {
            let point = length(whole);
            let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
            return Self { is_negative, parts: [whole, fraction], point };
        }
        let digits = fraction.trim_start_matches('0');
        if digits.is_empty() {
            return Self { is_negative: false, parts: ["", ""], point: 0 };
        }
        Self { is_negative, parts: ["", digits], point: length(digits) - length(fraction) }
    }

    fn count(&self) -> i64 {
        self.parts.iter().map(|part| length(part)).sum()
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + use<'t> {
        let [whole, fraction] = self.parts;
        whole.bytes().chain(fraction.bytes())
    }

    /// Number of digits before the decimal point, without a single zero.
    pub fn integer(&self) -> i64 {
        self.point.max(0)
    }

    /// Digits after the decimal point.
    pub fn fraction(&self) -> i64 {
        self.count().saturating_sub(self.point).max(0)
    }

    /// The nearest float; infinite if the number is too large.
    pub fn to_f64(self) -> Option<f64> {
        let [whole, fraction] = self.parts;
        let sign = if self.is_negative { "-" } else { "" };
        format!("{sign}0.{whole}{fraction}0e{}", self.point).parse().ok()
    }
}

impl PartialEq for Digits<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.is_negative, self.point) == (other.is_negative, other.point) && self.bytes().eq(other.bytes())
    }
}

impl fmt::Display for Digits<'_> {
    /// Plain notation with as few digits as possible.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = self.bytes();
        if self.is_negative {
            formatter.write_char('-')?;
        }
        if self.integer() == 0 {
            formatter.write_char('0')?;
        }
        for _ in 0..self.integer() {
            formatter.write_char(digits.next().unwrap_or(b'0').into())?;
        }
        if self.fraction() == 0 {
            return Ok(());
        }
        formatter.write_char('.')?;
        for _ in self.point..0 {
            formatter.write_char('0')?;
        }
        digits.try_for_each(|digit| formatter.write_char(digit.into()))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    // The length of a text fits `i64`.
    i64::try_from(text.len()).unwrap_or(MAX_EXPONENT)
}

/// Parses an exponent, limited to the maximum.
fn read_exponent(text: &str) -> Option<i64> {
    let is_negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !is_digits(unsigned) {
        return None;
    }
    let size = unsigned.parse().unwrap_or(MAX_EXPONENT).min(MAX_EXPONENT);
    Some(if is_negative { -size } else { size })
}
