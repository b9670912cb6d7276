//! Floats of 32 bits as doubles.

use crate::formats::types::ShortText;

/// The shortest decimal number that is this float, as a double: what the source's other formats say. 0.1 stays 0.1.
pub(crate) fn widen(float: f32) -> f64 {
    let exact = f64::from(float);
    // Up to 2^24, whole numbers are their own shortest text.
    if !float.is_finite() || (float.fract() == 0.0 && float.abs() <= 16_777_216.0) {
        return exact;
    }
    let digits = ShortText::format(format_args!("{float:e}"));
    digits.and_then(|digits| digits.as_str().parse().ok()).unwrap_or(exact)
}
