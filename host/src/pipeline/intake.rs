//! What is read from Kafka goes into the open batch here: one copy per record, then the message is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::message::{BorrowedMessage, Message};
use tidegate_abi::host::{Batch, NewRecord, Part, Partition, Refusal};

use super::assignment::{Assignment, Slot};
use crate::{config::BatchLimits, kafka::raw_headers};

/// The open batch, and the one that is closed and waits for the work role.
pub(super) struct Intake {
    limits: BatchLimits,
    memory: usize,
    /// Records that are refused here are copied all the same: they go to a dead-letter topic.
    keeps_refused: bool,
    open: Batch,
    since: Option<Instant>,
    closed: Option<Batch>,
    /// Emptied batches, kept for their memory.
    spare: Vec<Batch>,
    last: Option<LastSlot>,
    /// Records taken.
    pub(super) read: u64,
    /// Bytes taken.
    pub(super) bytes: u64,
}

/// The slot of the last record: records come in runs of one partition.
struct LastSlot {
    slot: Slot,
    partition: i32,
    index: usize,
}

impl Intake {
    /// `memory` is what one batch may take in bytes, tables and values included: many small records fill it, too.
    /// `keeps_refused` says that the bytes of refused records are wanted.
    pub(super) fn new(limits: BatchLimits, memory: usize, keeps_refused: bool) -> Self {
        let (open, spare) = (Batch::new(), Vec::new());
        let max_records = limits.max_records.min(memory / Batch::RECORD_BYTES).max(1);
        let limits = BatchLimits { max_records, ..limits };
        Self {
            limits,
            memory,
            keeps_refused,
            open,
            since: None,
            closed: None,
            spare,
            last: None,
            read: 0,
            bytes: 0,
        }
    }

    /// Copies a message into the open batch, unless its partition is being handed over.
    pub(super) fn take(&mut self, message: &BorrowedMessage<'_>, assignment: &Assignment) {
        let (topic, partition) = (message.topic(), message.partition());
        let known =
            self.last.as_ref().filter(|last| last.partition == partition && *last.slot.topic == *topic);
        let slot = match known {
            Some(last) => last.slot.clone(),
            // Whoever gets the partition next reads the record again.
            None => match assignment.slot(topic, partition) {
                Some(slot) => slot,
                None => return,
            },
        };
        let shape = Shape::of(message);
        self.read += 1;
        self.bytes += shape.bytes as u64;
        // While a batch waits already, a record that slips through a pause goes into the open one, whatever its size.
        let fits = self.open.payload_bytes() + shape.bytes <= self.limits.max_bytes;
        if self.open.input_count() > 0 && !fits && self.closed.is_none() {
            self.close();
        }
        self.since.get_or_insert_with(Instant::now);
        let index = self.slot_index(&slot, partition);
        let record = NewRecord {
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            value: message.payload(),
        };
        match shape.refusal(self.limits.max_record_bytes) {
            None => {
                // Names were looked at, and are text.
                let text = |name| std::str::from_utf8(name).unwrap_or_default();
                let headers = raw_headers(message).map(|(name, value)| (text(name), value));
                self.open.push(index, record, headers);
            }
            Some(refusal) if self.keeps_refused => {
                self.open.push_refused(index, record, raw_headers(message), refusal);
            }
            Some(refusal) => {
                let bare = NewRecord { key: None, value: None, ..record };
                self.open.push_refused(index, bare, std::iter::empty(), refusal);
            }
        }
    }

    fn slot_index(&mut self, slot: &Slot, partition: i32) -> usize {
        if let Some(last) = &self.last
            && last.partition == partition
            && Arc::ptr_eq(&last.slot.topic, &slot.topic)
        {
            return last.index;
        }
        let index = self.open.slot(&slot.topic, partition, slot.generation);
        self.open.set_claimed_state(index, &slot.state);
        self.last = Some(LastSlot { slot: slot.clone(), partition, index });
        index
    }

    /// Closes the open batch and opens another. What was closed before is gone.
    fn close(&mut self) {
        debug_assert!(self.closed.is_none(), "one batch waits at a time");
        let next = self.spare.pop().unwrap_or_default();
        self.closed = Some(std::mem::replace(&mut self.open, next));
        self.since = None;
        self.last = None;
    }

