//! What is read from Kafka goes into the open batch here: one copy per record, then the message is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};
use tidegate_abi::host::{Batch, NewRecord, Partition};

use super::assignment::{Assignment, Slot};
use crate::config::BatchLimits;

/// The open batch, and the one that is closed and waits for the work role.
pub(super) struct Intake {
    limits: BatchLimits,
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
    pub(super) fn new(limits: BatchLimits) -> Self {
        let (open, spare) = (Batch::new(), Vec::new());
        Self { limits, open, since: None, closed: None, spare, last: None, read: 0, bytes: 0 }
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
        let size = size_of_message(message);
        self.read += 1;
        self.bytes += size as u64;
        if self.open.input_count() > 0 && self.open.payload_bytes() + size > self.limits.max_bytes {
            self.close();
        }
        self.since.get_or_insert_with(Instant::now);
        let index = self.slot_index(&slot, partition);
        if size > self.limits.max_record_bytes {
            let limit = self.limits.max_record_bytes;
            let reason = format!("it has {size} bytes, more than batch.max_record_bytes = {limit} allows");
            return self.open.push_refused(index, message.offset(), reason);
        }
        let record = NewRecord {
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            value: message.payload(),
        };
        match message.headers() {
            Some(headers) => self.open.push(index, record, HeaderIter { headers, next: 0 }),
            None => self.open.push(index, record, std::iter::empty()),
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
        self.last = Some(LastSlot { slot: slot.clone(), partition, index });
        index
    }

    /// Closes the open batch and opens another. What was closed before must be gone.
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

    /// Takes an emptied batch back for its memory: up to twice what its payload may be, for the values beside it.
    pub(super) fn recycle(&mut self, mut batch: Batch) {
        batch.reset(self.limits.max_bytes.saturating_mul(4));
        self.spare.push(batch);
    }

    /// Forgets the records of partitions that are gone.
    pub(super) fn retain(&mut self, keep: impl Fn(&Partition) -> bool) {
        self.last = None;
        self.open.retain_partitions(&keep);
        if self.open.input_count() == 0 {
            self.since = None;
        }
        if let Some(closed) = &mut self.closed {
            closed.retain_partitions(&keep);
        }
        self.closed = self.closed.take().filter(|closed| closed.input_count() > 0);
    }
}

fn size_of_message(message: &BorrowedMessage<'_>) -> usize {
    let headers = message.headers().map_or(0, |headers| {
        headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
    });
    message.key_len() + message.payload_len() + headers
}

/// Headers as a batch takes them.
struct HeaderIter<'m> {
    headers: &'m BorrowedHeaders,
    next: usize,
}

impl<'m> Iterator for HeaderIter<'m> {
    type Item = (&'m str, Option<&'m [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.headers.try_get(self.next)?;
        self.next += 1;
        Some((header.key, header.value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.headers.count().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}
