//! Structural comparison of values.

use tidegate_abi::{Struct, Value, ValueRef};

/// Whether two values are identical: the same kind and the same content, to the last digit.
///
/// `1` and `1.0` are different, and so are the decimals 1.5 and 1.50; `NaN` is identical to itself. The comparison does
/// not allocate, so it can be used as a fast check before a semantic comparison.
#[must_use]
pub fn same_value(left: Value<'_>, right: Value<'_>) -> bool {
    match (left.view(), right.view()) {
        (ValueRef::Null, ValueRef::Null) | (ValueRef::Unavailable, ValueRef::Unavailable) => true,
        (ValueRef::Bool(left), ValueRef::Bool(right)) => left == right,
        (ValueRef::Int(left), ValueRef::Int(right)) => left == right,
        (ValueRef::UInt(left), ValueRef::UInt(right)) => left == right,
        (ValueRef::Float(left), ValueRef::Float(right)) => left.to_bits() == right.to_bits(),
        (ValueRef::Number(left), ValueRef::Number(right))
        | (ValueRef::String(left), ValueRef::String(right))
        | (ValueRef::Json(left), ValueRef::Json(right)) => left == right,
        (ValueRef::Decimal(left), ValueRef::Decimal(right)) => {
            left.scale() == right.scale() && left.unscaled() == right.unscaled()
        }
        (ValueRef::Bytes(left), ValueRef::Bytes(right)) => left == right,
        (ValueRef::Date(left), ValueRef::Date(right)) => left == right,
        (ValueRef::Time(left), ValueRef::Time(right)) => left == right,
        (ValueRef::Timestamp(left), ValueRef::Timestamp(right)) => left == right,
        (ValueRef::Interval(left), ValueRef::Interval(right)) => left == right,
        (ValueRef::Uuid(left), ValueRef::Uuid(right)) => left == right,
        (ValueRef::List(left), ValueRef::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| same_value(left, right))
        }
        (ValueRef::Struct(left), ValueRef::Struct(right)) => same_fields(left, right),
        _ => false,
    }
}

fn same_fields(left: Struct<'_>, right: Struct<'_>) -> bool {
    let same = |(left, right): ((&str, Value<'_>), (&str, Value<'_>))| {
        left.0 == right.0 && same_value(left.1, right.1)
    };
    left.len() == right.len() && left.iter().zip(right.iter()).all(same)
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Field;

    use super::*;

    #[test]
    fn kind_and_content_are_compared() {
        assert!(same_value(Value::int(1), Value::int(1)));
        assert!(!same_value(Value::int(1), Value::float(1.0)));
        assert!(same_value(Value::float(f64::NAN), Value::float(f64::NAN)));
        assert!(!same_value(Value::decimal(&[15], 1), Value::decimal(&[150], 2)));
        assert!(!same_value(Value::NULL, Value::UNAVAILABLE));
    }

    #[test]
    fn nested_values_are_compared() {
        let one = [Field::new("a", Value::string("x")), Field::new("b", Value::list(&[Value::NULL]))];
        let other = [Field::new("a", Value::string("x")), Field::new("b", Value::list(&[]))];
        assert!(same_value(Value::object(&one), Value::object(&one)));
        assert!(!same_value(Value::object(&one), Value::object(&other)));
        assert!(!same_value(Value::object(&one), Value::object(&one[..1])));
    }
}
