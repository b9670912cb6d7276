//! The outcome of every record, by partition and offset.

use std::collections::{BTreeMap, HashMap};

use super::{History, Position, Sample, Violation};

/// The outcome of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The number of its first row, from 1.
    pub(super) row: Option<usize>,
    /// Its dead letters.
    pub(super) dead_letters: Vec<Position>,
}

/// The outcomes of all records of the topic.
pub(super) struct Index {
    pub(super) outcomes: BTreeMap<Position, Outcome>,
    pub(super) contents: HashMap<Position, u64>,
}

impl Index {
    pub(super) fn of(history: &History) -> Self {
        let contents = history.log.iter().map(|record| (record.position, record.content)).collect();
        let mut outcomes: BTreeMap<Position, Outcome> =
            history.log.iter().map(|record| (record.position, Outcome::default())).collect();
        for (number, row) in (1..).zip(&history.rows) {
            if let Some(outcome) = outcomes.get_mut(&row.position) {
                outcome.row.get_or_insert(number);
            }
        }
        for dead_letter in &history.dead_letters {
            if let Some(outcome) = outcomes.get_mut(&dead_letter.position) {
                outcome.dead_letters.push(dead_letter.dead_letter);
            }
        }
        Self { outcomes, contents }
    }

    /// Checks that every record below a committed offset had been written or dead-lettered at that time. Lost records
    /// are reported elsewhere.
    pub(super) fn check_samples(&self, samples: &[Sample], violations: &mut Vec<Violation>) {
        // The records of each partition in order, each with the highest row number up to it, so that a sample is
        // checked with one lookup. Dead-lettered records are checked one by one.
        let mut rows: HashMap<i32, Vec<(i64, usize)>> = HashMap::new();
        let mut dead_letters: HashMap<i32, Vec<(i64, &Outcome)>> = HashMap::new();
        for ((partition, offset), outcome) in &self.outcomes {
            if !outcome.dead_letters.is_empty() {
                dead_letters.entry(*partition).or_default().push((*offset, outcome));
            } else if let Some(row) = outcome.row {
                let rows = rows.entry(*partition).or_default();
                let before = rows.last().map_or(0, |(_, row)| *row);
                rows.push((*offset, row.max(before)));
            }
        }
        for (number, sample) in samples.iter().enumerate() {
            for (partition, next) in &sample.committed {
                let rows = rows.get(partition).map_or(&[][..], Vec::as_slice);
                let below = &rows[..rows.partition_point(|(offset, _)| offset < next)];
                let late_row = below.get(below.partition_point(|(_, row)| *row <= sample.rows));
                let dead_letters = dead_letters.get(partition).map_or(&[][..], Vec::as_slice);
                let mut below = dead_letters.iter().take_while(|(offset, _)| offset < next);
                let late_dead_letter = below.find(|(_, outcome)| !was_settled(outcome, sample));
                let late = [late_row.map(|(offset, _)| *offset), late_dead_letter.map(|(offset, _)| *offset)];
                let missing = late.into_iter().flatten().min();
                violations
                    .extend(missing.map(|offset| Violation::CommittedTooFar((*partition, offset), number)));
            }
        }
    }
}

fn was_settled(outcome: &Outcome, sample: &Sample) -> bool {
    let in_sink = outcome.row.is_some_and(|row| row <= sample.rows);
    let is_there =
        |(partition, offset): &Position| sample.dead_letters.get(partition).is_some_and(|end| offset < end);
    in_sink || outcome.dead_letters.iter().any(is_there)
}
