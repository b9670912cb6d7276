//! What the rows of the offsets tables state: which records are written, and the state of the host.

use std::sync::Arc;

use tidegate_plugin::{Error, Partition, Result};

use super::Buckets;
use crate::session::Answer;

/// Between the parts of the column of the state. It is not a character of base64.
const PARTS: char = ':';

/// The row of a partition and warehouse in the offsets table of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(super) epoch: u64,
    pub(super) next_offset: Option<i64>,
    /// What the row states.
    pub(super) written: Written,
    /// Number of copies of the row in the database.
    pub(super) copies: u64,
}

/// What the column of the state contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// State of the host as of the next offset, in base64.
    pub(super) state: Option<Arc<str>>,
    /// The buckets of which everything below the next offset is written.
    pub(super) buckets: Buckets,
    /// Everything below is written for all tables.
    pub(super) level: Level,
}

/// An offset below which everything is written for all tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    /// The offset; `None` if nothing is known to be written.
    pub(crate) offset: Option<i64>,
    /// State of the host as of the offset, in base64.
    pub(crate) state: Option<Arc<str>>,
}

impl Level {
    /// The highest level that rows of different lanes state together. Without one, the state that was kept.
    pub(crate) fn of<'r>(rows: impl Iterator<Item = &'r Row> + Clone) -> Self {
        let stated = |row: &'r Row| {
            let next = Self { offset: row.next_offset, state: row.written.state.clone() };
            [next, row.written.level.clone()]
        };
        let mut candidates: Vec<Self> =
            rows.clone().flat_map(stated).filter(|level| level.offset.is_some()).collect();
        candidates.sort_by_key(|level| std::cmp::Reverse(level.offset));
        let is_level = |level: &Self| {
            let written = rows.clone().map(|row| row.written_up_to(level.offset));
            written.fold(Buckets::NONE, Buckets::with) == Buckets::ALL
        };
        // The state that was kept when the offsets were deleted.
        let kept = |row: &'r Row| match row.next_offset {
            None => row.written.state.clone(),
            Some(_) if row.written.level.offset.is_none() => row.written.level.state.clone(),
            Some(_) => None,
        };
        let kept = || rows.clone().find_map(kept);
        candidates.into_iter().find(is_level).unwrap_or_else(|| Self { offset: None, state: kept() })
    }
}

impl Row {
    /// The buckets of which everything below an offset is written.
    fn written_up_to(&self, offset: Option<i64>) -> Buckets {
        match &self.written {
            written if written.level.offset >= offset => Buckets::ALL,
            written if self.next_offset >= offset => written.buckets,
            _ => Buckets::NONE,
        }
    }

    /// Whether the row states that a record of a table is written. `bucket` is only called if that depends on the table.
    pub(crate) fn holds(&self, offset: i64, bucket: impl FnOnce() -> Buckets) -> bool {
        let is_below = |next: Option<i64>| next.is_some_and(|next| offset < next);
        is_below(self.written.level.offset)
            || (is_below(self.next_offset) && self.written.buckets.contains(bucket()))
    }

    /// The offset up to which the lane has written its buckets.
    pub(crate) fn next_offset(&self) -> Option<i64> {
        self.next_offset
    }
}

/// What a new row of a warehouse states, from the rows of the other lanes.
pub(super) fn start_of_new(others: &[(String, Row)], warehouse: &str) -> Level {
    let level = |name: &str| Level::of(others.iter().filter(|(of, _)| of == name).map(|(_, row)| row));
    if others.iter().any(|(name, _)| name == warehouse) {
        return level(warehouse);
    }
    others.iter().map(|(name, _)| level(name)).min_by_key(|level| level.offset).unwrap_or_default()
}

impl Written {
    /// The text for the column of the state: the state, or `buckets:level:state as of the level:state`.
    pub(super) fn text(&self) -> Option<String> {
        let Self { state, buckets, level } = self;
        if *buckets == Buckets::ALL {
            return state.as_deref().map(str::to_owned);
        }
        let offset = level.offset.map(|offset| offset.to_string()).unwrap_or_default();
        let [at_level, state] = [&level.state, state].map(|state| state.as_deref().unwrap_or_default());
        Some(format!("{buckets}{PARTS}{offset}{PARTS}{at_level}{PARTS}{state}"))
    }

    /// Parses such a text. Versions without lanes stored only the state, for all tables.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        let state = |state: &str| (!state.is_empty()).then(|| Arc::from(state));
        let mut parts = text.split(PARTS);
        let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
        if let [Some(buckets), Some(level), Some(at_level), Some(last)] = parts
            && let Some(buckets) = Buckets::parse(buckets)
        {
            let level = Level { offset: level.parse().ok(), state: state(at_level) };
            return Self { state: state(last), buckets, level };
        }
        Self { state: state(text), ..Self::default() }
    }
}

/// The rows of a partition in a result with `topic, partition, warehouse, epoch, next_offset, state`, by warehouse.
///
/// Of copies with different epochs, the newest is used: older ones come from abandoned claims.
pub(super) fn rows_of(answer: &Answer, partition: &Partition<'_>) -> Result<Vec<(String, Row)>> {
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
        let written = Written::parse(text(5));
        match rows.iter_mut().find(|(known, _)| known == warehouse) {
            Some((_, known)) if known.epoch == epoch => {
                known.copies += 1;
                if next_offset > known.next_offset {
                    (known.next_offset, known.written) = (next_offset, written);
                }
            }
            Some((_, known)) if known.epoch > epoch => {}
            Some((_, known)) => *known = Row { epoch, next_offset, written, copies: 1 },
            None => rows.push((warehouse.to_owned(), Row { epoch, next_offset, written, copies: 1 })),
        }
    }
    Ok(rows)
}
