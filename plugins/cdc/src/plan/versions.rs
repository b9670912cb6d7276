//! The versions of rows in a batch, for history tables: every event is one.
//!
//! They are in the order of their positions, whatever order they arrived in. Each gets the values that it omits from the version before
//! it, and says which earlier versions it ends, and when: see [`history`](crate::history).

use std::{collections::HashMap, rc::Rc, sync::Arc};

use tidegate_plugin::{Operation, Value};

use super::{
    event::Event,
    fold::{Carried, Folded, base_of},
};

/// The earliest and the latest time of a version, in milliseconds: in between, years have four digits.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Versions of the rows of a table.
#[derive(Debug)]
pub struct Versions<'b> {
    key: Arc<[String]>,
    /// The events, in the order of arrival.
    events: Vec<Keyed<'b>>,
    rows: Vec<Version<'b>>,
    skipped: u64,
}

/// A key, and its text.
type Key<'b> = (Rc<str>, Box<[Value<'b>]>);

/// An event of a row.
#[derive(Debug)]
struct Keyed<'b> {
    key: Key<'b>,
    event: Event<'b>,
    time: i64,
    /// The key that the row had before, if another one and known.
    old: Option<Key<'b>>,
}

/// A version of a row.
#[derive(Debug)]
pub struct Version<'b> {
    /// Its key, its event and its values.
    pub row: Folded<'b>,
    /// From when it is valid, in milliseconds since the epoch.
    pub time: i64,
    /// Position of the previous version of its key in the batch, as stored.
    pub after: Option<String>,
    /// When it ends earlier versions: the earliest time of it and of later versions of its key in the batch.
    pub ends: i64,
    /// The earliest time of only the later ones.
    pub until: Option<i64>,
    /// Whether it is only a version if its values are others than those of the previous one in the table, if that is not older than the
    /// previous one in the batch.
    pub is_compared: bool,
    /// The version in the table whose values it has where the batch does not have them; none if it omits no value, or no version has
    /// them.
    pub earlier: Option<Earlier<'b>>,
    /// Versions are written in rounds: one in a later round has values that one in the round before takes from the table.
    pub round: usize,
}

/// Where a version is searched for in the table: the latest one with a key up to a position.
#[derive(Clone, Debug)]
pub struct Earlier<'b> {
    /// Values of the key.
    pub key: Box<[Value<'b>]>,
    /// The position, as stored.
    pub up_to: String,
    /// Whether it is the row's old key, which was deleted since.
    pub passes_deletes: bool,
    /// Whether the old key may still change, because the partition of its delete lags behind.
    pub is_early: bool,
}

impl<'b> Versions<'b> {
    pub(super) fn new(key: Arc<[String]>) -> Self {
        Self { key, events: Vec::new(), rows: Vec::new(), skipped: 0 }
    }

    /// The source's key columns.
    pub fn key(&self) -> &Arc<[String]> {
        &self.key
    }

    /// The versions: those of a key in the order of their positions.
    pub fn rows(&self) -> &[Version<'b>] {
        &self.rows
    }

