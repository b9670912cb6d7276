//! The order of change events: which log of the source an event belongs to, and whether the source has sent it before.
//!
//! Within a partition, Kafka's order is the source's order. A sink compares positions only to recognise events that come
//! twice, since connectors send their last events again after a restart. A position that is lower than one before it has
//! two causes: the event was *sent again*, or the source's log *began again*, as after a
//! failover to another server, a restore from a backup or a new snapshot. Each log of a source has a generation, which
//! counts before the position, so that events of a new log are newer than all of the one before.
//!
//! ```text
//! event.rs ── what an event says of its place ──> log.rs ── which log, sent again or not
//!                                                  seen.rs: the last events, to recognise them
//!                                                  codec.rs: all of it as bytes, stored with the offsets
//! ```
//!
//! What is known of a partition is a function of its records up to an offset and of nothing else: it is stored together
//! with the offset and loaded when a task begins to read there. So two events have the same order whether or not the host
//! was restarted, or the partition moved to another task, between them.

mod codec;
mod event;
mod log;
mod partition;
mod seen;

#[cfg(test)]
mod model;

use tidegate_abi::{ChangeParts, Record, Value, host::HostState};

use self::{
    event::{Hasher, Key},
    log::{OrderWarning, Placed},
    partition::PartitionOrder,
};
use super::{Cause, memory::Memory, notices::Notices};

/// A log of a source began again.
const LOG_BEGAN_AGAIN: Cause = Cause("source_log_began_again");
/// Events lie before others that were read already, and it is not known why.
const ASSUMED_RESENT: Cause = Cause("events_assumed_resent");
/// Events differ in nothing from others, and no key tells rows apart.
const MAY_BE_RESENT: Cause = Cause("events_may_be_resent");
/// Events were recognised as sent before.
const RESENT: Cause = Cause("events_resent");
/// A stored state cannot be read.
const UNREADABLE_STATE: Cause = Cause("order_state_unreadable");

/// What a task knows of the order in its partitions.
#[derive(Default)]
pub(super) struct Orders {
    partitions: Memory<i32, OpenPartition>,
    hasher: Hasher,
}

/// A partition that is being read.
#[derive(Default)]
struct OpenPartition {
    /// Number of the assignment under which it is read; 0 where nobody opened it.
    assignment: u64,
    order: PartitionOrder,
}

impl Orders {
    /// Prepares for records of a partition from `offset` on, which were read under the assignment of this number; if it is
    /// a new one, goes on with what was stored where the assignment began. Gives whether it is a new one.
    pub(super) fn open(&mut self, at: &Reading<'_>, notices: &mut Notices) -> bool {
        let is_this = |known: &i32| *known == at.partition;
        let open = self.partitions.entry(at.topic, is_this, || (at.partition, OpenPartition::default()));
        let is_new = open.assignment != at.assignment;
        if is_new {
            *open = OpenPartition { assignment: at.assignment, order: load(at, notices) };
        }
        is_new
    }

    /// What is known of a partition, to be stored with the offset behind its last record.
    pub(super) fn state(&mut self, topic: &str, partition: i32) -> HostState {
        self.partition(topic, partition, 0).encoded()
    }

    /// Gives the event of `record` its place: the generation of its log, whether the source sent it before, and, where
    /// the source gave it no position, the last one of its partition.
    ///
    /// `key` is the primary key as it was decoded; the bytes of a key that is none say nothing of the row.
    pub(super) fn place(
        &mut self,
        parts: &mut ChangeParts<'_>,
        key: Value<'_>,
        record: Record<'_>,
        notices: &mut Notices,
    ) {
        let source = self.hasher.source(parts);
        // Rows of incremental snapshots were read just now, whatever place in the log some connectors give them.
        let own = parts.position.filter(|words| *words != [0; 4] && parts.snapshot != "incremental");
        let Some(words) = own else {
            let order = self.partition(record.source_topic(), record.source_partition(), record.offset());
            let is_named = parts.source.get("name").is_some();
            let (generation, words) = order.inherited(source, is_named);
            parts.log_generation = generation;
            parts.position = words.or(parts.position);
            parts.inherited_position = parts.position.is_some();
            return;
        };
        let bytes = record.key_bytes().filter(|_| !key.is_null()).unwrap_or_default();
        let key = Key { bytes, columns: key };
        let event = self.hasher.event(parts, words, key);
        let order = self.partition(record.source_topic(), record.source_partition(), record.offset());
        let Placed { generation, resent, warning } = order.place(source, &event);
        parts.log_generation = generation;
        // Where there is a key, rows tell better than an assumption.
        parts.resent = resent && (warning.is_none() || !key.is_known());
        if resent || warning.is_some() {
            note(warning, parts, record, notices);
        }
    }

