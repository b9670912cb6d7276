//! Numbers, exactly: as an integer, as a float where that loses nothing, else as their text.

use tidegate_abi::Value;

use super::scan;

/// Every decimal of at most this many significant digits survives the way into an `f64` and back (`DBL_DIG` of C).
const EXACT_DIGITS_LIMIT: u64 = 1_000_000_000_000_000;

/// The powers of ten that an `f64` holds exactly: one multiplication or division by them rounds correctly
/// (William D. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads the number at `start` of `text`; gives its value and the index behind it.
///
/// # Errors
/// Where the text stops being a JSON number.
#[inline]
pub(super) fn read(text: &str, start: usize) -> Result<(Value<'_>, usize), usize> {
    let bytes = text.as_bytes();
    let negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let (mantissa, end) = digits(bytes, first, 0);
    let count = end - first;
    if count == 0 || (count > 1 && bytes.get(first) == Some(&b'0')) {
        return Err(end.min(first + 1));
    }
    if matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
        return fraction(text, start, first, mantissa, end);
    }
    Ok((integer(&text[start..end], negative, mantissa, count), end))
}

/// Reads digits into `mantissa`, which wraps beyond 19 of them.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mut mantissa: u64) -> (u64, usize) {
    while let Some(eight) = scan::eight_digits(bytes, at) {
        mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (mantissa, at)
}

#[inline]
fn integer(text: &str, negative: bool, magnitude: u64, digits: usize) -> Value<'_> {
    // 19 digits always fit 64 bits; what is longer was not accumulated exactly.
    if digits > 19 {
        return text.parse().map_or_else(|_| Value::number(text), Value::uint);
    }
    if !negative {
        return Value::uint(magnitude);
    }
    if magnitude == 0 {
        return Value::float(-0.0);
    }
    0i64.checked_sub_unsigned(magnitude).map_or_else(|| Value::number(text), Value::int)
}

/// Reads on behind the integer digits, at a point or an exponent.
fn fraction(
    text: &str,
    start: usize,
    first: usize,
    mut mantissa: u64,
    mut at: usize,
) -> Result<(Value<'_>, usize), usize> {
    let bytes = text.as_bytes();
    let mut count = at - first;
    let mut exponent = 0i64;
    if bytes.get(at) == Some(&b'.') {
        let point = at + 1;
        (mantissa, at) = digits(bytes, point, mantissa);
        if at == point {
            return Err(at);
        }
        count += at - point;
        exponent = -((at - point) as i64);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let (written, end) = exponent_at(bytes, at + 1)?;
        exponent = exponent.saturating_add(written);
        at = end;
    }
    let number = &text[start..at];
    let exact = if count <= 19 { exact_float(number, mantissa, exponent) } else { None };
    Ok((exact.map_or_else(|| Value::number(number), Value::float), at))
}

/// Reads an optional sign and digits; beyond any sensible size it saturates.
fn exponent_at(bytes: &[u8], at: usize) -> Result<(i64, usize), usize> {
    let negative = bytes.get(at) == Some(&b'-');
    let first = at + usize::from(negative || bytes.get(at) == Some(&b'+'));
    let (size, end) = digits(bytes, first, 0);
    if end == first {
        return Err(end);
    }
    let size = if end - first > 18 { i64::MAX / 2 } else { size.cast_signed() };
    Ok((if negative { -size } else { size }, end))
}

/// The float whose shortest text denotes the same decimal, if there is one for sure.
fn exact_float(number: &str, mut mantissa: u64, mut exponent: i64) -> Option<f64> {
    let sign = if number.starts_with('-') { -1.0 } else { 1.0 };
    if mantissa == 0 {
        return Some(0.0 * sign);
    }
    while mantissa >= EXACT_DIGITS_LIMIT {
        if !mantissa.is_multiple_of(10) {
            return None;
        }
        mantissa /= 10;
        exponent += 1;
    }
    let power = usize::try_from(exponent.unsigned_abs()).ok().and_then(|size| POWERS_OF_TEN.get(size));
    if let Some(power) = power {
        let size = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
        return Some(size * sign);
    }
    // Below the normal range an f64 has fewer than 15 digits.
    number.parse().ok().filter(|float: &f64| float.is_normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (value, end) = read(text, 0).unwrap();
        assert_eq!(end, text.len());
        format!("{:?}", value)
    }

    #[test]
    fn each_number_gets_the_kind_that_holds_it() {
        assert_eq!(shown("0"), "Int(0)");
        assert_eq!(shown("-9223372036854775808"), "Int(-9223372036854775808)");
        assert_eq!(shown("9223372036854775808"), "UInt(9223372036854775808)");
        assert_eq!(shown("18446744073709551615"), "UInt(18446744073709551615)");
        assert_eq!(shown("18446744073709551616"), "Number(\"18446744073709551616\")");
        assert_eq!(shown("-9223372036854775809"), "Number(\"-9223372036854775809\")");
        assert_eq!(shown("-0"), "Float(-0.0)");
        assert_eq!(shown("-0.0e9"), "Float(-0.0)");
        assert_eq!(shown("1.50"), "Float(1.5)");
        assert_eq!(shown("123456789012345e-20"), "Float(1.23456789012345e-6)");
        assert_eq!(shown("1.7e308"), "Float(1.7e308)");
        assert_eq!(shown("0.1234567890123456"), "Number(\"0.1234567890123456\")");
        assert_eq!(shown("1e400"), "Number(\"1e400\")");
        assert_eq!(shown("1e-320"), "Number(\"1e-320\")");
        assert_eq!(shown("1e99999999999999999999"), "Number(\"1e99999999999999999999\")");
        assert_eq!(shown("0.00000000000000000000001"), "Number(\"0.00000000000000000000001\")");
    }

    #[test]
    fn what_json_does_not_allow_is_refused_where_it_breaks() {
        for (text, at) in [("-", 1), ("01", 1), ("1.", 2), ("1.e1", 2), ("1e", 2), ("1e+", 3), ("-x", 1)] {
            assert_eq!(read(text, 0).map(|(_, end)| end), Err(at), "{text}");
        }
    }
}
