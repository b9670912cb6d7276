//! Offsets that are stored in the database by one lane, for the partitions that this task owns.
//!
//! An offsets table has one row per partition and warehouse. A claim increments the epoch; a flush updates the
//! offset in the transaction of the rows, only if epoch and offset have the expected values. Where the database does not
//! enforce unique keys, concurrent first claims may create a row twice. Both copies are then updated together.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use tidegate_plugin::{Batch, Error, NextOffset, Partition, Result};

use super::buckets::Buckets;
use crate::{rows::json_rows, session::Answer};

mod row;

pub(crate) use row::{Level, Row};
use row::{Written, rows_of, start_of_new};

/// The stored offsets of a partition, by warehouse.
#[derive(Clone, Debug, Default)]
struct Stored {
    /// Highest epoch of this task's claim. That of the first lane is the highest of all lanes, which the host returns with
    /// every batch.
    epoch: u64,
    /// By warehouse: first those of the configuration, in order, then others.
    rows: Vec<Row>,
    /// Names of the other warehouses.
    former: Vec<String>,
    /// Whether the outcome of the last transaction is unknown, so that the database may have newer offsets.
    in_doubt: bool,
    /// Whether a transaction without a response may still be committed.
    is_unsettled: bool,
}

#[derive(Debug)]
pub(crate) struct Offsets {
    warehouses: Vec<String>,
    partitions: HashMap<String, HashMap<i32, Stored>>,
}

/// Offsets to update in a transaction.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// To be bound: `[[topic, partition, warehouse, epoch, expected, next, state], ..]`.
    rows: Vec<[Option<String>; 7]>,
    moved: Vec<Moved>,
    /// Number of rows that must be updated, including copies.
    copies: u64,
}

/// The offset of a row after the transaction.
#[derive(Debug)]
struct Moved {
    topic: String,
    partition: i32,
    warehouse: usize,
    next_offset: Option<i64>,
    written: Written,
}

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, to be bound.
    pub(crate) fn payload(&self) -> String {
        json_rows(self.rows.iter().map(<[_; 7]>::as_slice))
    }

    pub(crate) fn copies(&self) -> u64 {
        self.copies
    }

    /// Adds the update of a row to an offset, and to what it states afterwards.
    fn add(
        &mut self,
        partition: &Partition<'_>,
        (warehouse, name): (usize, &str),
        row: &Row,
        next_offset: Option<i64>,
        written: Written,
    ) {
        let Partition { topic, partition } = *partition;
        let (number, epoch) = (partition.to_string(), row.epoch.to_string());
        let [expected, next] =
            [row.next_offset, next_offset].map(|offset| offset.map(|next| next.to_string()));
        let some = |text: &str| Some(text.to_owned());
        self.rows.push([some(topic), Some(number), some(name), Some(epoch), expected, next, written.text()]);
        self.moved.push(Moved { topic: topic.to_owned(), partition, warehouse, next_offset, written });
        self.copies += row.copies;
    }
}

impl Offsets {
    pub(crate) fn new(warehouses: &[Option<String>]) -> Self {
        let warehouses = warehouses.iter().map(|name| name.clone().unwrap_or_default()).collect();
        Self { warehouses, partitions: HashMap::new() }
    }

    /// The number of warehouses with rows, including those that are no longer in the configuration.
    pub(crate) fn warehouse_count(&self) -> usize {
        let known = self.partitions.values().flat_map(HashMap::values).map(|stored| stored.rows.len()).max();
        known.unwrap_or_default()
    }

    /// `[[topic, partition], ..]`, to be bound.
    pub(crate) fn partitions(partitions: &[Partition<'_>]) -> String {
        let row = |Partition { topic, partition }: &Partition<'_>| {
            [Some((*topic).to_owned()), Some(partition.to_string())]
        };
        let rows: Vec<[Option<String>; 2]> = partitions.iter().map(row).collect();
        json_rows(rows.iter().map(<[_; 2]>::as_slice))
    }