    /// What is known of a partition; of one that nobody opened, nothing before `offset`.
    fn partition(&mut self, topic: &str, partition: i32, offset: i64) -> &mut PartitionOrder {
        let make = || (partition, OpenPartition { assignment: 0, order: PartitionOrder::read_from(offset) });
        &mut self.partitions.entry(topic, |known| *known == partition, make).order
    }
}

/// Where a task reads on.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Number of the assignment, above 0.
    pub assignment: u64,
    /// Offset of the next record.
    pub offset: i64,
    /// What was stored where the assignment began.
    pub state: Option<&'a [u8]>,
}

fn load(at: &Reading<'_>, notices: &mut Notices) -> PartitionOrder {
    let Some(state) = at.state else { return PartitionOrder::read_from(at.offset) };
    codec::decode(state).unwrap_or_else(|error| {
        let place = format!("{}[{}]", at.topic, at.partition);
        notices.note(UNREADABLE_STATE, &place, || {
            format!(
                "what was stored of the order of events in {place} cannot be read: {error}. Events that the source sends \
                 again, and rows of incremental snapshots, are ordered as if the partition were read for the first time"
            )
        });
        PartitionOrder::read_from(at.offset)
    })
}

/// What is known of a partition whose log in Kafka began again under the same name.
pub(super) fn in_new_topic(state: Option<&[u8]>) -> HostState {
    let order = state.and_then(|state| codec::decode(state).ok()).unwrap_or_default();
    order.in_new_topic().encoded()
}

#[cold]
fn note(warning: Option<OrderWarning>, parts: &ChangeParts<'_>, record: Record<'_>, notices: &mut Notices) {
    let (topic, partition, offset) = (record.source_topic(), record.source_partition(), record.offset());
    // The topic alone, which allocates nothing.
    let place = || format!("{topic}-{partition}");
    match warning {
        Some(OrderWarning::LogBeganAgain(reason)) => notices.note(LOG_BEGAN_AGAIN, topic, || {
            let place = place();
            format!(
                "the positions of the source went back in {place} at offset {offset} to {}, and {reason}: its log began \
                 again, as after a failover, a restore or a new snapshot. Events from here on are newer than all before",
                parts.position_text
            )
        }),
        Some(OrderWarning::AssumedResent) => notices.note(ASSUMED_RESENT, topic, || {
            let place = place();
            format!(
                "the positions of the source went back in {place} at offset {offset} to {}, further than the events that \
                 are remembered: they are taken for events that the source sends again, and change nothing where rows are \
                 newer. If the source was restored or replaced instead, load its tables again, or set order_by = \
                 \"offset\" in sinks that have it",
                parts.position_text
            )
        }),
        Some(OrderWarning::MayBeResent) => notices.note(MAY_BE_RESENT, topic, || {
            let place = place();
            format!(
                "the event in {place} at offset {offset} has no key and is equal to one before it, at the same position {} \
                 of the source's log. One statement can insert equal rows at one position, so it counts as a row of its own. \
                 If the source sent the event again instead, its row is there twice; a primary key prevents that",
                parts.position_text
            )
        }),
        None => notices.inform(RESENT, topic, || {
            let place = place();
            format!("the source sends events of {place} again, from offset {offset} on: they change nothing")
        }),
    }
}
