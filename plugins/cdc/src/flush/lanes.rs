//! The lanes of a task: what each has stored, and which tables it writes in a flush.
//!
//! A lane has a session, an offsets table and a transaction of its own. The row of a partition in it states: everything below
//! `next_offset` is written for the tables in `buckets`, and everything below a level for all tables. Such a statement stays
//! true whatever is written later, so a record is in the database if any lane states so. The task starts at the highest
//! offset that the lanes cover together, which is the level of the next flush.
//!
//! A flush spreads its tables over the lanes only if no lane is ahead of the level, in every partition of the batch.
//! Lanes without tables do nothing: the others cover all buckets. If a lane is ahead, the last flush did not finish, and
//! one transaction writes the rest and moves a lane that is not ahead, because the statement of one that is ahead must not be
//! replaced while it is needed. The same is done if a transaction without a response may still be committed. Its lane is moved
//! as well: it expects the offset to be unchanged, so that only one of the two is committed.

use tidegate_plugin::{Batch, Claim, Error, NextOffset, Partition, Result};

use super::{
    buckets::{Buckets, spread},
    offsets::{Level, Moves, Offsets, Row, decoded},
};
use crate::session::Answer;

/// Maximum number of lanes of all tasks of a connector together. With more, tasks share lanes.
pub(crate) const MAX_LANES: usize = 32;

/// Number of bits of an epoch that are random.
const RANDOM_BITS: u32 = 31;
const RANDOM_MASK: u64 = (1 << RANDOM_BITS) - 1;

/// What the lanes have stored.
#[derive(Debug)]
pub(crate) struct Lanes {
    warehouses: Vec<Option<String>>,
    lanes: Vec<Offsets>,
    /// Number of the task, whose lanes follow those of the tasks before it, so that tasks do not wait for each other's offsets.
    task: usize,
    /// Number of lanes that write tables.
    wanted: usize,
}

/// The tables that one transaction writes, and the lanes whose offsets it moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    /// The lane whose session is used.
    pub(crate) lane: usize,
    /// Names of the tables in the database, in order.
    pub(crate) tables: Vec<String>,
    /// The lanes whose offsets are moved, in order, and the buckets that they state afterwards.
    pub(crate) moved: Vec<(usize, Buckets)>,
}

impl Lanes {
    /// No lanes yet. `wanted` lanes of the task write tables.
    pub(crate) fn new(warehouses: &[Option<String>], task: usize, wanted: usize) -> Self {
        Self { warehouses: warehouses.to_vec(), lanes: Vec::new(), task, wanted }
    }