    /// Whether another record may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.closed.is_none()
            && self.open.input_count() < self.limits.max_records
            && self.open.payload_bytes() < self.limits.max_bytes
    }

    /// How long the open batch may still wait for more records; `None` while it is empty.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.since.map(|since| self.limits.max_wait.saturating_sub(since.elapsed()))
    }

    /// The batch that is due: closed, full, waited for long enough, or, if `now`, whatever there is.
    pub(super) fn due(&mut self, now: bool) -> Option<Batch> {
        if self.closed.is_none() {
            let waited = self.time_left().is_some_and(|left| left.is_zero());
            if self.open.input_count() == 0 || !(now || waited || !self.has_room()) {
                return None;
            }
            self.close();
        }
        self.closed.take()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.open.input_count() == 0 && self.closed.is_none()
    }

    /// Takes a settled batch back for its memory: that of its payload and three times as much for its values, as far as
    /// a batch may have it.
    pub(super) fn recycle(&mut self, mut batch: Batch) {
        batch.reset(self.keep());
        self.spare.push(batch);
    }

    fn keep(&self) -> usize {
        self.limits.max_bytes.saturating_mul(4).min(self.memory)
    }

    /// Forgets the records of partitions that are gone.
    pub(super) fn retain(&mut self, keep: impl Fn(&Partition) -> bool) {
        self.last = None;
        self.open.retain_partitions(&keep);
        if self.open.input_count() == 0 {
            // Its bytes count as long as they are there: a batch full of nothing would never have room, nor be due.
            self.open.reset(self.keep());
            self.since = None;
        }
        if let Some(closed) = &mut self.closed {
            closed.retain_partitions(&keep);
        }
        self.closed = self.closed.take().filter(|closed| closed.input_count() > 0);
    }
}

/// What there is to know of a message before it is copied.
struct Shape {
    /// Of key, value and headers.
    bytes: usize,
    /// A header's name is not text.
    bad_header: bool,
}

impl Shape {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let mut shape = Self { bytes: message.key_len() + message.payload_len(), bad_header: false };
        for (name, value) in raw_headers(message) {
            shape.bytes += name.len() + value.map_or(0, <[u8]>::len);
            shape.bad_header |= std::str::from_utf8(name).is_err();
        }
        shape
    }

    #[inline]
    fn refusal(&self, max_record_bytes: usize) -> Option<Refusal> {
        if self.bytes > max_record_bytes {
            let bytes = self.bytes;
            let reason =
                format!("it has {bytes} bytes, more than batch.max_record_bytes = {max_record_bytes} allows");
            return Some(Refusal::too_large(Part::Record, reason));
        }
        let reason = "the name of a header is not text: invalid UTF-8";
        self.bad_header.then(|| Refusal::of(Part::Headers, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_records: 100,
        max_bytes: 1000,
        max_wait: Duration::from_secs(3600),
        max_record_bytes: 1 << 20,
    };

    fn fill(batch: &mut Batch, partition: i32, bytes: usize) {
        let slot = batch.slot(&Arc::from("t"), partition, 1);
        let value = vec![0; bytes];
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(&value) };
        batch.push(slot, record, std::iter::empty());
    }

    #[test]
    fn a_full_batch_whose_partitions_are_gone_has_room_again() {
        let mut intake = Intake::new(LIMITS, 1 << 20, false);
        fill(&mut intake.open, 0, 1000);
        assert!(!intake.has_room());
        intake.retain(|_| false);
        assert!(intake.has_room() && intake.is_empty());
        assert!(intake.due(true).is_none());
    }

    #[test]
    fn what_is_left_of_a_full_batch_is_due() {
        let mut intake = Intake::new(LIMITS, 1 << 20, false);
        fill(&mut intake.open, 0, 500);
        fill(&mut intake.open, 1, 500);
        intake.retain(|slot| slot.partition == 1);
        assert_eq!(intake.due(false).unwrap().input_count(), 1);
    }

    #[test]
    fn many_empty_records_fill_the_memory_too() {
        let mut intake = Intake::new(BatchLimits { max_records: 1_000_000, ..LIMITS }, 1 << 20, false);
        let mut count = 0;
        while intake.has_room() {
            fill(&mut intake.open, 0, 0);
            count += 1;
        }
        assert!(count * Batch::RECORD_BYTES <= 1 << 20, "{count}");
    }
}
