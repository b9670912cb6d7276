//! The oracle: from what a topic held, and what a sink, the dead letters and the group's offsets had at the end and on the
//! way, it says what became of every record.
//!
//! What it holds a connector to:
//!
//! - **Nothing is lost.** Every record is in the sink or among the dead letters; one that every attempt has to refuse is among
//!   the dead letters, and never in the sink.
//! - **Nothing is altered**, and nothing is there that the topic never held.
//! - **Nothing comes twice** into a sink that writes exactly once.
//! - **Order.** Of the rows of a partition take the first of each offset, in the order in which they became durable: their
//!   offsets rise. So a record that comes again counts only once, and none is first seen after a later one. There is one
//!   exception where the sink does not keep the offsets: a record that is among the dead letters was settled there, and may
//!   be taken by the sink when it is read again. A key lives in one partition, so what holds for partitions holds for keys.
//! - **Commits.** Whenever the group's offsets were looked at, every record below them was in the sink or among the dead
//!   letters at that very time.

mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::index::Index;

/// A place in the topic: partition and offset.
pub(crate) type Place = (i32, i64);

/// A record of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Where it is.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Every attempt to deliver it has to end with its refusal.
    pub(crate) is_bad: bool,
}

/// A row of the sink; rows come in the order in which they became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where the record was.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
}

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// Where the record was.
    pub(crate) place: Place,
    /// Fingerprint of key and value.
    pub(crate) content: u64,
    /// Where the dead letter is, in its own topic.
    pub(crate) letter: Place,
}

/// One look at the group's offsets, and after it at what was there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// What the group had committed, by partition: the next offset.
    pub(crate) committed: BTreeMap<i32, i64>,
    /// Rows of the sink that were durable.
    pub(crate) rows: usize,
    /// Ends of the dead letters' partitions.
    pub(crate) letters: BTreeMap<i32, i64>,
}

/// What happened to a connector.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The sink keeps the offsets itself, and promises to write exactly once.
    pub(crate) is_exact: bool,
    /// All that the topic held.
    pub(crate) log: Vec<Logged>,
    /// All that the sink has.
    pub(crate) rows: Vec<Row>,
    /// All dead letters.
    pub(crate) letters: Vec<DeadLetter>,
    /// The group's offsets on the way, and at the end.
    pub(crate) samples: Vec<Sample>,
}

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A record is nowhere.
    Lost(Place),
    /// A record that cannot be delivered is in the sink.
    Taken(Place),
    /// A record came out in another form.
    Altered(Place),
    /// A record that the topic never held.
    Invented(Place),
    /// A record is in the sink more than once.
    Doubled(Place),
    /// A record was first seen after a later one.
    Reordered(Place),
    /// The group had committed past a record that was nowhere yet, as of the sample of this number.
    Uncovered(Place, usize),
}

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Every broken promise.
    pub(crate) broken: Vec<Broken>,
    /// Records of the topic.
    pub(crate) records: usize,
    /// Of these, in the sink.
    pub(crate) in_sink: usize,
    /// Of these, among the dead letters.
    pub(crate) in_letters: usize,
    /// Of these, in both: refused once, and taken when it was read again.
    pub(crate) in_both: usize,
    /// Rows of the sink beyond the first of each record.
    pub(crate) repeated: usize,
    /// Looks at the group's offsets.
    pub(crate) samples: usize,
}

impl History {
    /// Judges.
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
