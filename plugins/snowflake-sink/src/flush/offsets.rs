//! Offsets that are stored in Snowflake, for the partitions that this task owns.
//!
//! The offsets table of the connector has one row per partition and warehouse. A claim increments the epoch; a flush updates the
//! offset in the transaction of the rows, only if epoch and offset have the expected values. Snowflake does not enforce
//! unique keys, so concurrent first claims may create a row twice. Both copies are then updated together.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use tidegate_plugin::{Batch, Claim, Error, Partition, Record, Result};

use crate::session::Answer;

/// The stored offsets of a partition, by warehouse.
#[derive(Clone, Debug, Default)]
struct Stored {
    /// Epoch of this task's claim, which the host returns with every batch.
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

    /// The warehouses without changes, including those that are no longer in the configuration. Their offsets are updated
    /// together with those of another warehouse, so that none falls behind.
    pub(crate) fn idle(&self, has_work: impl Fn(usize) -> bool) -> Vec<usize> {
        let known = self.partitions.values().flat_map(HashMap::values).map(|stored| stored.rows.len()).max();
        (0..known.unwrap_or_default()).filter(|warehouse| !has_work(*warehouse)).collect()
    }

    /// `[[topic, partition], ..]`, to be bound.
    pub(crate) fn partitions(partitions: &[Partition<'_>]) -> String {
        let rows =
            partitions.iter().map(|Partition { topic, partition }| json!([topic, partition.to_string()]));
        rows.collect::<Json>().to_string()
    }

    /// The rows to add for a claim: `[[topic, partition, warehouse, next, state], ..]`.
    ///
    /// A new warehouse starts at the lowest offset of the others, which have written all earlier records. A warehouse with a
    /// row but without an offset starts at the beginning.
    pub(crate) fn missing(&self, partitions: &[Partition<'_>], answer: &Answer) -> Result<Option<String>> {
        let mut missing = Vec::new();
        for partition in partitions {
            let known = rows_of(answer, partition)?;
            let least = known.iter().map(|(_, row)| row).min_by_key(|row| row.next_offset);
            for warehouse in
                self.warehouses.iter().filter(|name| !known.iter().any(|(known, _)| known == *name))
            {
                let next = least.and_then(|row| row.next_offset).map(|next| next.to_string());
                let state = least.and_then(|row| row.state.as_deref());
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
        let others = known.iter().filter(|(name, _)| !self.warehouses.contains(name));
        rows.extend(others.clone().map(|(_, row)| row.clone()));
        Ok((rows, others.map(|(name, _)| name.clone()).collect()))
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

    /// Whether a warehouse already contains a record.
    pub(crate) fn holds(&self, warehouse: usize, record: Record<'_>) -> bool {
        let row = self
            .stored(record.source_topic(), record.source_partition())
            .and_then(|stored| stored.rows.get(warehouse));
        row.and_then(|row| row.next_offset).is_some_and(|next| record.offset() < next)
    }

    /// The offsets to update in a transaction for these warehouses.
    pub(crate) fn moves(&self, batch: &Batch<'_>, warehouses: &[usize]) -> Moves {
        let mut moves = Moves::default();
        for position in batch.positions() {
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
                    state.as_deref()
                ]));
                moves.moved.push(Moved {
                    topic: position.topic.to_owned(),
                    partition: position.partition,
                    warehouse: *warehouse,
                    next_offset: Some(position.next_offset),
                    state: state.clone(),
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
                let state = row.state.clone();
                let expected = expected.to_string();
                moves.rows.push(json!([topic, number, name, epoch, expected, null, state.as_deref()]));
                let (topic, partition) = ((*topic).to_owned(), *partition);
                moves.moved.push(Moved { topic, partition, warehouse, next_offset: None, state });
                moves.copies += row.copies;
            }
        }
        moves
    }

    /// Stores the offsets of a committed transaction.
    pub(crate) fn moved(&mut self, moves: Moves) {
        for Moved { topic, partition, warehouse, next_offset, state } in moves.moved {
            let stored = self.partitions.get_mut(&topic).and_then(|topic| topic.get_mut(&partition));
            if let Some(row) = stored.and_then(|stored| stored.rows.get_mut(warehouse)) {
                (row.next_offset, row.state) = (next_offset, state);
            }
        }
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
        let state = text(5).map(Arc::from);
        match rows.iter_mut().find(|(known, _)| known == warehouse) {
            Some((_, known)) if known.epoch == epoch => {
                known.copies += 1;
                if next_offset > known.next_offset {
                    (known.next_offset, known.state) = (next_offset, state);
                }
            }
            Some((_, known)) if known.epoch > epoch => {}
            Some((_, known)) => *known = Row { epoch, next_offset, state, copies: 1 },
            None => rows.push((warehouse.to_owned(), Row { epoch, next_offset, state, copies: 1 })),
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
        let missing = |rows: &[_]| offsets_of_two().missing(&[PARTITION], &answer(rows)).unwrap();
        assert_eq!(missing(&[]).unwrap(), r#"[["t","0","A",null,null],["t","0","B",null,null]]"#);
        assert_eq!(missing(&[("A", 1, Some(7)), ("C", 1, Some(5))]).unwrap(), r#"[["t","0","B","5",null]]"#);
        assert_eq!(missing(&[("A", 1, None), ("C", 1, Some(5))]).unwrap(), r#"[["t","0","B",null,null]]"#);
        assert_eq!(missing(&[("A", 1, None), ("B", 1, None)]), None);
    }

    #[test]
    fn duplicate_rows_are_updated_together() {
        let (offsets, claim) =
            claimed(&[("A", 2, Some(5)), ("A", 2, Some(5)), ("A", 1, None), ("B", 2, Some(5))]);
        assert_eq!((claim.next_offset, claim.epoch), (Some(5), 2));
        let stored = offsets.stored("t", 0).unwrap();
        assert_eq!(stored.rows[0], Row { epoch: 2, next_offset: Some(5), state: None, copies: 2 });
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
        assert_eq!(offsets.idle(|warehouse| warehouse == 0), [1, 2], "its row goes along");
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
