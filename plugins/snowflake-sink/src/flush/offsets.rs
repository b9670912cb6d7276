//! Offsets that are stored in Snowflake by one lane, for the partitions that this task owns.
//!
//! An offsets table has one row per partition and warehouse. A claim increments the epoch; a flush updates the
//! offset in the transaction of the rows, only if epoch and offset have the expected values. Snowflake does not enforce
//! unique keys, so concurrent first claims may create a row twice. Both copies are then updated together.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use tidegate_plugin::{Batch, Claim, Error, NextOffset, Partition, Result};

use super::buckets::Buckets;
use crate::session::Answer;

/// Between the buckets and the state in the column of the state. It is not a character of base64.
const BUCKETS_END: char = ':';

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
    /// Whether the outcome of the last transaction is unknown, so that Snowflake may have newer offsets.
    in_doubt: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    epoch: u64,
    next_offset: Option<i64>,
    /// State of the host as of the offset, in base64.
    state: Option<Arc<str>>,
    /// The buckets of which everything below the offset is written.
    buckets: Buckets,
    /// Number of copies of the row in Snowflake.
    copies: u64,
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
    rows: Vec<Json>,
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
    state: Option<Arc<str>>,
    buckets: Buckets,
}

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, to be bound.
    pub(crate) fn payload(&self) -> String {
        Json::from(self.rows.clone()).to_string()
    }

    pub(crate) fn copies(&self) -> u64 {
        self.copies
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
        let rows =
            partitions.iter().map(|Partition { topic, partition }| json!([topic, partition.to_string()]));
        rows.collect::<Json>().to_string()
    }

    /// The rows to add for a claim: `[[topic, partition, warehouse, next, state], ..]`. `all` are the rows of all lanes.
    ///
    /// A new row starts at the lowest offset of its warehouse in the other lanes, or for a new warehouse of all others, which
    /// have written all earlier records. If the table of a lane was dropped, the others may not have, and the row has no
    /// offset, as if all were lost.
    pub(crate) fn missing(
        &self,
        partitions: &[Partition<'_>],
        answer: &Answer,
        all: &[Answer],
    ) -> Result<Option<String>> {
        let mut missing = Vec::new();
        for partition in partitions {
            let known = rows_of(answer, partition)?;
            let mut others = Vec::new();
            for answer in all {
                others.extend(rows_of(answer, partition)?);
            }
            for warehouse in
                self.warehouses.iter().filter(|name| !known.iter().any(|(known, _)| known == *name))
            {
                let mut alike: Vec<&Row> =
                    others.iter().filter(|(name, _)| name == warehouse).map(|(_, row)| row).collect();
                if alike.is_empty() {
                    alike = others.iter().map(|(_, row)| row).collect();
                }
                let start = start_of_new(&alike);
                let next = start.and_then(|row| row.next_offset).map(|next| next.to_string());
                let state = start.and_then(|row| row.state.as_deref());
                let number = partition.partition.to_string();
                missing.push(json!([partition.topic, number, warehouse, next, state]));
            }
        }
        Ok((!missing.is_empty()).then(|| Json::from(missing).to_string()))
    }

    /// Stores the claimed rows of partitions.
    pub(crate) fn claimed(&mut self, partitions: &[Partition<'_>], answer: &Answer) -> Result<Vec<Claim>> {
        let mut claims = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (rows, former) = self.rows(partition, answer)?;
            self.check_former(partition, &rows, &former)?;
            let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or_default();
            let slowest = rows.iter().min_by_key(|row| row.next_offset);
            let next_offset = slowest.and_then(|row| row.next_offset);
            let state = slowest.and_then(|row| row.state.as_deref()).map(|text| decoded(text, partition));
            let state = state.transpose()?.unwrap_or_default();
            let topic = self.partitions.entry(partition.topic.to_owned()).or_default();
            topic.insert(partition.partition, Stored { epoch, rows, former, in_doubt: false });
            claims.push(Claim { next_offset, epoch, state });
        }
        Ok(claims)
    }

    /// Stores the rows of partitions after a transaction in doubt.
    ///
    /// # Errors
    /// Fenced, if another task has claimed one of the partitions.
    pub(crate) fn refresh(&mut self, partitions: &[Partition<'_>], answer: &Answer) -> Result<()> {
        for partition in partitions {
            let (rows, former) = self.rows(partition, answer)?;
            let stored = self
                .partitions
                .get_mut(partition.topic)
                .and_then(|topic| topic.get_mut(&partition.partition));
            let Some(stored) = stored else { continue };
            if rows.iter().zip(&stored.rows).any(|(now, known)| now.epoch != known.epoch) {
                return Err(fenced(partition));
            }
            (stored.rows, stored.former) = (rows, former);
            stored.in_doubt = false;
        }
        Ok(())
    }

    /// Marks the outcome of the last transaction as unknown.
    pub(crate) fn doubt(&mut self) {
        self.partitions.values_mut().flat_map(HashMap::values_mut).for_each(|stored| stored.in_doubt = true);
    }

    /// The partitions of a batch for which the outcome of the last transaction is unknown.
    pub(crate) fn in_doubt<'b>(&self, batch: &Batch<'b>) -> Vec<Partition<'b>> {
        let partitions = batch
            .positions()
            .map(|position| Partition { topic: position.topic, partition: position.partition });
        partitions
            .filter(|partition| {
                self.stored(partition.topic, partition.partition).is_some_and(|stored| stored.in_doubt)
            })
            .collect()
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

    /// A warehouse that was removed from the configuration must have written all records.
    fn check_former(&self, partition: &Partition<'_>, rows: &[Row], former: &[String]) -> Result<()> {
        let furthest = rows.iter().map(|row| row.next_offset).max().flatten();
        let behind =
            rows.iter().skip(self.warehouses.len()).zip(former).find(|(row, _)| row.next_offset != furthest);
        let Some((_, name)) = behind else { return Ok(()) };
        let Partition { topic, partition } = partition;
        Err(Error::fatal(format_args!(
            "warehouse {name:?} has not written all of {topic}-{partition}, and is no longer configured: start once \
             with the former configuration, and stop the connector before changing it"
        )))
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

    /// The next offset of a warehouse in a partition, and the buckets that are written up to it; `None` for an unknown
    /// partition.
    pub(crate) fn written(
        &self,
        warehouse: usize,
        topic: &str,
        partition: i32,
    ) -> Option<(Option<i64>, Buckets)> {
        let row = self.stored(topic, partition)?.rows.get(warehouse)?;
        Some((row.next_offset, row.buckets))
    }

    /// Sets the epoch that the host returns with the batches of a partition.
    pub(crate) fn set_epoch(&mut self, partition: &Partition<'_>, epoch: u64) {
        let topic = self.partitions.get_mut(partition.topic);
        if let Some(stored) = topic.and_then(|topic| topic.get_mut(&partition.partition)) {
            stored.epoch = epoch;
        }
    }

    /// The offsets to update in a transaction for these warehouses. `buckets` are those that are written up to the end of the
    /// batch once the transaction is committed.
    pub(crate) fn moves(
        &self,
        positions: &[NextOffset<'_>],
        warehouses: &[usize],
        buckets: Buckets,
    ) -> Moves {
        let mut moves = Moves::default();
        for position in positions {
            let state: Option<Arc<str>> =
                (!position.state.is_empty()).then(|| STANDARD.encode(position.state).into());
            let Some(stored) = self.stored(position.topic, position.partition) else { continue };
            for warehouse in warehouses {
                let (Some(row), Some(name)) = (stored.rows.get(*warehouse), self.warehouses.get(*warehouse))
                else {
                    continue;
                };
                if row.next_offset >= Some(position.next_offset) {
                    continue;
                }
                let expected = row.next_offset.map(|next| next.to_string());
                let (partition, epoch) = (position.partition.to_string(), row.epoch.to_string());
                let next = position.next_offset.to_string();
                moves.rows.push(json!([
                    position.topic,
                    partition,
                    name,
                    epoch,
                    expected,
                    next,
                    encoded(buckets, state.as_deref())
                ]));
                moves.moved.push(Moved {
                    topic: position.topic.to_owned(),
                    partition: position.partition,
                    warehouse: *warehouse,
                    next_offset: Some(position.next_offset),
                    state: state.clone(),
                    buckets,
                });
                moves.copies += row.copies;
            }
        }
        moves
    }

    /// The updates that delete the stored offsets of partitions. States are kept.
    pub(crate) fn resets(&self, partitions: &[Partition<'_>]) -> Moves {
        let mut moves = Moves::default();
        for Partition { topic, partition } in partitions {
            let Some(stored) = self.stored(topic, *partition) else { continue };
            let names = self.warehouses.iter().chain(&stored.former);
            for (warehouse, (row, name)) in stored.rows.iter().zip(names).enumerate() {
                let Some(expected) = row.next_offset else { continue };
                let (number, epoch) = (partition.to_string(), row.epoch.to_string());
                let (state, buckets) = (row.state.clone(), row.buckets);
                let expected = expected.to_string();
                let kept = encoded(buckets, state.as_deref());
                moves.rows.push(json!([topic, number, name, epoch, expected, null, kept]));
                let (topic, partition) = ((*topic).to_owned(), *partition);
                moves.moved.push(Moved { topic, partition, warehouse, next_offset: None, state, buckets });
                moves.copies += row.copies;
            }
        }
        moves
    }

    /// Stores the offsets of a committed transaction.
    pub(crate) fn moved(&mut self, moves: Moves) {
        for Moved { topic, partition, warehouse, next_offset, state, buckets } in moves.moved {
            let stored = self.partitions.get_mut(&topic).and_then(|topic| topic.get_mut(&partition));
            if let Some(row) = stored.and_then(|stored| stored.rows.get_mut(warehouse)) {
                (row.next_offset, row.state, row.buckets) = (next_offset, state, buckets);
            }
        }
    }
}

/// The row whose offset a new one starts at: everything below it is written.
///
/// If the rows have different offsets, all lanes had the lowest one when their last flush began. If the offsets are equal,
/// the buckets of the rows have to be those of all tables: otherwise there was another lane, which may have less.
fn start_of_new<'r>(others: &[&'r Row]) -> Option<&'r Row> {
    let least = others.iter().min_by_key(|row| row.next_offset)?;
    let are_level = others.iter().all(|row| row.next_offset == least.next_offset);
    let is_complete = others.iter().fold(Buckets::NONE, |all, row| all.with(row.buckets)) == Buckets::ALL;
    (!are_level || is_complete).then_some(*least)
}

