//! What a column holds otherwise than the source does, or does not hold at all: counted, so that somebody is told.

use std::collections::BTreeMap;

/// Why a value is not in its column as the source has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Finding {
    /// It does not fit, and went to the column beside.
    Beside,
    /// The event left it out, and nothing else has it: it became NULL.
    Unavailable,
    /// A part of a document is Debezium's placeholder, and is written as such.
    Nested,
    /// The connector file says that the column is somebody else's.
    Unmanaged,
    /// An update has no such column: it became NULL.
    Absent,
    /// It has more digits of a second than the column keeps.
    Fraction,
    /// The offset of a timestamp has seconds: it became the same point in time in UTC.
    Offset,
}

/// How often what was found, by column.
#[derive(Debug, Default)]
pub(crate) struct Findings<'t>(BTreeMap<(Finding, &'t str), u64>);

impl<'t> Findings<'t> {
    /// Counts one more.
    pub(crate) fn add(&mut self, finding: Finding, column: &'t str) {
        *self.0.entry((finding, column)).or_default() += 1;
    }

    /// All of them.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Finding, &'t str, u64)> {
        self.0.into_iter().map(|((finding, column), count)| (finding, column, count))
    }
}
