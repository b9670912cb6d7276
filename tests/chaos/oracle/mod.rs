//! The oracle: checks what happened to every record, from the records of the topic, the rows of the sink, the dead
//! letters, and samples of the committed offsets.
//!
//! The guarantees that it checks:
//!
//! - **Nothing is lost.** Every record is in the sink or among the dead letters; one that every attempt has to refuse is among
//! the dead letters, and never in the sink.
//! - **Nothing is altered**, and nothing is there that the topic never held.
//! - **Nothing comes twice** into a sink that writes exactly once.
//! - **Order.** Of the rows of a partition take the first of each offset, in the order in which they became durable: their
//! offsets rise. So a record that comes again counts only once, and none is first seen after a later one. There is one
//! exception where the sink does not keep the offsets: a record that is among the dead letters was settled there, and may
//! be taken by the sink when it is read again. A key lives in one partition, so what holds for partitions holds for keys.
//! - **Commits.** Whenever the group's offsets were looked at, every record below them was in the sink or among the dead
//! letters at that very time.

mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::index::Index;

/// Partition and offset in the topic.
pub(crate) type Place = (i32, i64);

/// A record of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Partition and offset.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Every attempt to deliver it is rejected.
    pub(crate) is_bad: bool,
}

/// A row of the sink. Rows are in commit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Partition and offset of the record.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
}

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// Partition and offset of the record.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Partition and offset of the dead letter.
    pub(crate) letter: Place,
}

/// A sample: committed offsets, and what had been written after they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Committed offsets by partition.
    pub(crate) committed: BTreeMap<i32, i64>,
    /// Number of rows in the sink.
    pub(crate) rows: usize,
    /// End offsets of the dead-letter topic.
    pub(crate) letters: BTreeMap<i32, i64>,
}

/// What happened to a connector.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The sink stores the offsets and promises exactly-once delivery.
    pub(crate) is_exact: bool,
    /// All records of the topic.
    pub(crate) log: Vec<Logged>,
    /// All rows of the sink.
    pub(crate) rows: Vec<Row>,
    /// All dead letters.
    pub(crate) letters: Vec<DeadLetter>,
    /// Samples during the run and at its end.
    pub(crate) samples: Vec<Sample>,
}

/// A violation of a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// The record was neither written nor dead-lettered.
    Lost(Place),
    /// A bad record is in the sink.
    Taken(Place),
    /// The content of a record has changed.
    Altered(Place),
    /// A record that was never in the topic.
    Invented(Place),
    /// A record is in the sink more than once.
    Doubled(Place),
    /// A record was first written after a later one.
    Reordered(Place),
    /// In the sample with this number, the group had committed past a record that was neither written nor
    /// dead-lettered.
    Uncovered(Place, usize),
}

/// The result of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// All violations.
    pub(crate) broken: Vec<Broken>,
    /// Number of records in the topic.
    pub(crate) records: usize,
    /// Number of these in the sink.
    pub(crate) in_sink: usize,
    /// Number of these in the dead letters.
    pub(crate) in_letters: usize,
    /// Number of these in both: rejected once, and accepted when redelivered.
    pub(crate) in_both: usize,
    /// Number of duplicate rows.
    pub(crate) repeated: usize,
    /// Number of samples.
    pub(crate) samples: usize,
}

impl History {
    /// Checks the history.
    pub(crate) fn judge(&self) -> Verdict {
        let index = Index::of(self);
        let mut broken = Vec::new();
        self.check_records(&index, &mut broken);
        self.check_rows(&index, &mut broken);
        self.check_order(&index, &mut broken);
        index.check_samples(&self.samples, &mut broken);
        Verdict {
            broken,
            records: self.log.len(),
            in_sink: index.fates.values().filter(|fate| fate.row.is_some()).count(),
            in_letters: index.fates.values().filter(|fate| !fate.letters.is_empty()).count(),
            in_both: index
                .fates
                .values()
                .filter(|fate| fate.row.is_some() && !fate.letters.is_empty())
                .count(),
            repeated: self.rows.len() - index.fates.values().filter(|fate| fate.row.is_some()).count(),
            samples: self.samples.len(),
        }
    }

    fn check_records(&self, index: &Index, broken: &mut Vec<Broken>) {
        for record in &self.log {
            let fate = &index.fates[&record.place];
            match (fate.row, fate.letters.is_empty()) {
                (Some(_), _) if record.is_bad => broken.push(Broken::Taken(record.place)),
                (None, true) => broken.push(Broken::Lost(record.place)),
                _ => {}
            }
        }
    }

    fn check_rows(&self, index: &Index, broken: &mut Vec<Broken>) {
        let outputs = self.rows.iter().map(|row| (row.place, row.content));
        let letters = self.letters.iter().map(|letter| (letter.place, letter.content));
        for (place, content) in outputs.chain(letters) {
            match index.contents.get(&place) {
                None => broken.push(Broken::Invented(place)),
                Some(original) if *original != content => broken.push(Broken::Altered(place)),
                Some(_) => {}
            }
        }
    }

    fn check_order(&self, index: &Index, broken: &mut Vec<Broken>) {
        let mut furthest: BTreeMap<i32, i64> = BTreeMap::new();
        for (number, row) in (1..).zip(&self.rows) {
            let (partition, offset) = row.place;
            let Some(fate) = index.fates.get(&row.place) else { continue };
            if fate.row != Some(number) {
                if self.is_exact {
                    broken.push(Broken::Doubled(row.place));
                }
                continue;
            }
            let furthest = furthest.entry(partition).or_insert(-1);
            let was_settled_before = !self.is_exact && !fate.letters.is_empty();
            if offset < *furthest && !was_settled_before {
                broken.push(Broken::Reordered(row.place));
            }
            *furthest = offset.max(*furthest);
        }
    }
}
