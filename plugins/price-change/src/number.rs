//! Exact comparison of numbers in any encoding: 19.9, "19.90" and the decimal 1990 / 100 are equal.

use std::fmt;

use bigdecimal::{BigDecimal, ToPrimitive, Zero, num_bigint::BigInt};
use tidegate_plugin::{Value, ValueRef};

/// Maximum number of digits before or after the decimal point, to bound the time of calculations.
const MAX_EXPONENT: i64 = 1_000;

/// A change of a number.
pub(crate) struct NumberChange<'b> {
    old: Value<'b>,
    new: Value<'b>,
    from: BigDecimal,
    difference: BigDecimal,
}

impl<'b> NumberChange<'b> {
    /// The change from one number to another, possibly equal; `None` if one of them is not a number.
    pub(crate) fn between(old: Value<'b>, new: Value<'b>) -> Option<Self> {
        let (from, to) = (exact(old)?, exact(new)?);
        let difference = to - &from;
        Some(Self { old, new, from, difference })
    }

    /// Whether the number changed, by at least both limits.
    pub(crate) fn exceeds(&self, min_change: f64, min_percent: f64) -> bool {
        if self.difference.is_zero() {
            return false;
        }
        let size = self.difference.abs();
        let at_least = |limit: Option<BigDecimal>, size: BigDecimal| limit.is_none_or(|limit| size >= limit);
        let percent = shortest(min_percent).map(|percent| percent * self.from.abs());
        at_least(shortest(min_change), size.clone()) && at_least(percent, size * BigDecimal::from(100))
    }

    /// The change in percent, such as ` (-10.0 %)`; empty if the old number is zero.
    pub(crate) fn percent(&self) -> String {
        let (Some(difference), Some(from)) = (self.difference.to_f64(), self.from.to_f64()) else {
            return String::new();
        };
        let percent = difference / from.abs() * 100.0;
        if percent.is_finite() { format!(" ({percent:+.1} %)") } else { String::new() }
    }
}

/// Both numbers, as the source wrote them.
impl fmt::Display for NumberChange<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.old, self.new)
    }
}

/// The exact number of a value.
fn exact(value: Value<'_>) -> Option<BigDecimal> {
    match value.view() {
        ValueRef::Int(number) => Some(number.into()),
        ValueRef::UInt(number) => Some(number.into()),
        ValueRef::Float(number) => shortest(number),
        ValueRef::Number(text) | ValueRef::String(text) => parse(text),
        ValueRef::Decimal(decimal) => {
            let scale = i64::from(decimal.scale());
            let unscaled = BigInt::from_signed_bytes_be(decimal.unscaled());
            (scale.abs() <= MAX_EXPONENT).then(|| BigDecimal::new(unscaled, scale))
        }
        _ => None,
    }
}

/// The shortest decimal number for a float: 19.99, not 19.989999999999998436805981327779591083526611328125.
fn shortest(number: f64) -> Option<BigDecimal> {
    parse(&number.to_string())
}

fn parse(text: &str) -> Option<BigDecimal> {
    let number: BigDecimal = text.trim().parse().ok()?;
    let digits = i64::try_from(text.len()).ok()?;
    (digits <= MAX_EXPONENT && number.fractional_digit_count().abs() <= MAX_EXPONENT).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change<'b>(old: Value<'b>, new: Value<'b>) -> NumberChange<'b> {
        NumberChange::between(old, new).unwrap()
    }

    #[test]
    fn encodings_of_a_number_are_equal() {
        let same = [
            Value::float(19.9),
            Value::string("19.90"),
            Value::string(" 1.99e1 "),
            Value::number("19.900000000000000000000000000000000000"),
            Value::decimal(&[0x07, 0xc6], 2),
            Value::decimal(&[0, 0xc7], 1),
        ];
        for left in same {
            for right in same {
                assert!(!change(left, right).exceeds(0.0, 0.0), "{left:?} and {right:?}");
            }
        }
        assert!(!change(Value::int(5), Value::float(5.0)).exceeds(0.0, 0.0));
        assert!(!change(Value::uint(u64::MAX), Value::string("18446744073709551615")).exceeds(0.0, 0.0));
    }

    #[test]
    fn digits_beyond_the_precision_of_a_double_are_compared() {
        let (old, new) = ("12345678901234567890123456789012345678", "12345678901234567890123456789012345679");
        assert!(change(Value::string(old), Value::string(new)).exceeds(0.0, 0.0));
        assert!(change(Value::int(i64::MAX), Value::int(i64::MAX - 1)).exceeds(1.0, 0.0));
    }

    #[test]
    fn limits_are_inclusive() {
        let difference = change(Value::string("20.00"), Value::string("19.00"));
        assert!(difference.exceeds(1.0, 5.0));
        assert!(!difference.exceeds(1.01, 0.0));
        assert!(!difference.exceeds(0.0, 5.01));
        assert!(
            change(Value::int(0), Value::int(1)).exceeds(0.0, 50.0),
            "every change from zero exceeds any percentage"
        );
    }

    #[test]
    fn percentages_are_rounded() {
        assert_eq!(change(Value::string("19.99"), Value::string("17.99")).percent(), " (-10.0 %)");
        assert_eq!(change(Value::int(100), Value::int(150)).percent(), " (+50.0 %)");
        assert_eq!(change(Value::int(-10), Value::int(-5)).percent(), " (+50.0 %)");
        assert_eq!(change(Value::int(0), Value::int(5)).percent(), "");
    }

    #[test]
    fn other_values_are_not_numbers_and_have_no_change() {
        for value in [
            Value::string("B88="),
            Value::string(""),
            Value::string("NaN"),
            Value::float(f64::NAN),
            Value::bool(true),
        ] {
            assert!(NumberChange::between(Value::int(1), value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn numbers_with_huge_exponents_are_ignored() {
        for text in ["1e1000000000", "1e-1000000000", "9e9223372036854775807"] {
            assert!(NumberChange::between(Value::int(1), Value::string(text)).is_none(), "{text}");
        }
        assert!(NumberChange::between(Value::int(1), Value::decimal(&[1], i32::MAX)).is_none());
    }
}
