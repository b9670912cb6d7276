//! The lanes of a task: what each has stored, and which tables it writes in a flush.
//!
//! A lane has a session, an offsets table and a transaction of its own. The row of a partition in it states: everything below
//! `next_offset` is written, for the tables in `buckets`. Such a statement stays true whatever is written later, so a record
//! is in Snowflake if any lane states so, and the task starts at the lowest offset of all lanes.
//!
//! A flush spreads its tables over the lanes only if they are level: all have the same offset in every partition of the
//! batch. Otherwise the last flush did not finish, and one transaction writes the rest and moves all lanes, because the
//! statement of a lane that is ahead must not be replaced while it is needed.

use tidegate_plugin::{Batch, Claim, Error, NextOffset, Partition, Result};

use super::{
    buckets::{Buckets, spread},
    offsets::{Moves, Offsets},
};
use crate::session::Answer;

/// Maximum number of lanes.
pub(crate) const MAX_LANES: usize = 16;

/// What the lanes have stored.
#[derive(Debug)]
pub(crate) struct Lanes {
    warehouses: Vec<Option<String>>,
    lanes: Vec<Offsets>,
}

/// The tables that one transaction writes, and the lanes whose offsets it moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    /// The lane whose session is used.
    pub(crate) lane: usize,
    /// Names of the tables in Snowflake, in order.
    pub(crate) tables: Vec<String>,
    /// The lanes whose offsets are moved, in order, and the buckets that they state afterwards.
    pub(crate) moved: Vec<(usize, Buckets)>,
}

impl Lanes {
    /// No lanes.
    pub(crate) fn new(warehouses: &[Option<String>]) -> Self {
        Self { warehouses: warehouses.to_vec(), lanes: Vec::new() }
    }

    /// Number of lanes that have an offsets table, including those of an earlier configuration.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Adds lanes up to this number.
    pub(crate) fn grow(&mut self, count: usize) {
        let warehouses = &self.warehouses;
        self.lanes.resize_with(count.max(self.lanes.len()), || Offsets::new(warehouses));
    }

    /// The rows to add for a claim, by lane; see [`Offsets::missing`]. `answers` are the rows of each lane.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn missing(
        &self,
        partitions: &[Partition<'_>],
        answers: &[Answer],
    ) -> Result<Vec<Option<String>>> {
        let lanes = self.lanes.iter().zip(answers);
        lanes.map(|(lane, answer)| lane.missing(partitions, answer, answers)).collect()
    }

    /// Stores the claimed rows of partitions. A partition starts at the lowest offset of all lanes, with the state as of that
    /// offset.
    ///
    /// # Errors
    /// If a row is missing or cannot be read, or a removed warehouse has not written everything.
    pub(crate) fn claimed(&mut self, partitions: &[Partition<'_>], answers: &[Answer]) -> Result<Vec<Claim>> {
        let mut claims: Vec<Claim> = Vec::new();
        for (lane, answer) in self.lanes.iter_mut().zip(answers) {
            let of_lane = lane.claimed(partitions, answer)?;
            if claims.is_empty() {
                claims = of_lane;
                continue;
            }
            for (claim, other) in claims.iter_mut().zip(of_lane) {
                let epoch = claim.epoch.max(other.epoch);
                if other.next_offset < claim.next_offset {
                    *claim = other;
                }
                claim.epoch = epoch;
            }
        }
        for (partition, claim) in partitions.iter().zip(&claims) {
            self.lanes.iter_mut().for_each(|lane| lane.set_epoch(partition, claim.epoch));
        }
        Ok(claims)
    }

    /// Stores the rows of partitions after transactions in doubt.
    ///
    /// # Errors
    /// Fenced, if another task has claimed one of the partitions.
    pub(crate) fn refresh(&mut self, partitions: &[Partition<'_>], answers: &[Answer]) -> Result<()> {
        self.lanes.iter_mut().zip(answers).try_for_each(|(lane, answer)| lane.refresh(partitions, answer))
    }

    /// Marks the outcome of the last transactions as unknown.
    pub(crate) fn doubt(&mut self) {
        self.lanes.iter_mut().for_each(Offsets::doubt);
    }

    /// The partitions of a batch for which the outcome of the last transactions is unknown.
    pub(crate) fn in_doubt<'b>(&self, batch: &Batch<'b>) -> Vec<Partition<'b>> {
        self.lanes.first().map(|lane| lane.in_doubt(batch)).unwrap_or_default()
    }

    /// Checks that this task still owns the partitions of a batch.
    ///
    /// # Errors
    /// Fenced, if it does not.
    pub(crate) fn check(&self, batch: &Batch<'_>) -> Result<()> {
        match self.lanes.first() {
            Some(lane) => lane.check(batch),
            None => Err(Error::fenced("no partition is claimed")),
        }
    }