    /// Number of lanes that have an offsets table, including those of an earlier configuration.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Adds lanes up to this number, and those of the task. Beyond the maximum, tasks share lanes.
    pub(crate) fn grow(&mut self, existing: usize) {
        let own = (self.task + 1).saturating_mul(self.wanted).min(MAX_LANES);
        let warehouses = &self.warehouses;
        self.lanes.resize_with(existing.max(own).max(self.lanes.len()), || Offsets::new(warehouses));
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

    /// Epochs for a claim of partitions, higher than those in the rows of all lanes. `random` tells claims apart that are made
    /// at the same time.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn new_epochs(
        partitions: &[Partition<'_>],
        answers: &[Answer],
        random: u64,
    ) -> Result<Vec<u64>> {
        let mut epochs = vec![0; partitions.len()];
        for answer in answers {
            let of_lane = Offsets::epochs(partitions, answer)?;
            epochs.iter_mut().zip(of_lane).for_each(|(epoch, other)| *epoch = other.max(*epoch));
        }
        let next =
            |epoch: u64| ((epoch >> RANDOM_BITS).saturating_add(1) << RANDOM_BITS) | (random & RANDOM_MASK);
        Ok(epochs.into_iter().map(next).collect())
    }

    /// Whether a claim with these epochs holds in all lanes. If there is a newer one in some lane, it will be the newer one in
    /// all, or its task has ended.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn holds_claim(
        partitions: &[Partition<'_>],
        epochs: &[u64],
        answers: &[Answer],
    ) -> Result<bool> {
        for answer in answers {
            if !Offsets::have_epochs(partitions, epochs, answer)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores the claimed rows of partitions. A partition starts at the lowest level of all warehouses, with the state as of that
    /// offset.
    ///
    /// # Errors
    /// If a row is missing or cannot be read, or a removed warehouse has not written everything.
    pub(crate) fn claimed(&mut self, partitions: &[Partition<'_>], answers: &[Answer]) -> Result<Vec<Claim>> {
        self.lanes.iter_mut().zip(answers).try_for_each(|(lane, answer)| lane.claimed(partitions, answer))?;
        let claims: Result<Vec<Claim>> =
            partitions.iter().map(|partition| self.claim_of(partition)).collect();
        let claims = claims?;
        for (partition, claim) in partitions.iter().zip(&claims) {
            self.lanes.iter_mut().for_each(|lane| lane.set_epoch(partition, claim.epoch));
        }
        Ok(claims)
    }

    fn claim_of(&self, partition: &Partition<'_>) -> Result<Claim> {
        let Partition { topic, partition: number } = *partition;
        let level = |name: &str| self.level(name, topic, number);
        let configured = self.warehouses.iter().map(|name| level(name.as_deref().unwrap_or_default()));
        let mut levels: Vec<Level> = configured.collect();
        let furthest = levels.iter().map(|level| level.offset).max().flatten();
        for name in self.lanes.iter().flat_map(|lane| lane.former(partition)) {
            let former = level(name);
            if former.offset < furthest {
                return Err(Error::fatal(format_args!(
                    "warehouse {name:?} has not written all of {topic}-{number}, and is no longer configured: start once \
                     with the former configuration, and stop the connector before changing it"
                )));
            }
            levels.push(former);
        }
        let start = levels.into_iter().min_by_key(|level| level.offset).unwrap_or_default();
        let state = start.state.as_deref().map(|text| decoded(text, partition)).transpose()?;
        let epoch = self.lanes.iter().map(|lane| lane.epoch(partition)).max().unwrap_or_default();
        Ok(Claim { next_offset: start.offset, epoch, state: state.unwrap_or_default() })
    }

    /// What all lanes together state for a warehouse.
    fn level(&self, warehouse: &str, topic: &str, partition: i32) -> Level {
        Level::of(self.lanes.iter().filter_map(|lane| lane.row_named(warehouse, topic, partition)))
    }

    /// Stores the rows of partitions after transactions in doubt, or after a session was lost; see [`Offsets::refresh`].
    ///
    /// # Errors
    /// Fenced, if another task has claimed a partition that is written, or the database has lost what was committed.
    pub(crate) fn refresh(
        &mut self,
        partitions: &[Partition<'_>],
        answers: &[Answer],
        is_written: impl Fn(&Partition<'_>) -> bool,
    ) -> Result<()> {
        let mut lanes = self.lanes.iter_mut().zip(answers);
        lanes.try_for_each(|(lane, answer)| lane.refresh(partitions, answer, &is_written))
    }

    /// Stores the rows of partitions whose stored offsets are being deleted.
    ///
    /// # Errors
    /// Fenced, if another task has claimed one of the partitions.
    pub(crate) fn refresh_deleted(&mut self, partitions: &[Partition<'_>], answers: &[Answer]) -> Result<()> {
        let mut lanes = self.lanes.iter_mut().zip(answers);
        lanes.try_for_each(|(lane, answer)| lane.refresh_deleted(partitions, answer))
    }

    /// Marks the outcome of the last transactions as unknown.
    pub(crate) fn doubt(&mut self) {
        self.lanes.iter_mut().for_each(Offsets::doubt);
    }

    /// Notes that a transaction of a lane has no response, and may still be committed.
    pub(crate) fn unsettle(&mut self, lane: usize) {
        self.lanes.get_mut(lane).into_iter().for_each(Offsets::unsettle);
    }

    /// The partitions for which the outcome of the last transactions is unknown.
    pub(crate) fn in_doubt(&self) -> Vec<(String, i32)> {
        self.lanes.first().map(Offsets::in_doubt).unwrap_or_default()
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

    /// Whether the database already has a record of a table that this warehouse writes.
    pub(crate) fn holds(&self, warehouse: usize, table: &str, of: &Partition<'_>, offset: i64) -> bool {
        let mut bucket = None;
        let mut bucket = || *bucket.get_or_insert_with(|| Buckets::of(table));
        let mut rows = self.lanes.iter().filter_map(|lane| lane.row(warehouse, of.topic, of.partition));
        rows.any(|row| row.holds(offset, &mut bucket))
    }

    /// The warehouses without changes, including those that are no longer in the configuration. Their offsets are updated
    /// together with those of another warehouse, so that none falls behind.
    pub(crate) fn idle(&self, has_work: impl Fn(usize) -> bool) -> Vec<usize> {
        let known = self.lanes.iter().map(Offsets::warehouse_count).max().unwrap_or_default();
        (0..known).filter(|warehouse| !has_work(*warehouse)).collect()
    }

    /// Divides the tables of a flush into transactions. `tables` are names, in order, and the expected number of statements of each;
    /// `moving` are the warehouses whose offsets are moved.
    pub(crate) fn shares(
        &self,
        positions: &[NextOffset<'_>],
        tables: &[(&str, usize)],
        moving: &[usize],
    ) -> Vec<Share> {
        if self.are_level(positions, moving) {
            return self.divided(tables);
        }
        vec![self.whole(positions, tables, moving)]
    }

    /// One transaction writes all tables. It moves a lane that is not ahead in any partition, or all lanes if there is none, and
    /// those that a transaction without a response may still move.
    fn whole(&self, positions: &[NextOffset<'_>], tables: &[(&str, usize)], moving: &[usize]) -> Share {
        let is_behind_at = |lane: &Offsets, position: &NextOffset<'_>, warehouse: usize| {
            let (topic, partition) = (position.topic, position.partition);
            let row = lane.row(warehouse, topic, partition);
            let name = self.warehouses.get(warehouse).map(|name| name.as_deref().unwrap_or_default());
            let level = name.and_then(|name| self.level(name, topic, partition).offset);
            let next = row.and_then(Row::next_offset);
            row.is_none() || (next < Some(position.next_offset) && (name.is_none() || next <= level))
        };
        let is_behind = |lane: &Offsets| {
            positions
                .iter()
                .all(|position| moving.iter().all(|warehouse| is_behind_at(lane, position, *warehouse)))
        };
        let own = (0..self.count()).map(|number| self.own_lane(number));
        let main = own.into_iter().find(|lane| self.lanes.get(*lane).is_some_and(is_behind));
        let is_moved = |lane: &usize| {
            let is_unsettled = |position: &NextOffset<'_>| {
                let lane = self.lanes.get(*lane);
                lane.is_some_and(|lane| lane.is_unsettled(position.topic, position.partition))
            };
            main.is_none_or(|main| main == *lane) || positions.iter().any(is_unsettled)
        };
        Share {
            lane: main.unwrap_or_else(|| self.own_lane(0)),
            tables: tables.iter().map(|(table, _)| (*table).to_owned()).collect(),
            moved: (0..self.count()).filter(is_moved).map(|lane| (lane, Buckets::ALL)).collect(),
        }
    }

    /// The number of a lane, counted from the first one of the task.
    fn own_lane(&self, number: usize) -> usize {
        self.task.saturating_mul(self.wanted).saturating_add(number) % self.count().max(1)
    }

    /// Whether no lane is ahead of the level, and no transaction may still move one.
    fn are_level(&self, positions: &[NextOffset<'_>], moving: &[usize]) -> bool {
        let configured = moving.iter().filter_map(|warehouse| self.warehouses.get(*warehouse));
        let is_level = |warehouse: &str, position: &NextOffset<'_>| {
            let (topic, partition) = (position.topic, position.partition);
            let rows = self.lanes.iter().filter_map(|lane| lane.row_named(warehouse, topic, partition));
            rows.map(Row::next_offset).max().flatten() == self.level(warehouse, topic, partition).offset
        };
        let is_settled = |position: &NextOffset<'_>| {
            !self.lanes.iter().any(|lane| lane.is_unsettled(position.topic, position.partition))
        };
        let names = configured.map(|name| name.as_deref().unwrap_or_default());
        positions.iter().all(is_settled)
            && names.into_iter().all(|name| positions.iter().all(|position| is_level(name, position)))
    }

    /// Each lane writes some of the tables. Lanes without a table do nothing. Without tables, one lane moves its offsets.
    fn divided(&self, tables: &[(&str, usize)]) -> Vec<Share> {
        let lanes = self.wanted.min(self.count()).min(tables.len()).max(1);
        let share = |(number, buckets): (usize, Buckets)| {
            let lane = self.own_lane(number);
            let own = tables.iter().filter(|(table, _)| buckets.contains(Buckets::of(table)));
            let tables = own.map(|(table, _)| (*table).to_owned()).collect();
            Share { lane, tables, moved: vec![(lane, buckets)] }
        };
        let used = |(number, buckets): &(usize, Buckets)| *number == 0 || *buckets != Buckets::NONE;
        spread(tables.iter().copied(), lanes).into_iter().enumerate().filter(used).map(share).collect()
    }

    /// The offsets to update in a transaction of these warehouses; see [`Offsets::moves`].
    pub(crate) fn moves(
        &self,
        positions: &[NextOffset<'_>],
        moving: &[usize],
        lane: (usize, Buckets),
    ) -> Moves {
        let (lane, buckets) = lane;
        let level = |warehouse: &str, position: &NextOffset<'_>| {
            self.level(warehouse, position.topic, position.partition)
        };
        self.lanes.get(lane).map(|lane| lane.moves(positions, moving, buckets, level)).unwrap_or_default()
    }

    /// The updates that delete the stored offsets of partitions, by lane.
    pub(crate) fn resets(&self, partitions: &[Partition<'_>]) -> Vec<Moves> {
        let level = |warehouse: &str, of: &Partition<'_>| self.level(warehouse, of.topic, of.partition);
        self.lanes.iter().map(|lane| lane.resets(partitions, level)).collect()
    }

    /// Stores the offsets of a committed transaction.
    pub(crate) fn moved(&mut self, lane: usize, moves: Moves) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.moved(moves);
        }
    }
}

#[cfg(test)]
mod model;
