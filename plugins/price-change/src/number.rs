//! Numbers compared exactly, whatever their encoding: 19.9, "19.90" and the decimal 1990 / 100 are the same.

use std::fmt;

use bigdecimal::{BigDecimal, ToPrimitive, Zero, num_bigint::BigInt};
use tidegate_plugin::{Value, ValueRef};

/// Digits before or after the point beyond which nothing is a price any more, and arithmetic would take its time.
const MAX_EXPONENT: i64 = 1_000;

/// A number that moved.
pub(crate) struct Movement<'b> {
    old: Value<'b>,
    new: Value<'b>,
    from: BigDecimal,
    difference: BigDecimal,
}

impl<'b> Movement<'b> {
    /// From one number to another, perhaps the same; `None` when one of them is no number.
    pub(crate) fn between(old: Value<'b>, new: Value<'b>) -> Option<Self> {
        let (from, to) = (exact(old)?, exact(new)?);
        let difference = to - &from;
        Some(Self { old, new, from, difference })
    }

    /// Whether the number moved at all, and by as much as either limit asks.
    pub(crate) fn exceeds(&self, min_change: f64, min_percent: f64) -> bool {
        if self.difference.is_zero() {
            return false;
        }
        let size = self.difference.abs();
        let at_least = |limit: Option<BigDecimal>, size: BigDecimal| limit.is_none_or(|limit| size >= limit);
        let percent = shortest(min_percent).map(|percent| percent * self.from.abs());
        at_least(shortest(min_change), size.clone()) && at_least(percent, size * BigDecimal::from(100))
    }

    /// The movement in percent, such as ` (-10.0 %)`; empty where the old number is zero.
    pub(crate) fn percent(&self) -> String {
        let (Some(difference), Some(from)) = (self.difference.to_f64(), self.from.to_f64()) else {
            return String::new();
        };
        let percent = difference / from.abs() * 100.0;
        if percent.is_finite() { format!(" ({percent:+.1} %)") } else { String::new() }
    }
}

/// Both numbers as the source wrote them.
impl fmt::Display for Movement<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.old, self.new)
    }
}

/// The number that a value stands for.
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

/// A float as people read it: 19.99 and not 19.989999999999998436805981327779591083526611328125.
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

    fn movement<'b>(old: Value<'b>, new: Value<'b>) -> Movement<'b> {
        Movement::between(old, new).unwrap()
    }

    #[test]
    fn every_encoding_of_a_number_is_the_same_number() {
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
                assert!(!movement(left, right).exceeds(0.0, 0.0), "{left:?} and {right:?}");
            }
        }
        assert!(!movement(Value::int(5), Value::float(5.0)).exceeds(0.0, 0.0));
        assert!(!movement(Value::uint(u64::MAX), Value::string("18446744073709551615")).exceeds(0.0, 0.0));
    }

    #[test]
    fn digits_beyond_a_double_count() {
        let (old, new) = ("12345678901234567890123456789012345678", "12345678901234567890123456789012345679");
        assert!(movement(Value::string(old), Value::string(new)).exceeds(0.0, 0.0));
        assert!(movement(Value::int(i64::MAX), Value::int(i64::MAX - 1)).exceeds(1.0, 0.0));
    }

    #[test]
    fn limits_hold_at_their_very_value() {
        let moved = movement(Value::string("20.00"), Value::string("19.00"));
        assert!(moved.exceeds(1.0, 5.0));
        assert!(!moved.exceeds(1.01, 0.0));
        assert!(!moved.exceeds(0.0, 5.01));
        assert!(
            movement(Value::int(0), Value::int(1)).exceeds(0.0, 50.0),
            "from zero, any change is a large one"
        );
    }

    #[test]
    fn a_percentage_reads_well() {
        assert_eq!(movement(Value::string("19.99"), Value::string("17.99")).percent(), " (-10.0 %)");
        assert_eq!(movement(Value::int(100), Value::int(150)).percent(), " (+50.0 %)");
        assert_eq!(movement(Value::int(-10), Value::int(-5)).percent(), " (+50.0 %)");
        assert_eq!(movement(Value::int(0), Value::int(5)).percent(), "");
    }

    #[test]
    fn what_is_no_number_has_no_movement() {
        for value in [
            Value::string("B88="),
            Value::string(""),
            Value::string("NaN"),
            Value::float(f64::NAN),
            Value::bool(true),
        ] {
            assert!(Movement::between(Value::int(1), value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn numbers_that_would_take_forever_are_refused() {
        for text in ["1e1000000000", "1e-1000000000", "9e9223372036854775807"] {
            assert!(Movement::between(Value::int(1), Value::string(text)).is_none(), "{text}");
        }
        assert!(Movement::between(Value::int(1), Value::decimal(&[1], i32::MAX)).is_none());
    }
}
