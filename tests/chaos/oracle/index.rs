//! The outcome of every record, by partition and offset.

use std::collections::{BTreeMap, HashMap};

use super::{Broken, History, Place, Sample};

/// The outcome of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// The number of its first row, from 1.
    pub(super) row: Option<usize>,
    /// Its dead letters.
    pub(super) letters: Vec<Place>,
}

/// The outcomes of all records of the topic.
pub(super) struct Index {
    pub(super) fates: BTreeMap<Place, Fate>,
    pub(super) contents: HashMap<Place, u64>,
}

impl Index {
    pub(super) fn of(history: &History) -> Self {
        let contents = history.log.iter().map(|record| (record.place, record.content)).collect();
        let mut fates: BTreeMap<Place, Fate> =
            history.log.iter().map(|record| (record.place, Fate::default())).collect();
        for (number, row) in (1..).zip(&history.rows) {
            if let Some(fate) = fates.get_mut(&row.place) {
                fate.row.get_or_insert(number);
            }
        }
        for letter in &history.letters {
            if let Some(fate) = fates.get_mut(&letter.place) {
                fate.letters.push(letter.letter);
            }
        }
        Self { fates, contents }
    }

    /// Checks that every record below a committed offset had been written or dead-lettered at that time. Lost records
    /// are reported elsewhere.
    pub(super) fn check_samples(&self, samples: &[Sample], broken: &mut Vec<Broken>) {
        // The records of each partition in order, each with the highest row number up to it, so that a sample is
        // checked with one lookup. Dead-lettered records are checked one by one.
        let mut rows: HashMap<i32, Vec<(i64, usize)>> = HashMap::new();
        let mut letters: HashMap<i32, Vec<(i64, &Fate)>> = HashMap::new();
        for ((partition, offset), fate) in &self.fates {
            if !fate.letters.is_empty() {
                letters.entry(*partition).or_default().push((*offset, fate));
            } else if let Some(row) = fate.row {
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
                let letters = letters.get(partition).map_or(&[][..], Vec::as_slice);
                let mut below = letters.iter().take_while(|(offset, _)| offset < next);
                let late_letter = below.find(|(_, fate)| !was_settled(fate, sample));
                let late = [late_row.map(|(offset, _)| *offset), late_letter.map(|(offset, _)| *offset)];
                let uncovered = late.into_iter().flatten().min();
                broken.extend(uncovered.map(|offset| Broken::Uncovered((*partition, offset), number)));
            }
        }
    }
}

fn was_settled(fate: &Fate, sample: &Sample) -> bool {
    let in_sink = fate.row.is_some_and(|row| row <= sample.rows);
    let is_there =
        |(partition, offset): &Place| sample.letters.get(partition).is_some_and(|end| offset < end);
    in_sink || fate.letters.iter().any(is_there)
}