    /// Number of events that are no versions: the source has sent them before, or has read an unchanged row again.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Adds an event. `old` is the key that the row had before, if it was another one.
    ///
    /// # Errors
    /// If it has no time.
    pub(super) fn push(
        &mut self,
        key: (&str, Vec<Value<'b>>),
        old: Option<(&str, Vec<Value<'b>>)>,
        event: Event<'b>,
    ) -> Result<(), String> {
        let time = time_of(&event)?;
        let owned = |(text, values): (&str, Vec<Value<'b>>)| (Rc::from(text), values.into_boxed_slice());
        self.events.push(Keyed { key: owned(key), event, time, old: old.map(owned) });
        Ok(())
    }

    /// Makes versions of the events. All of them must have been added.
    pub(super) fn complete(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        events.sort_by_key(|keyed| keyed.event.position);
        let mut latest = Latest::default();
        for keyed in events {
            match self.version(keyed, &latest) {
                Some(version) => {
                    latest.note(&version.row, self.rows.len());
                    self.rows.push(version);
                }
                None => self.skipped += 1,
            }
        }
        self.set_ends();
    }

    /// The version of an event; none if it is that of an event which was sent before.
    fn version(&self, keyed: Keyed<'b>, latest: &Latest) -> Option<Version<'b>> {
        let Keyed { key: (key_text, key), mut event, time, old } = keyed;
        let previous = latest.any.get(&key_text).and_then(|index| self.rows.get(*index));
        if let Some(previous) = previous.filter(|previous| previous.row.last.position == event.position) {
            // Events at one offset are of one message, and in order. Otherwise, the source has sent the event twice.
            if !event.position.has_offset() {
                return None;
            }
            event = event.nth(previous.row.last.ordinal().saturating_add(1));
        }
        let is_read = event.operation() == Operation::Read;
        if is_read && previous.is_some_and(|previous| has_same_values(&previous.row, &event)) {
            return None;
        }
        let is_delete = event.operation() == Operation::Delete;
        let mut row = Folded {
            key_text,
            key,
            last: event,
            values: (!is_delete).then_some(event),
            carried: Vec::new(),
            inserts: true,
            expects_row: false,
            older: 0,
            base: base_of(event),
        };
        let omits = !is_delete && event.row().iter().any(|(_, value)| value.is_unavailable());
        let (earlier, round) = if omits { self.carry(&mut row, previous, old, latest) } else { (None, 0) };
        Some(Version {
            is_compared: is_read && !omits,
            after: previous.map(|previous| previous.row.last.stamp()),
            row,
            time,
            ends: time,
            until: None,
            earlier,
            round,
        })
    }

    /// Takes the values that a row omits from earlier versions of the batch. Returns where the table has the others, and in which round.
    fn carry(
        &self,
        row: &mut Folded<'b>,
        previous: Option<&Version<'b>>,
        old: Option<Key<'b>>,
        latest: &Latest,
    ) -> (Option<Earlier<'b>>, usize) {
        let event = row.last;
        let up_to = event.stamp();
        if let Some((old_text, old)) = old {
            let last = latest.any.get(&old_text).and_then(|index| self.rows.get(*index));
            let is_early = !last.is_some_and(|last| last.row.is_delete());
            let own = Earlier { key: old, up_to, passes_deletes: true, is_early };
            let row_before = latest.rows.get(&old_text).and_then(|index| self.rows.get(*index));
            let round = carry_from(row, row_before);
            return (Some(own), round);
        }
        if event.operation().is_insert() {
            return (None, 0);
        }
        let own = Earlier { key: row.key.clone(), up_to, passes_deletes: false, is_early: false };
        match previous {
            Some(delete) if delete.row.is_delete() => {
                row.carried = delete.row.nothing_left(&event);
                (Some(own), 0)
            }
            previous => {
                let round = carry_from(row, previous);
                (Some(own), round)
            }
        }
    }

    /// Determines when each version ends earlier ones.
    fn set_ends(&mut self) {
        let mut earliest: HashMap<Rc<str>, i64> = HashMap::new();
        for version in self.rows.iter_mut().rev() {
            let until = earliest.get(&version.row.key_text).copied();
            version.until = until;
            version.ends = until.map_or(version.time, |until| until.min(version.time));
            earliest.insert(Rc::clone(&version.row.key_text), version.ends);
        }
    }
}

/// The latest versions by key, as indexes.
#[derive(Default)]
struct Latest {
    any: HashMap<Rc<str>, usize>,
    /// Those that are no deletes.
    rows: HashMap<Rc<str>, usize>,
}

impl Latest {
    fn note(&mut self, row: &Folded<'_>, index: usize) {
        self.any.insert(Rc::clone(&row.key_text), index);
        if !row.is_delete() {
            self.rows.insert(Rc::clone(&row.key_text), index);
        }
    }
}

/// Takes the values that a row omits from a version of the batch. Returns the round in which the table is searched for others, and for newer
/// ones: one after that version if that one has such values, unless both find them in the same version of the same key.
fn carry_from<'b>(row: &mut Folded<'b>, previous: Option<&Version<'b>>) -> usize {
    let Some(previous) = previous else { return 0 };
    let event = row.last;
    let omitted = event.row().iter().filter(|(_, value)| value.is_unavailable());
    row.carried = omitted.filter_map(|(name, _)| previous.row.known(name)).collect::<Vec<Carried<'b>>>();
    let is_same =
        previous.round == 0 && previous.earlier.as_ref().is_some_and(|earlier| !earlier.passes_deletes);
    // Values that the version itself has carried are older: an event that was sent again precedes it in the batch, and others in the table.
    let has_own = row.carried.iter().all(|carried| carried.since == previous.row.last.position);
    if is_same || (has_own && row.unknown().next().is_none()) { 0 } else { previous.round + 1 }
}

/// Whether a row has the values of an event.
fn has_same_values<'b>(row: &Folded<'b>, event: &Event<'b>) -> bool {
    let is_same = |(name, value): (&'b str, Value<'b>)| {
        let known = row.known(name).map(|known| known.value);
        known
            .is_some_and(|known| known.is_null() == value.is_null() && known.to_string() == value.to_string())
    };
    !row.is_delete() && row.row().len() == event.row().len() && event.row().iter().all(is_same)
}

/// The time of a version or of a truncate, in milliseconds since the epoch.
///
/// # Errors
/// If the event has none that can be stored.
pub(super) fn time_of(event: &Event<'_>) -> Result<i64, String> {
    let time = event.time_ms().ok_or("the event has no time, which mode = \"history\" needs")?;
    if !TIMES.contains(&time) {
        return Err(format!(
            "the event's time, {time} milliseconds since 1970, is not in the years 1 to 9999, which mode = \"history\" needs"
        ));
    }
    Ok(time)
}
