//! A decimal number with a unit, parsed exactly: what sizes and durations have in common.

/// A number as written, before its unit is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity<'a> {
    whole: u64,
    /// Digits after the point, and their number: `1.05` is (5, 2).
    fraction: (u64, u32),
    /// What follows the number, trimmed; empty when nothing does.
    pub(crate) unit: &'a str,
}

impl<'a> Quantity<'a> {
    /// Reads `12`, `1.5s`, `1 MiB`. `None` when the text does not start with a number that fits 64 bits, or
    /// has more than nine digits after the point.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=9).contains(digits))?;
        Some(Self {
            whole: whole.parse().ok()?,
            fraction: (fraction.parse().ok()?, digits),
            unit: unit.trim(),
        })
    }

    /// The number times `factor`, rounded down; `None` when that does not fit 64 bits.
    pub(crate) fn times(self, factor: u64) -> Option<u64> {
        let (fraction, digits) = self.fraction;
        let part = u128::from(fraction) * u128::from(factor) / 10u128.pow(digits);
        u64::try_from(u128::from(self.whole) * u128::from(factor) + part).ok()
    }
}