/// The text for the column of the state: the buckets, unless they are all, then the state.
fn encoded(buckets: Buckets, state: Option<&str>) -> Option<String> {
    match (buckets, state) {
        (Buckets::ALL, state) => state.map(str::to_owned),
        (buckets, state) => Some(format!("{buckets}{BUCKETS_END}{}", state.unwrap_or_default())),
    }
}

/// The buckets and the state in a text of that column. Versions without lanes stored only the state, for all tables.
fn split_state(text: Option<&str>) -> (Buckets, Option<Arc<str>>) {
    let parts = text.and_then(|text| text.split_once(BUCKETS_END));
    match parts.and_then(|(buckets, state)| Some((Buckets::parse(buckets)?, state))) {
        Some((buckets, state)) => (buckets, (!state.is_empty()).then(|| state.into())),
        None => (Buckets::ALL, text.map(Arc::from)),
    }
}

/// Decodes the state of a row.
fn decoded(text: &str, partition: &Partition<'_>) -> Result<Vec<u8>> {
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

/// The rows of a partition in a result with `topic, partition, warehouse, epoch, next_offset, state`, by warehouse.
///
/// Of copies with different epochs, the newest is used: older ones come from abandoned claims.
fn rows_of(answer: &Answer, partition: &Partition<'_>) -> Result<Vec<(String, Row)>> {
    let wanted = partition.partition.to_string();
    let mut rows: Vec<(String, Row)> = Vec::new();
    for row in &answer.rows {
        let text = |index: usize| row.get(index).and_then(Option::as_deref);
        if text(0) != Some(partition.topic) || text(1) != Some(&*wanted) {
            continue;
        }
        let unreadable = || {
            Error::fatal(
                "the offsets table contains a value that is not a number: it may have been modified manually",
            )
        };
        let epoch = text(3).unwrap_or_default().parse().map_err(|_| unreadable())?;
        let next_offset = text(4).map(str::parse).transpose().map_err(|_| unreadable())?;
        let warehouse = text(2).unwrap_or_default();
        let (buckets, state) = split_state(text(5));
        match rows.iter_mut().find(|(known, _)| known == warehouse) {
            Some((_, known)) if known.epoch == epoch => {
                known.copies += 1;
                if next_offset > known.next_offset {
                    (known.next_offset, known.state, known.buckets) = (next_offset, state, buckets);
                }
            }
            Some((_, known)) if known.epoch > epoch => {}
            Some((_, known)) => *known = Row { epoch, next_offset, state, buckets, copies: 1 },
            None => rows.push((warehouse.to_owned(), Row { epoch, next_offset, state, buckets, copies: 1 })),
        }
    }
    Ok(rows)
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

    fn claimed(rows: &[(&str, u64, Option<i64>)]) -> (Offsets, Claim) {
        let mut offsets = offsets_of_two();
        let claims = offsets.claimed(&[PARTITION], &answer(rows)).unwrap();
        (offsets, claims.into_iter().next().unwrap())
    }

    #[test]
    fn a_task_starts_at_the_lowest_offset() {
        let (_, claim) = claimed(&[("A", 3, Some(100)), ("B", 4, Some(80))]);
        assert_eq!((claim.next_offset, claim.epoch), (Some(80), 4));
        let (_, claim) = claimed(&[("A", 1, Some(100)), ("B", 1, None)]);
        assert_eq!(claim.next_offset, None, "what B has not written must be read");
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
    fn a_lane_whose_table_was_dropped_starts_without_an_offset() {
        let row = |next, buckets| Row { next_offset: Some(next), buckets, ..Row::default() };
        let (one, two) = (Buckets::of("orders"), Buckets::of("page_views"));
        let start = |rows: &[&Row]| start_of_new(rows).and_then(|row| row.next_offset);
        assert_eq!(start(&[&row(9, one), &row(9, two)]), None, "a third lane may have failed");
        assert_eq!(start(&[&row(9, Buckets::ALL), &row(9, Buckets::NONE)]), Some(9));
        assert_eq!(start(&[&row(9, one), &row(5, two)]), Some(5), "all lanes had 5");
        assert_eq!(start(&[]), None);
    }

    #[test]
    fn duplicate_rows_are_updated_together() {
        let (offsets, claim) =
            claimed(&[("A", 2, Some(5)), ("A", 2, Some(5)), ("A", 1, None), ("B", 2, Some(5))]);
        assert_eq!((claim.next_offset, claim.epoch), (Some(5), 2));
        let stored = offsets.stored("t", 0).unwrap();
        assert_eq!(
            stored.rows[0],
            Row { epoch: 2, next_offset: Some(5), state: None, buckets: Buckets::ALL, copies: 2 }
        );
    }

    #[test]
    fn other_claims_and_commits_without_a_response_are_detected() {
        let (mut offsets, _) = claimed(&[("A", 2, Some(5)), ("B", 2, Some(5))]);
        offsets.doubt();
        offsets.refresh(&[PARTITION], &answer(&[("A", 2, Some(9)), ("B", 2, Some(5))])).unwrap();
        assert!(!offsets.stored("t", 0).unwrap().in_doubt);
        assert_eq!(offsets.stored("t", 0).unwrap().rows[0].next_offset, Some(9));
        let fenced =
            offsets.refresh(&[PARTITION], &answer(&[("A", 3, Some(9)), ("B", 3, Some(9))])).unwrap_err();
        assert!(fenced.is_fenced(), "{fenced}");
    }

    #[test]
    fn a_removed_warehouse_must_have_written_everything() {
        let (offsets, claim) = claimed(&[("A", 1, Some(9)), ("B", 1, Some(9)), ("OLD", 1, Some(9))]);
        assert_eq!(claim.next_offset, Some(9));
        assert_eq!(offsets.warehouse_count(), 3, "its row goes along");
        let behind = answer(&[("A", 1, Some(9)), ("B", 1, Some(9)), ("OLD", 1, Some(5))]);
        let error = offsets_of_two().claimed(&[PARTITION], &behind).unwrap_err();
        assert!(error.message().contains("warehouse \"OLD\" has not written all of t-0"), "{error}");
    }

    #[test]
    fn a_missing_row_is_an_error() {
        let error = offsets_of_two().claimed(&[PARTITION], &answer(&[("A", 1, None)])).unwrap_err();
        assert!(error.message().contains("no row for t-0"), "{error}");
    }
}
