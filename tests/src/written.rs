//! How much a table sink has written, by its offsets tables.

use std::collections::BTreeMap;

/// The number of records that a connector has written: the sum of the offsets that its lanes have covered together. `rows` are those of
/// all of its offsets tables: topic, partition, warehouse, next offset and state.
///
/// # Panics
/// If a state cannot be read.
#[must_use]
pub fn written_records(rows: impl IntoIterator<Item = Vec<Option<String>>>) -> usize {
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<Stated>> = BTreeMap::new();
    for mut row in rows {
        let stated = row.split_off(3);
        partitions.entry(row).or_default().push(Stated::of(&stated));
    }
    partitions.values().map(|lanes| covered(lanes)).sum()
}

/// What the row of a lane states: up to which offset it has written which hash buckets of tables, and all tables.
struct Stated {
    next: usize,
    buckets: u64,
    level: usize,
}

impl Stated {
    /// From the next offset, and the state: `state`, or `buckets:level:state:state`.
    fn of(row: &[Option<String>]) -> Self {
        let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let next = text(0).parse().unwrap_or_default();
        let mut parts = text(1).split(':');
        match (parts.next(), parts.next()) {
            (Some(buckets), Some(level)) => {
                let buckets = u64::from_str_radix(buckets, 16).expect("buckets");
                Self { next, buckets, level: level.parse().unwrap_or_default() }
            }
            _ => Self { next, buckets: u64::MAX, level: next },
        }
    }
}

/// The offset up to which the lanes of a partition have written all tables together.
fn covered(lanes: &[Stated]) -> usize {
    let level = lanes.iter().map(|lane| lane.level).max().unwrap_or_default();
    let is_covered = |next: &usize| {
        let written = lanes.iter().filter(|lane| lane.next >= *next);
        written.fold(0, |buckets, lane| buckets | lane.buckets) == u64::MAX
    };
    lanes.iter().map(|lane| lane.next).filter(is_covered).max().unwrap_or_default().max(level)
}
