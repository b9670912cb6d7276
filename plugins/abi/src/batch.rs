//! A batch as a plugin reads it.

use crate::{
    arena::Arena,
    raw::{BatchView, PositionView, RecordView},
    record::Record,
};

/// A batch of records, borrowed for one call.
#[derive(Clone, Copy)]
pub struct Batch<'b> {
    view: &'b BatchView,
}

/// Where a partition stands once the batch is durable: what a sink that keeps offsets stores with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextOffset<'b> {
    /// Topic.
    pub topic: &'b str,
    /// Partition.
    pub partition: i32,
    /// Next offset to read: past filtered and rejected records too.
    pub next_offset: i64,
    /// Epoch that the sink gave when it claimed the partition, else 0.
    pub epoch: u64,
    /// What the host has to know of the records before `next_offset`, opaque to the sink: stored beside the offset, in the
    /// same transaction, and returned from the next claim, it makes sure that events are ordered after a restart as they
    /// would have been without one. A few hundred bytes, 3,000 at most; empty when there is nothing to know.
    pub state: &'b [u8],
}

impl<'b> Batch<'b> {
    /// Wraps a batch.
    ///
    /// # Safety
    /// The view describes tables that live, unchanged, for `'b`.
    #[must_use]
    pub const unsafe fn from_view(view: &'b BatchView) -> Self {
        Self { view }
    }

    /// How many records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.view.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.view.len == 0
    }

    /// The record at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Record<'b>> {
        (index < self.len()).then(|| self.record(index))
    }

    /// The records, in the order of their partitions' offsets.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'b>> + use<'b> {
        let batch = *self;
        (0..batch.len()).map(move |index| batch.record(index))
    }

    fn record(&self, index: usize) -> Record<'b> {
        debug_assert!(index < self.len());
        // SAFETY: the host laid out `len` records `record_size` apart, each at least as long as v1's; both callers
        // stay below `len`.
        unsafe {
            let record = self.view.records.add(index * self.view.record_size as usize).cast::<RecordView>();
            Record::from_view(&*record, index as u32)
        }
    }

    /// Where every partition of the batch stands once it is durable.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = NextOffset<'b>> + use<'b> {
        let view = self.view;
        (0..view.position_count).map(move |index| {
            // SAFETY: the host laid out `position_count` positions `position_size` apart; topics are UTF-8.
            unsafe {
                let position = view.positions.add(index * view.position_size as usize).cast::<PositionView>();
                // Field by field: an older host does not have the last one.
                let has_state = view.position_size as usize >= size_of::<PositionView>();
                let state = if has_state { (*position).state.get() } else { None };
                NextOffset {
                    topic: (*position).topic.text(),
                    partition: (*position).partition,
                    next_offset: (*position).next_offset,
                    epoch: (*position).epoch,
                    state: state.unwrap_or_default(),
                }
            }
        })
    }

    /// Where new values go; `None` in a sink.
    #[must_use]
    pub fn arena(&self) -> Option<Arena<'b>> {
        // SAFETY: the host lends the cursor together with the batch, to this thread alone.
        (!self.view.cursor.is_null()).then(|| unsafe { Arena::from_cursor(self.view.cursor) })
    }
}
