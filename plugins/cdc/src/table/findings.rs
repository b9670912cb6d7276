//! Counts values that are not in their column as in the source, for warnings.

use std::collections::BTreeMap;

/// Why a value is not in its column as in the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Finding {
    /// It does not fit, and is in the fallback column.
    Fallback,
    /// The event omits it, and it cannot be found elsewhere: the column is NULL.
    Unavailable,
    /// A part of a document is Debezium's placeholder, which is written as it is.
    Nested,
    /// The column is listed in `unmanaged_columns`.
    Unmanaged,
    /// An update does not have the column: it is NULL.
    Absent,
    /// It has more fractional digits than the column.
    Fraction,
    /// The UTC offset of a timestamp has seconds: the same point in time is written in UTC.
    Offset,
}

/// Number of findings by column.
#[derive(Debug, Default)]
pub(super) struct Findings<'t>(BTreeMap<(Finding, &'t str), u64>);

impl<'t> Findings<'t> {
    /// Counts a finding.
    pub(super) fn add(&mut self, finding: Finding, column: &'t str) {
        *self.0.entry((finding, column)).or_default() += 1;
    }

    /// All findings: what, in which column, and how often.
    pub(super) fn counts(self) -> impl Iterator<Item = (Finding, &'t str, u64)> {
        self.0.into_iter().map(|((finding, column), count)| (finding, column, count))
    }
}
