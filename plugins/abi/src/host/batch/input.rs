//! A consumed record as it came, kept until it is settled: what a dead letter is made of.

use std::{slice, sync::Arc};

use super::Partition;
use crate::raw::{Bytes, HeaderView, NO_TIMESTAMP};

/// Where a consumed record came from, and its bytes in the batch's chunks.
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) slot: u32,
    pub(super) header_count: u32,
    /// Refused before it was looked at.
    pub(super) refused: bool,
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) headers: *const HeaderView,
}

/// A consumed record as it came from Kafka.
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
    /// It was refused before anybody looked at it (see [`Batch::push_refused`](super::Batch::push_refused)).
    pub refused: bool,
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
    /// The record, as bytes of its batch.
    ///
    /// # Safety
    /// The batch's chunks are alive and unchanged for `'b`.
    pub(super) unsafe fn original<'b>(&self, partition: &'b Partition) -> Original<'b> {
        // SAFETY: by the caller's promise; pointer and count came from one slice of the chunks.
        let headers = unsafe { slice::from_raw_parts(self.headers, self.header_count as usize) };
        Original {
            topic: &partition.topic,
            partition: partition.partition,
            offset: self.offset,
            timestamp_ms: (self.timestamp_ms != NO_TIMESTAMP).then_some(self.timestamp_ms),
            // SAFETY: by the caller's promise.
            key: unsafe { self.key.get() },
            // SAFETY: by the caller's promise.
            value: unsafe { self.value.get() },
            refused: self.refused,
            headers: RawHeaders(headers),
        }
    }
}

impl<'b> Original<'b> {
    /// Names and values of the headers, in order. Names are text, unless the record was refused for them.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'b [u8], Option<&'b [u8]>)> + use<'b> {
        self.headers.0.iter().map(|header| {
            // SAFETY: the bytes live as long as the headers, `'b`, by the promise at `Input::original`.
            unsafe { (header.name.get().unwrap_or_default(), header.value.get()) }
        })
    }
}
