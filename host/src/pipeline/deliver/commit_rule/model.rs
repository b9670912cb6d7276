//! The model: logs of known content, a group that remembers offsets, and tasks that live until they crash.

mod plugins;
mod settings;
mod task;

use std::{
    collections::BTreeSet,
    iter::Peekable,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::task::Life;
use super::Step;

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 3;

/// What happens to a record on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is written.
    Plain,
    /// A transform drops it.
    Filtered,
    /// A transform makes two of it.
    Doubled,
    /// A transform refuses it.
    RefusedByTransform,
    /// The sink refuses it and says so.
    RefusedByName,
    /// The sink refuses the batch that it is in.
    RefusedUnnamed,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Plain,
        Self::Filtered,
        Self::Doubled,
        Self::RefusedByTransform,
        Self::RefusedByName,
        Self::RefusedUnnamed,
    ];

    fn byte(self) -> u8 {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default() as u8
    }

    fn of(value: Option<&[u8]>) -> Self {
        value
            .and_then(<[u8]>::first)
            .and_then(|byte| Self::ALL.get(*byte as usize))
            .copied()
            .unwrap_or(Self::Plain)
    }

    /// How many rows of it have to be in the sink.
    fn rows(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Doubled => 2,
            _ => 0,
        }
    }
}

/// What the sink has, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    rows: Vec<(i32, i64)>,
    trouble: BTreeSet<i32>,
    lose_answer: bool,
}

/// Logs, group and sink, which outlive the tasks.
pub(super) struct Model {
    logs: Vec<Vec<Kind>>,
    committed: Vec<i64>,
    ledger: Arc<Mutex<Ledger>>,
    /// Records that were filtered or refused.
    handled: BTreeSet<(i32, i64)>,
    apart: bool,
}

impl Model {
    /// `apart`: the sink can go on with other partitions while one fails.
    pub(super) fn new(logs: Vec<Vec<Kind>>, apart: bool) -> Self {
        let committed = vec![0; logs.len()];
        Self { logs, committed, ledger: Arc::default(), handled: BTreeSet::new(), apart }
    }

    /// One task, until it crashes or the steps end.
    pub(super) fn live(&mut self, steps: &mut Peekable<impl Iterator<Item = Step>>) {
        Life::run(self, |life| {
            for step in steps.by_ref() {
                if matches!(step, Step::Crash) {
                    return;
                }
                life.step(step);
            }
        });
    }

    /// A last task, without any fault: in the end all is handled and committed.
    pub(super) fn finish(&mut self) {
        let mut ledger = self.ledger();
        ledger.trouble.clear();
        ledger.lose_answer = false;
        drop(ledger);
        Life::run(self, |life| life.drain());
        for (partition, log) in self.logs.iter().enumerate() {
            assert_eq!(self.committed[partition], log.len() as i64, "partition {partition}");
        }
    }

    /// Commits without a reason, to see that it is noticed.
    pub(super) fn commit_anyway(&mut self, partition: usize, offset: i64) {
        self.committed[partition] = offset;
    }

    /// Everything below what is committed is handled, and the sink has every partition's records in order.
    pub(super) fn check(&self) {
        let ledger = self.ledger();
        for (partition, log) in (0..).zip(&self.logs) {
            for (offset, kind) in (0..self.committed[partition as usize]).zip(log) {
                let rows = ledger.rows.iter().filter(|row| **row == (partition, offset)).count();
                let handled = kind.rows() > 0 || self.handled.contains(&(partition, offset));
                assert!(
                    handled && rows >= kind.rows(),
                    "{kind:?} at {partition}:{offset} is committed, with {rows} rows"
                );
            }
            let mut first_seen: Vec<i64> = Vec::new();
            for (_, offset) in ledger.rows.iter().filter(|row| row.0 == partition) {
                if !first_seen.contains(offset) {
                    assert!(
                        first_seen.last() < Some(offset),
                        "{partition}:{offset} came late: {first_seen:?}"
                    );
                    first_seen.push(*offset);
                }
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