    /// The rows of a claim, to be bound: `[[topic, partition, epoch], ..]`. The epochs are in the order of the partitions.
    pub(crate) fn claiming(partitions: &[Partition<'_>], epochs: &[u64]) -> String {
        let row = |(Partition { topic, partition }, epoch): (&Partition<'_>, &u64)| {
            [Some((*topic).to_owned()), Some(partition.to_string()), Some(epoch.to_string())]
        };
        let rows: Vec<[Option<String>; 3]> = partitions.iter().zip(epochs).map(row).collect();
        json_rows(rows.iter().map(<[_; 3]>::as_slice))
    }

    /// The highest epoch of each partition in the rows of a lane.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn epochs(partitions: &[Partition<'_>], answer: &Answer) -> Result<Vec<u64>> {
        let highest = |partition: &Partition<'_>| {
            let rows = rows_of(answer, partition)?;
            Ok(rows.iter().map(|(_, row)| row.epoch).max().unwrap_or_default())
        };
        partitions.iter().map(highest).collect()
    }

    /// Whether all claimed rows have these epochs, in the order of the partitions: otherwise there is a newer claim.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn have_epochs(partitions: &[Partition<'_>], epochs: &[u64], answer: &Answer) -> Result<bool> {
        for (partition, epoch) in partitions.iter().zip(epochs) {
            if rows_of(answer, partition)?.iter().any(|(_, row)| row.epoch != *epoch) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows to add for a claim: `[[topic, partition, warehouse, next, state], ..]`. `all` are the rows of all lanes.
    ///
    /// A new row states what the other lanes state together for its warehouse, which may no longer be in the configuration, or
    /// for a new warehouse what all others state, because they have written its tables before. If the table of a lane was dropped, the others state less.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub(crate) fn missing(
        &self,
        partitions: &[Partition<'_>],
        answer: &Answer,
        all: &[Answer],
    ) -> Result<Option<String>> {
        let mut missing: Vec<[Option<String>; 5]> = Vec::new();
        for partition in partitions {
            let known = rows_of(answer, partition)?;
            let mut others = Vec::new();
            for answer in all {
                others.extend(rows_of(answer, partition)?);
            }
            let mut names: Vec<&String> = others.iter().map(|(name, _)| name).collect();
            names.retain(|name| !self.warehouses.contains(name));
            names.sort();
            names.dedup();
            let is_known = |name: &str| known.iter().any(|(known, _)| known == name);
            for warehouse in self.warehouses.iter().chain(names).filter(|name| !is_known(name)) {
                let start = start_of_new(&others, warehouse);
                let next = start.offset.map(|next| next.to_string());
                let number = partition.partition.to_string();
                let (topic, state) = (partition.topic.to_owned(), start.state.as_deref().map(str::to_owned));
                missing.push([Some(topic), Some(number), Some(warehouse.clone()), next, state]);
            }
        }
        Ok((!missing.is_empty()).then(|| json_rows(missing.iter().map(<[_; 5]>::as_slice))))
    }

    /// Stores the claimed rows of partitions.
    ///
    /// # Errors
    /// If a row is missing or cannot be read.
    pub(crate) fn claimed(&mut self, partitions: &[Partition<'_>], answer: &Answer) -> Result<()> {
        for partition in partitions {
            let (rows, former) = self.rows(partition, answer)?;
            let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or_default();
            let topic = self.partitions.entry(partition.topic.to_owned()).or_default();
            let stored = Stored { epoch, rows, former, in_doubt: false, is_unsettled: false };
            topic.insert(partition.partition, stored);
        }
        Ok(())
    }

    /// The epoch of a claimed partition.
    pub(crate) fn epoch(&self, partition: &Partition<'_>) -> u64 {
        self.stored(partition.topic, partition.partition).map(|stored| stored.epoch).unwrap_or_default()
    }

    /// Names of the warehouses with a row of a partition that are no longer in the configuration.
    pub(crate) fn former(&self, partition: &Partition<'_>) -> &[String] {
        self.stored(partition.topic, partition.partition).map_or(&[], |stored| &stored.former)
    }

    /// Stores the rows of partitions after a transaction in doubt, or after a session was lost. `is_written` tells which partitions are
    /// about to be written: it does not matter yet if another task has claimed one of the others.
    ///
    /// # Errors
    /// Fenced, if another task has claimed a partition that is written, or the database has lost what was committed.
    pub(crate) fn refresh(
        &mut self,
        partitions: &[Partition<'_>],
        answer: &Answer,
        is_written: impl Fn(&Partition<'_>) -> bool,
    ) -> Result<()> {
        for partition in partitions {
            let Some(stored) = self.stored(partition.topic, partition.partition) else { continue };
            let (rows, former) =
                self.rows(partition, answer).map_err(|error| Error::fenced(error.message()))?;
            let pairs = || rows.iter().zip(&stored.rows);
            if pairs().any(|(now, known)| now.epoch > known.epoch) {
                if is_written(partition) {
                    return Err(fenced(partition));
                }
                continue;
            }
            let went_back =
                |(now, known): &(&Row, &Row)| now.epoch < known.epoch || now.next_offset < known.next_offset;
            if let Some((now, known)) = pairs().find(went_back) {
                return Err(lost(partition, known, now));
            }
            self.store(partition, rows, former);
        }
        Ok(())
    }

    /// Stores the rows of partitions whose stored offsets are being deleted, which an earlier attempt may have done.
    ///
    /// # Errors
    /// Fenced, if another task has claimed one of the partitions.
    pub(crate) fn refresh_deleted(&mut self, partitions: &[Partition<'_>], answer: &Answer) -> Result<()> {
        for partition in partitions {
            let (rows, former) = self.rows(partition, answer)?;
            let Some(stored) = self.stored(partition.topic, partition.partition) else { continue };
            if rows.iter().zip(&stored.rows).any(|(now, known)| now.epoch != known.epoch) {
                return Err(fenced(partition));
            }
            self.store(partition, rows, former);
        }
        Ok(())
    }

    fn store(&mut self, partition: &Partition<'_>, rows: Vec<Row>, former: Vec<String>) {
        let topic = self.partitions.get_mut(partition.topic);
        let Some(stored) = topic.and_then(|topic| topic.get_mut(&partition.partition)) else { return };
        (stored.rows, stored.former, stored.in_doubt) = (rows, former, false);
    }

    /// Marks the outcome of the last transaction as unknown.
    pub(crate) fn doubt(&mut self) {
        self.partitions.values_mut().flat_map(HashMap::values_mut).for_each(|stored| stored.in_doubt = true);
    }

    /// Notes that transactions without a response may still be committed. That ends, per partition, when its offset is moved.
    pub(crate) fn unsettle(&mut self) {
        let stored = self.partitions.values_mut().flat_map(HashMap::values_mut);
        stored.for_each(|stored| stored.is_unsettled = true);
    }

    /// Whether a transaction without a response may still move the offset of a partition.
    pub(crate) fn is_unsettled(&self, topic: &str, partition: i32) -> bool {
        self.stored(topic, partition).is_some_and(|stored| stored.is_unsettled)
    }

    /// The partitions for which the outcome of the last transaction is unknown.
    pub(crate) fn in_doubt(&self) -> Vec<(String, i32)> {
        let all = self.partitions.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, stored)| (topic, *partition, stored))
        });
        let in_doubt = all.filter(|(_, _, stored)| stored.in_doubt);
        in_doubt.map(|(topic, partition, _)| (topic.clone(), partition)).collect()
    }

    /// The rows of a partition, and the names of warehouses that are not in the configuration.
    fn rows(&self, partition: &Partition<'_>, answer: &Answer) -> Result<(Vec<Row>, Vec<String>)> {
        let known = rows_of(answer, partition)?;
        let row =
            |warehouse: &String| known.iter().find(|(name, _)| name == warehouse).map(|(_, row)| row.clone());
        let rows: Option<Vec<Row>> = self.warehouses.iter().map(row).collect();
        let mut rows = rows.ok_or_else(|| {
            let Partition { topic, partition } = partition;
            Error::retriable(format_args!(
                "the offsets table has no row for {topic}-{partition}: it was deleted by another client"
            ))
        })?;
        let is_other = |(name, _): &&(String, Row)| !self.warehouses.contains(name);
        let mut others: Vec<&(String, Row)> = known.iter().filter(is_other).collect();
        others.sort_by_key(|(name, _)| name);
        rows.extend(others.iter().map(|(_, row)| row.clone()));
        Ok((rows, others.into_iter().map(|(name, _)| name.clone()).collect()))
    }

    /// Releases partitions.
    pub(crate) fn release(&mut self, partitions: &[Partition<'_>]) {
        for Partition { topic, partition } in partitions {
            if let Some(topic) = self.partitions.get_mut(*topic) {
                topic.remove(partition);
            }
        }
    }

    /// Checks that this task still owns the partitions of a batch.
    ///
    /// # Errors
    /// Fenced, if it does not.
    pub(crate) fn check(&self, batch: &Batch<'_>) -> Result<()> {
        for position in batch.positions() {
            let stored = self.stored(position.topic, position.partition);
            if stored.is_none_or(|stored| stored.epoch != position.epoch) {
                return Err(fenced(&Partition { topic: position.topic, partition: position.partition }));
            }
        }
        Ok(())
    }

    fn stored(&self, topic: &str, partition: i32) -> Option<&Stored> {
        self.partitions.get(topic)?.get(&partition)
    }

    /// The row of a warehouse in a partition; `None` for an unknown partition.
    pub(crate) fn row(&self, warehouse: usize, topic: &str, partition: i32) -> Option<&Row> {
        self.stored(topic, partition)?.rows.get(warehouse)
    }

    /// The row of a warehouse in a partition, by name.
    pub(crate) fn row_named(&self, warehouse: &str, topic: &str, partition: i32) -> Option<&Row> {
        let stored = self.stored(topic, partition)?;
        let mut names = self.warehouses.iter().chain(&stored.former);
        stored.rows.get(names.position(|name| name == warehouse)?)
    }

    /// Sets the epoch that the host returns with the batches of a partition.
    pub(crate) fn set_epoch(&mut self, partition: &Partition<'_>, epoch: u64) {
        let topic = self.partitions.get_mut(partition.topic);
        if let Some(stored) = topic.and_then(|topic| topic.get_mut(&partition.partition)) {
            stored.epoch = epoch;
        }
    }

    /// The offsets to update in a transaction for these warehouses. `buckets` are those that are written up to the end of the
    /// batch once the transaction is committed; `level` returns what all lanes together state for a warehouse by now.
    pub(crate) fn moves(
        &self,
        positions: &[NextOffset<'_>],
        warehouses: &[usize],
        buckets: Buckets,
        level: impl Fn(&str, &NextOffset<'_>) -> Level,
    ) -> Moves {
        let mut moves = Moves::default();
        for position in positions {
            let state: Option<Arc<str>> =
                (!position.state.is_empty()).then(|| STANDARD.encode(position.state).into());
            let Some(stored) = self.stored(position.topic, position.partition) else { continue };
            let names: Vec<&String> = self.warehouses.iter().chain(&stored.former).collect();
            for warehouse in warehouses {
                let (Some(row), Some(name)) = (stored.rows.get(*warehouse), names.get(*warehouse)) else {
                    continue;
                };
                if row.next_offset >= Some(position.next_offset) {
                    continue;
                }
                let level = if buckets == Buckets::ALL { Level::default() } else { level(name, position) };
                let partition = Partition { topic: position.topic, partition: position.partition };
                let written = Written { state: state.clone(), buckets, level };
                moves.add(&partition, (*warehouse, name), row, Some(position.next_offset), written);
            }
        }
        moves
    }

    /// The updates that delete the stored offsets of partitions. Every row keeps the newest state, which `level` returns
    /// for a warehouse.
    pub(crate) fn resets(
        &self,
        partitions: &[Partition<'_>],
        level: impl Fn(&str, &Partition<'_>) -> Level,
    ) -> Moves {
        let mut moves = Moves::default();
        for partition in partitions {
            let Some(stored) = self.stored(partition.topic, partition.partition) else { continue };
            let names = self.warehouses.iter().chain(&stored.former);
            for (warehouse, (row, name)) in stored.rows.iter().zip(names).enumerate() {
                let state = level(name, partition).state;
                if row.next_offset.is_none() && row.written.state == state {
                    continue;
                }
                let written = Written { state, ..Written::default() };
                moves.add(partition, (warehouse, name), row, None, written);
            }
        }
        moves
    }

    /// Stores the offsets of a committed transaction.
    pub(crate) fn moved(&mut self, moves: Moves) {
        for Moved { topic, partition, warehouse, next_offset, written } in moves.moved {
            let stored = self.partitions.get_mut(&topic).and_then(|topic| topic.get_mut(&partition));
            let Some(stored) = stored else { continue };
            stored.is_unsettled = false;
            if let Some(row) = stored.rows.get_mut(warehouse) {
                (row.next_offset, row.written) = (next_offset, written);
            }
        }
    }
}

/// Decodes the state of a row.
///
/// # Errors
/// If it was modified.
pub(super) fn decoded(text: &str, partition: &Partition<'_>) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| {
        let Partition { topic, partition } = partition;
        Error::fatal(format_args!(
            "the offsets table has a state of {topic}-{partition} that cannot be decoded: it may have been modified manually. Set it to \
             NULL to continue without it: events that the source sends again may then be applied again"
        ))
    })
}

/// The error if another task owns the partition.
fn fenced(partition: &Partition<'_>) -> Error {
    let Partition { topic, partition } = partition;
    Error::fenced(format_args!("another task has claimed {topic}-{partition}"))
}

/// The error if the database does not have what it has confirmed as committed. The rows of the offsets were committed together with
/// those of the tables, so a task that claims the partition again begins at what is left of both.
fn lost(partition: &Partition<'_>, known: &Row, now: &Row) -> Error {
    let Partition { topic, partition } = partition;
    let [from, to] = [known, now].map(|row| match row.next_offset {
        Some(offset) => offset.to_string(),
        None => "none".to_owned(),
    });
    Error::fenced(format_args!(
        "the stored offset of {topic}-{partition} went back from {from} to {to}: the database has lost commits, in a failover to a replica \
         or because a backup was restored. When the task is restarted, it reads what is missing"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: Partition<'static> = Partition { topic: "t", partition: 0 };

    fn offsets_of_two() -> Offsets {
        Offsets::new(&[Some("A".to_owned()), Some("B".to_owned())])
    }

    /// Rows of partition 0: warehouse, epoch, next offset.
    fn answer(rows: &[(&str, u64, Option<i64>)]) -> Answer {
        let row = |(warehouse, epoch, next): &(&str, u64, Option<i64>)| {
            let text = |text: &str| Some(text.to_owned());
            let next = next.map(|next| next.to_string());
            vec![text("t"), text("0"), text(warehouse), text(&epoch.to_string()), next]
        };
        Answer { rows: rows.iter().map(row).collect(), ..Answer::default() }
    }

    fn claimed(rows: &[(&str, u64, Option<i64>)]) -> Offsets {
        let mut offsets = offsets_of_two();
        offsets.claimed(&[PARTITION], &answer(rows)).unwrap();
        offsets
    }

    #[test]
    fn a_new_warehouse_starts_at_the_lowest_offset() {
        let missing = |rows: &[_]| {
            let answer = answer(rows);
            offsets_of_two().missing(&[PARTITION], &answer, std::slice::from_ref(&answer)).unwrap()
        };
        assert_eq!(missing(&[]).unwrap(), r#"[["t","0","A",null,null],["t","0","B",null,null]]"#);
        assert_eq!(missing(&[("A", 1, Some(7)), ("C", 1, Some(5))]).unwrap(), r#"[["t","0","B","5",null]]"#);
        assert_eq!(missing(&[("A", 1, None), ("C", 1, Some(5))]).unwrap(), r#"[["t","0","B",null,null]]"#);
        assert_eq!(missing(&[("A", 1, None), ("B", 1, None)]), None);
    }

    #[test]
    fn duplicate_rows_are_updated_together() {
        let offsets = claimed(&[("A", 2, Some(5)), ("A", 2, Some(5)), ("A", 1, None), ("B", 2, Some(5))]);
        let expected = Row { epoch: 2, next_offset: Some(5), copies: 2, ..Row::default() };
        assert_eq!(offsets.row(0, "t", 0), Some(&expected));
    }

    #[test]
    fn other_claims_and_commits_without_a_response_are_detected() {
        let mut offsets = claimed(&[("A", 2, Some(5)), ("B", 2, Some(5))]);
        offsets.doubt();
        offsets.refresh(&[PARTITION], &answer(&[("A", 2, Some(9)), ("B", 2, Some(5))]), |_| true).unwrap();
        assert_eq!(offsets.in_doubt(), []);
        assert_eq!(offsets.stored("t", 0).unwrap().rows[0].next_offset, Some(9));
        let claimed = answer(&[("A", 3, Some(9)), ("B", 3, Some(9))]);
        let fenced = offsets.refresh(&[PARTITION], &claimed, |_| true).unwrap_err();
        assert!(fenced.is_fenced(), "{fenced}");
        offsets.doubt();
        offsets.refresh(&[PARTITION], &claimed, |_| false).unwrap();
        assert_eq!(offsets.in_doubt(), [("t".to_owned(), 0)], "a partition that is not written");
    }

    #[test]
    fn commits_that_the_database_has_lost_are_detected() {
        for (rows, from_to) in [
            ([("A", 2, Some(5)), ("B", 2, Some(4))], "went back from 5 to 4"),
            ([("A", 2, None), ("B", 2, Some(5))], "went back from 5 to none"),
            ([("A", 1, Some(5)), ("B", 1, Some(5))], "went back from 5 to 5"),
        ] {
            let mut offsets = claimed(&[("A", 2, Some(5)), ("B", 2, Some(5))]);
            offsets.doubt();
            let error = offsets.refresh(&[PARTITION], &answer(&rows), |_| false).unwrap_err();
            assert!(error.is_fenced() && error.message().contains(from_to), "{error}");
        }
        let mut offsets = claimed(&[("A", 2, Some(5)), ("B", 2, Some(5))]);
        let error = offsets.refresh(&[PARTITION], &answer(&[]), |_| false).unwrap_err();
        assert!(error.is_fenced(), "{error}");
        offsets.refresh_deleted(&[PARTITION], &answer(&[("A", 2, None), ("B", 2, None)])).unwrap();
    }

    #[test]
    fn a_missing_row_is_an_error() {
        let error = offsets_of_two().claimed(&[PARTITION], &answer(&[("A", 1, None)])).unwrap_err();
        assert!(error.message().contains("no row for t-0"), "{error}");
    }
}
