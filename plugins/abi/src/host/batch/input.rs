//! The original form of a consumed record, kept until it is settled. Dead-letter records are made from it.

use std::{slice, sync::Arc};

use super::{Batch, NewRecord, Partition};
use crate::raw::{Bytes, HeaderView, NO_TIMESTAMP};

/// Origin of a consumed record, and its bytes in the batch's chunks.
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) slot: u32,
    pub(super) header_count: u32,
    /// Whether it was rejected before decoding.
    pub(super) rejected: bool,
    /// Number of records that were made from it, if it was kept by [`Batch::keep_originals`].
    pub(super) outputs: u32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) headers: *const HeaderView,
}

/// A consumed record in its original form.
#[derive(Clone, Copy, Debug)]
pub struct Original<'b> {
    /// Topic.
    pub topic: &'b Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Key; `None` for Kafka's null.
    pub key: Option<&'b [u8]>,
    /// Value; `None` for a tombstone.
    pub value: Option<&'b [u8]>,
    /// Whether it was rejected before decoding (see [`Batch::push_rejected`](super::Batch::push_rejected)).
    pub rejected: bool,
    headers: RawHeaders<'b>,
}

#[derive(Clone, Copy)]
struct RawHeaders<'b>(&'b [HeaderView]);

impl std::fmt::Debug for RawHeaders<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} headers", self.0.len())
    }
}

impl Input {
    /// The original record, which borrows from the batch.
    ///
    /// # Safety
    /// The batch's chunks are alive and unchanged for `'b`.
    pub(super) unsafe fn original<'b>(&self, partition: &'b Partition) -> Original<'b> {
        // SAFETY: guaranteed by the caller; pointer and count are those of one slice in the chunks.
        let headers = unsafe { slice::from_raw_parts(self.headers, self.header_count as usize) };
        Original {
            topic: &partition.topic,
            partition: partition.partition,
            offset: self.offset,
            timestamp_ms: (self.timestamp_ms != NO_TIMESTAMP).then_some(self.timestamp_ms),
            // SAFETY: guaranteed by the caller.
            key: unsafe { self.key.get() },
            // SAFETY: guaranteed by the caller.
            value: unsafe { self.value.get() },
            rejected: self.rejected,
            headers: RawHeaders(headers),
        }
    }
}

impl<'b> Original<'b> {
    /// Names and values of the headers, in order. Names are UTF-8, unless the record was rejected because they are not.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'b [u8], Option<&'b [u8]>)> + use<'b> {
        self.headers.0.iter().map(|header| {
            // SAFETY: the bytes live as long as the headers, `'b`, guaranteed by the contract of `Input::original`.
            unsafe { (header.name.get().unwrap_or_default(), header.value.get()) }
        })
    }
}

impl Batch {
    /// Bytes that [`Batch::keep_originals`] needs for all consumed records of this batch.
    #[must_use]
    pub fn original_bytes(&self, with_payload: bool) -> usize {
        let payload = if with_payload { self.payload_bytes } else { 0 };
        self.inputs.len() * size_of::<Input>() + payload
    }

    /// Adds the consumed records that the records of `batch` were made from, without the records themselves: for a sink that may
    /// still reject them after `batch` was reused. `with_payload` copies keys, values and headers as well.
    pub fn keep_originals(&mut self, batch: &Self, with_payload: bool) {
        let mut last = None;
        for record in &batch.records {
            if last.replace(record.input) == Some(record.input) {
                self.inputs.last_mut().into_iter().for_each(|input| input.outputs += 1);
                continue;
            }
            let input = &batch.inputs[record.input as usize];
            let partition = &batch.partitions[input.slot as usize];
            let slot = self.slot(&partition.topic, partition.partition, partition.generation);
            // SAFETY: the bytes are in the chunks of `batch`, which do not change as long as it is borrowed.
            let original = unsafe { input.original(partition) };
            let (key, value) = if with_payload { (original.key, original.value) } else { (None, None) };
            let new = NewRecord { offset: original.offset, timestamp_ms: original.timestamp_ms, key, value };
            let count = if with_payload { input.header_count as usize } else { 0 };
            let input = self.copy(slot, new, original.headers().take(count));
            self.inputs.push(Input { outputs: 1, ..input });
        }
    }

    /// Number of records that were made from an input which [`Batch::keep_originals`] has added.
    #[must_use]
    pub fn kept_outputs(&self, input: u32) -> usize {
        self.inputs.get(input as usize).map_or(0, |input| input.outputs as usize)
    }

    /// The number of the consumed record with this origin. If it was consumed more than once, the last time counts.
    #[must_use]
    pub fn find_input(&self, topic: &str, partition: i32, offset: i64) -> Option<u32> {
        let is_wanted = |input: &Input| {
            let slot = &self.partitions[input.slot as usize];
            input.offset == offset && slot.partition == partition && *slot.topic == *topic
        };
        self.inputs.iter().rposition(is_wanted).map(|index| index as u32)
    }
}