    /// Releases partitions.
    pub(crate) fn release(&mut self, partitions: &[Partition<'_>]) {
        self.lanes.iter_mut().for_each(|lane| lane.release(partitions));
    }

    /// Whether Snowflake already has a record of a table that this warehouse writes.
    pub(crate) fn holds(&self, warehouse: usize, table: &str, of: &Partition<'_>, offset: i64) -> bool {
        let rows = self.lanes.iter().filter_map(|lane| lane.written(warehouse, of.topic, of.partition));
        is_written(rows, table, offset)
    }

    /// The warehouses without changes, including those that are no longer in the configuration. Their offsets are updated
    /// together with those of another warehouse, so that none falls behind.
    pub(crate) fn idle(&self, has_work: impl Fn(usize) -> bool) -> Vec<usize> {
        let known = self.lanes.iter().map(Offsets::warehouse_count).max().unwrap_or_default();
        (0..known).filter(|warehouse| !has_work(*warehouse)).collect()
    }

    /// Divides the tables of a flush into transactions, with at most `wanted` lanes that write tables. `tables` are names, in
    /// order, and the expected number of statements of each; `moving` are the warehouses whose offsets are moved.
    pub(crate) fn shares(
        &self,
        positions: &[NextOffset<'_>],
        tables: &[(&str, usize)],
        moving: &[usize],
        wanted: usize,
    ) -> Vec<Share> {
        if self.are_level(positions, moving) {
            return divided(tables, wanted.min(self.count()), self.count());
        }
        vec![whole(tables, self.count())]
    }

    fn are_level(&self, positions: &[NextOffset<'_>], moving: &[usize]) -> bool {
        let configured = moving.iter().filter(|warehouse| **warehouse < self.warehouses.len());
        configured.into_iter().all(|warehouse| {
            positions.iter().all(|position| {
                let next = |lane: &Offsets| lane.written(*warehouse, position.topic, position.partition);
                let mut offsets = self.lanes.iter().filter_map(next).map(|(next, _)| next);
                let first = offsets.next();
                offsets.all(|next| Some(next) == first)
            })
        })
    }

    /// The offsets to update in a transaction of these warehouses; see [`Offsets::moves`].
    pub(crate) fn moves(
        &self,
        positions: &[NextOffset<'_>],
        moving: &[usize],
        lane: (usize, Buckets),
    ) -> Moves {
        let (lane, buckets) = lane;
        self.lanes.get(lane).map(|lane| lane.moves(positions, moving, buckets)).unwrap_or_default()
    }

    /// The updates that delete the stored offsets of partitions, by lane.
    pub(crate) fn resets(&self, partitions: &[Partition<'_>]) -> Vec<Moves> {
        self.lanes.iter().map(|lane| lane.resets(partitions)).collect()
    }

    /// Stores the offsets of a committed transaction.
    pub(crate) fn moved(&mut self, lane: usize, moves: Moves) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.moved(moves);
        }
    }
}

/// Whether the rows of the lanes state that a record of a table is written.
fn is_written(rows: impl Iterator<Item = (Option<i64>, Buckets)>, table: &str, offset: i64) -> bool {
    let bucket = Buckets::of(table);
    let (mut everywhere, mut has_rows) = (true, false);
    for (next, buckets) in rows {
        let is_below = next.is_some_and(|next| offset < next);
        if is_below && buckets.contains(bucket) {
            return true;
        }
        everywhere &= is_below;
        has_rows = true;
    }
    // Every lane has finished the flush that contained it, whichever of them wrote it.
    has_rows && everywhere
}

/// Each lane writes some of the tables. A lane without a table only moves its offsets.
fn divided(tables: &[(&str, usize)], wanted: usize, count: usize) -> Vec<Share> {
    let mut buckets = spread(tables.iter().copied(), wanted.min(tables.len()));
    buckets.resize(count.max(1), Buckets::NONE);
    let share = |(lane, buckets): (usize, Buckets)| {
        let own = tables.iter().filter(|(table, _)| buckets.contains(Buckets::of(table)));
        let tables = own.map(|(table, _)| (*table).to_owned()).collect();
        Share { lane, tables, moved: vec![(lane, buckets)] }
    };
    buckets.into_iter().enumerate().map(share).collect()
}

/// One transaction writes all tables, and moves all lanes.
fn whole(tables: &[(&str, usize)], count: usize) -> Share {
    Share {
        lane: 0,
        tables: tables.iter().map(|(table, _)| (*table).to_owned()).collect(),
        moved: (0..count).map(|lane| (lane, Buckets::ALL)).collect(),
    }
}

#[cfg(test)]
mod model;
