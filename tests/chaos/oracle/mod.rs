//! The oracle: checks what happened to every record, from the records of the topic, the rows of the sink, the dead
//! letters, and samples of the committed offsets.
//!
//! The guarantees that it checks:
//!
//! - **Nothing is lost.** Every record is written or dead-lettered. A bad record is dead-lettered and never written.
//! - **Nothing is altered**, and nothing is written that was never in the topic.
//! - **No duplicates** in a sink with exactly-once delivery.
//! - **Order.** The first rows of the records of a partition are in the order of the offsets; redelivered records do not count. A
//!   sink without offsets may write a dead-lettered record later, when it is redelivered. All records of a key are in one
//!   partition, so their order follows.
//! - **Commits.** At every sample, every record below the committed offsets was written or dead-lettered.

mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::index::Index;

/// Partition and offset in the topic.
pub(crate) type Position = (i32, i64);

/// A record of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Partition and offset.
    pub(crate) position: Position,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Every attempt to deliver it is rejected.
    pub(crate) is_bad: bool,
}

/// A row of the sink. Rows are in commit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Partition and offset of the record.
    pub(crate) position: Position,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
}

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// Partition and offset of the record.
    pub(crate) position: Position,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Partition and offset of the dead letter.
    pub(crate) dead_letter: Position,
}

/// A sample: committed offsets, and what had been written after they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Committed offsets by partition.
    pub(crate) committed: BTreeMap<i32, i64>,
    /// Number of rows in the sink.
    pub(crate) rows: usize,
    /// End offsets of the dead-letter topic.
    pub(crate) dead_letters: BTreeMap<i32, i64>,
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
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Samples during the run and at its end.
    pub(crate) samples: Vec<Sample>,
}

/// A violation of a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// The record was neither written nor dead-lettered.
    Lost(Position),
    /// A bad record is in the sink.
    BadRecordWritten(Position),
    /// The content of a record has changed.
    Altered(Position),
    /// A record that was never in the topic.
    Unknown(Position),
    /// A record is in the sink more than once.
    Duplicated(Position),
    /// A record was first written after a later one.
    Reordered(Position),
    /// In the sample with this number, the group had committed past a record that was neither written nor
    /// dead-lettered.
    CommittedTooFar(Position, usize),
}

/// The result of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckResult {
    /// All violations.
    pub(crate) violations: Vec<Violation>,
    /// Number of records in the topic.
    pub(crate) records: usize,
    /// Number of these in the sink.
    pub(crate) in_sink: usize,
    /// Number of these in the dead letters.
    pub(crate) in_dead_letters: usize,
    /// Number of these in both: rejected once, and accepted when redelivered.
    pub(crate) in_both: usize,
    /// Number of duplicate rows.
    pub(crate) repeated: usize,
    /// Number of samples.
    pub(crate) samples: usize,
}

impl History {
    /// Checks the history.
    pub(crate) fn check(&self) -> CheckResult {
        let index = Index::of(self);
        let mut violations = Vec::new();
        self.check_records(&index, &mut violations);
        self.check_rows(&index, &mut violations);
        self.check_order(&index, &mut violations);
        index.check_samples(&self.samples, &mut violations);
        CheckResult {
            violations,
            records: self.log.len(),
            in_sink: index.outcomes.values().filter(|outcome| outcome.row.is_some()).count(),
            in_dead_letters: index
                .outcomes
                .values()
                .filter(|outcome| !outcome.dead_letters.is_empty())
                .count(),
            in_both: index
                .outcomes
                .values()
                .filter(|outcome| outcome.row.is_some() && !outcome.dead_letters.is_empty())
                .count(),
            repeated: self.rows.len()
                - index.outcomes.values().filter(|outcome| outcome.row.is_some()).count(),
            samples: self.samples.len(),
        }
    }

    fn check_records(&self, index: &Index, violations: &mut Vec<Violation>) {
        for record in &self.log {
            let outcome = &index.outcomes[&record.position];
            match (outcome.row, outcome.dead_letters.is_empty()) {
                (Some(_), _) if record.is_bad => {
                    violations.push(Violation::BadRecordWritten(record.position))
                }
                (None, true) => violations.push(Violation::Lost(record.position)),
                _ => {}
            }
        }
    }

    fn check_rows(&self, index: &Index, violations: &mut Vec<Violation>) {
        let outputs = self.rows.iter().map(|row| (row.position, row.content));
        let dead_letters =
            self.dead_letters.iter().map(|dead_letter| (dead_letter.position, dead_letter.content));
        for (position, content) in outputs.chain(dead_letters) {
            match index.contents.get(&position) {
                None => violations.push(Violation::Unknown(position)),
                Some(original) if *original != content => violations.push(Violation::Altered(position)),
                Some(_) => {}
            }
        }
    }

    fn check_order(&self, index: &Index, violations: &mut Vec<Violation>) {
        let mut furthest: BTreeMap<i32, i64> = BTreeMap::new();
        for (number, row) in (1..).zip(&self.rows) {
            let (partition, offset) = row.position;
            let Some(outcome) = index.outcomes.get(&row.position) else { continue };
            if outcome.row != Some(number) {
                if self.is_exact {
                    violations.push(Violation::Duplicated(row.position));
                }
                continue;
            }
            let furthest = furthest.entry(partition).or_insert(-1);
            let was_settled_before = !self.is_exact && !outcome.dead_letters.is_empty();
            if offset < *furthest && !was_settled_before {
                violations.push(Violation::Reordered(row.position));
            }
            *furthest = offset.max(*furthest);
        }
    }
}
