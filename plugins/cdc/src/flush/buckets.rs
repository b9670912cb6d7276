//! Which lane writes which table in a flush.
//!
//! Tables are hashed into 64 buckets, and the buckets of a flush are spread over the lanes. A lane stores with its offset
//! which buckets it has written up to there, so every flush may spread them differently.

use std::{collections::BTreeMap, fmt};

use sha2::{Digest, Sha256};

/// Number of buckets. The hash of a table's name is stored, so it must never change.
const COUNT: u8 = 64;

/// A set of buckets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Buckets(u64);

impl Default for Buckets {
    fn default() -> Self {
        Self::ALL
    }
}

impl Buckets {
    /// The buckets of all tables.
    pub(crate) const ALL: Self = Self(u64::MAX);
    /// No bucket.
    pub(crate) const NONE: Self = Self(0);

    /// The bucket of a table.
    pub(crate) fn of(table: &str) -> Self {
        let first = Sha256::digest(table).first().copied().unwrap_or_default();
        Self(1 << (first % COUNT))
    }

    /// Whether all these buckets are in this set.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The buckets of both sets.
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Parses what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Buckets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Spreads tables over `lanes` lanes, so that the lanes have about the same number of statements. `tables` are the names
/// and the expected number of statements of each.
///
/// The result has an element for each lane. Every bucket is in exactly one of them: the first lane also gets the buckets
/// without a table in this flush.
pub(crate) fn spread<'t>(tables: impl IntoIterator<Item = (&'t str, usize)>, lanes: usize) -> Vec<Buckets> {
    let mut weights: BTreeMap<Buckets, usize> = BTreeMap::new();
    for (table, statements) in tables {
        *weights.entry(Buckets::of(table)).or_default() += statements;
    }
    let mut heaviest: Vec<(Buckets, usize)> = weights.into_iter().collect();
    heaviest.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let mut spread = vec![(0, Buckets::NONE); lanes.max(1)];
    for (bucket, weight) in heaviest {
        let Some(lightest) = spread.iter_mut().min_by_key(|(weight, _)| *weight) else { break };
        lightest.0 += weight;
        lightest.1 = lightest.1.with(bucket);
    }
    let mut lanes: Vec<Buckets> = spread.into_iter().map(|(_, buckets)| buckets).collect();
    let others = lanes.iter().skip(1).fold(0, |others, lane| others | lane.0);
    if let Some(first) = lanes.first_mut() {
        *first = Buckets(!others);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bucket_of_a_table_never_changes() {
        // Stored offsets refer to these.
        assert_eq!(Buckets::of("orders"), Buckets(1 << 28));
        assert_eq!(Buckets::of("page_views"), Buckets(1 << 25));
    }

    #[test]
    fn tables_are_spread_evenly() {
        let names: Vec<String> = (0..64).map(|table| format!("t{table}")).collect();
        let lanes = spread(names.iter().map(|name| (name.as_str(), 2)), 4);
        let weight = |lane: &Buckets| names.iter().filter(|name| lane.contains(Buckets::of(name))).count();
        let weights: Vec<usize> = lanes.iter().map(weight).collect();
        assert!(weights.iter().all(|weight| (14..=18).contains(weight)), "{weights:?}");
    }

    proptest! {
        #[test]
        fn every_table_is_in_exactly_one_lane(
            tables in proptest::collection::vec(("[a-z]{1,3}", 1_usize..5), 0..40),
            lanes in 1_usize..=16,
            other in "[a-z]{1,3}",
        ) {
            let spread = spread(tables.iter().map(|(name, weight)| (name.as_str(), *weight)), lanes);
            prop_assert_eq!(spread.len(), lanes);
            for name in tables.iter().map(|(name, _)| name).chain([&other]) {
                let bucket = Buckets::of(name);
                prop_assert_eq!(spread.iter().filter(|lane| lane.contains(bucket)).count(), 1);
            }
        }

        #[test]
        fn buckets_are_read_back(bits: u64) {
            let buckets = Buckets(bits);
            prop_assert_eq!(Buckets::parse(&buckets.to_string()), Some(buckets));
        }
    }
}
