//! The exact number of a value.

use std::fmt::{self, Write};

use tidegate_plugin::{Decimal, ValueRef};

use super::digits::Digits;

/// Longer unscaled values are not numbers for a sink, even if most of their digits are zeros: converting them takes
/// quadratic time.
const MAX_UNSCALED_BYTES: usize = 64;

/// Number of digits before and after the decimal point, without leading and trailing zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Before the decimal point.
    pub integer: i64,
    /// After the decimal point.
    pub fraction: i64,
}

/// Passes the digits of a number to `then`; `None` if the value is not a number. Text is a number if it has no
/// exponent and no leading zeros: `007` and `1e3` may be names.
pub fn with_digits<T>(value: ValueRef<'_>, then: impl FnOnce(Digits<'_>) -> T) -> Option<T> {
    let mut text = ShortText::new();
    let digits = match value {
        ValueRef::Int(number) => {
            Digits::scaled(number < 0, text.write(format_args!("{}", number.unsigned_abs()))?, 0)
        }
        ValueRef::UInt(number) => Digits::scaled(false, text.write(format_args!("{number}"))?, 0),
        ValueRef::Float(number) if number.is_finite() => {
            Digits::parse(text.write(format_args!("{number:e}"))?)?
        }
        ValueRef::Number(number) => Digits::parse(number)?,
        ValueRef::String(number) => Digits::plain(number)?,
        ValueRef::Decimal(decimal) => match decimal.to_i128() {
            Some(unscaled) => {
                let digits = text.write(format_args!("{}", unscaled.unsigned_abs()))?;
                Digits::scaled(unscaled < 0, digits, decimal.scale())
            }
            None => return with_long_decimal(decimal, then),
        },
        _ => return None,
    };
    Some(then(digits))
}

fn with_long_decimal<T>(decimal: Decimal<'_>, then: impl FnOnce(Digits<'_>) -> T) -> Option<T> {
    if decimal.unscaled().len() > MAX_UNSCALED_BYTES {
        return None;
    }
    Digits::parse(&decimal.to_string()).map(then)
}

/// The size of a number for a column with `scale` digits after the decimal point; `None` if the value is not a number.
pub fn size(value: ValueRef<'_>, scale: u8) -> Option<Size> {
    match value {
        ValueRef::Int(number) => Some(Size { integer: count(number.unsigned_abs().into()), fraction: 0 }),
        ValueRef::UInt(number) => Some(Size { integer: count(number.into()), fraction: 0 }),
        // The common case: trailing zeros make no difference.
        ValueRef::Decimal(decimal) if (0..=i32::from(scale)).contains(&decimal.scale()) => {
            let declared = i64::from(decimal.scale());
            match decimal.to_i128() {
                Some(unscaled) => {
                    let integer = (count(unscaled.unsigned_abs()) - declared).max(0);
                    Some(Size { integer, fraction: declared })
                }
                None => exact_size(value),
            }
        }
        _ => exact_size(value),
    }
}

fn exact_size(value: ValueRef<'_>) -> Option<Size> {
    with_digits(value, |digits| Size { integer: digits.integer(), fraction: digits.fraction() })
}

fn count(number: u128) -> i64 {
    number.checked_ilog10().map_or(0, |digits| i64::from(digits) + 1)
}

/// The float with exactly this value, if there is one.
pub fn exact_float(value: ValueRef<'_>) -> Option<f64> {
    with_digits(value, |digits| {
        let float = digits.to_f64().filter(|float| float.is_finite())?;
        with_digits(ValueRef::Float(float), |shortest| shortest == digits)?.then_some(float)
    })?
}

/// A short text on the stack: 128-bit integers have up to 39 digits, floats up to 24 bytes.
struct ShortText {
    bytes: [u8; 40],
    len: usize,
}

impl ShortText {
    const fn new() -> Self {
        Self { bytes: [0; 40], len: 0 }
    }

    fn write(&mut self, arguments: fmt::Arguments<'_>) -> Option<&str> {
        self.write_fmt(arguments).ok()?;
        std::str::from_utf8(self.bytes.get(..self.len)?).ok()
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
