//! The state that persists across tasks: the logs, the offsets of the group, the rows in the sink.

use std::{
    collections::BTreeSet,
    iter::Peekable,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Step, task::Task};
use crate::pipeline::memory::{MemoryPool, TaskMemory};

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 3;

/// What the transform and the sink do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is written.
    Plain,
    /// A transform drops it.
    Filtered,
    /// A transform makes two of it.
    Doubled,
    /// A transform rejects it.
    RejectedByTransform,
    /// The sink rejects it by its index.
    RejectedByName,
    /// The sink rejects the batch that it is in.
    RejectedUnnamed,
    /// The sink rejects it when it is flushed, or by its index if it is never flushed.
    RejectedByFlush,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Plain,
        Self::Filtered,
        Self::Doubled,
        Self::RejectedByTransform,
        Self::RejectedByName,
        Self::RejectedUnnamed,
        Self::RejectedByFlush,
    ];

    pub(super) fn byte(self) -> u8 {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default() as u8
    }

    pub(super) fn of(value: Option<&[u8]>) -> Self {
        value
            .and_then(<[u8]>::first)
            .and_then(|byte| Self::ALL.get(*byte as usize))
            .copied()
            .unwrap_or(Self::Plain)
    }

    /// Number of rows that the sink must have for it.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Doubled => 2,
            _ => 0,
        }
    }
}

/// The rows in the sink, and the faults of the sink.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) rows: Vec<(i32, i64)>,
    /// Partitions whose writes fail.
    pub(super) failing: BTreeSet<i32>,
    pub(super) lose_answer: bool,
    /// The next flush fails.
    pub(super) fail_flush: bool,
    /// Records that flushes have rejected since the model has looked.
    pub(super) rejected_by_flush: Vec<(i32, i64)>,
}

/// The state that persists across tasks.
pub(super) struct World {
    pub(super) logs: Vec<Vec<Kind>>,
    pub(super) committed: Vec<i64>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    /// Records that were filtered or rejected.
    pub(super) handled: BTreeSet<(i32, i64)>,
    pub(super) isolates_partitions: bool,
    /// The sink is durable on flush.
    pub(super) is_flushed: bool,
    /// Other tasks have all of the memory that they share with this one.
    is_memory_taken: bool,
}

impl World {
    pub(super) fn new(
        logs: Vec<Vec<Kind>>,
        isolates_partitions: bool,
        is_flushed: bool,
        is_memory_taken: bool,
    ) -> Self {
        let committed = vec![0; logs.len()];
        let (ledger, handled) = (Arc::default(), BTreeSet::new());
        Self { logs, committed, ledger, handled, isolates_partitions, is_flushed, is_memory_taken }
    }

    /// The memory of a task.
    pub(super) fn task_memory(&self) -> TaskMemory {
        if self.is_memory_taken { TaskMemory::of(&MemoryPool::new(0, 1)) } else { TaskMemory::default() }
    }

    /// Runs a task until it crashes or the steps end.
    pub(super) fn run_task(&mut self, steps: &mut Peekable<impl Iterator<Item = Step>>) {
        Task::run(self, |task| {
            for step in steps.by_ref() {
                if matches!(step, Step::Crash) {
                    return;
                }
                task.step(step);
            }
            // It runs until everything is handled, so that a stuck task is noticed too.
            task.drain();
        });
    }

    /// Runs a last task without any fault: in the end everything is handled and committed.
    pub(super) fn finish(&mut self) {
        Task::run(self, |task| task.drain());
        for (partition, log) in self.logs.iter().enumerate() {
            assert_eq!(self.committed[partition], log.len() as i64, "partition {partition}");
        }
    }

    /// Commits an unhandled offset, to check that the model notices it.
    pub(super) fn commit_anyway(&mut self, partition: usize, offset: i64) {
        self.committed[partition] = offset;
    }

    /// Another member of the group handles some records from the committed offset on, and commits them.
    pub(super) fn handle_elsewhere(&mut self, partition: i32, count: usize) {
        for _ in 0..count {
            let offset = self.committed[partition as usize];
            let Some(kind) = self.logs[partition as usize].get(offset as usize).copied() else { return };
            if kind.rows() == 0 {
                self.handled.insert((partition, offset));
            }
            let rows = std::iter::repeat_n((partition, offset), kind.rows());
            self.ledger().rows.extend(rows);
            self.committed[partition as usize] += 1;
        }
    }

    /// Everything below the committed offsets is handled, and the sink has every partition's records in order.
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
            assert!(
                self.committed[partition as usize] <= log.len() as i64,
                "committed past the end of {partition}"
            );
            let mut first_seen: Vec<i64> = Vec::new();
            for (_, offset) in ledger.rows.iter().filter(|row| row.0 == partition) {
                if !first_seen.contains(offset) {
                    assert!(
                        first_seen.last() < Some(offset),
                        "{partition}:{offset} was written late: {first_seen:?}"
                    );
                    first_seen.push(*offset);
                }
            }
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
