//! Safe access to a batch.

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

/// The position of a partition after the batch. A sink that stores offsets stores it with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextOffset<'b> {
    /// Topic.
    pub topic: &'b str,
    /// Partition.
    pub partition: i32,
    /// Next offset to read, past filtered and rejected records.
    pub next_offset: i64,
    /// Epoch that the sink returned when it claimed the partition, or 0.
    pub epoch: u64,
    /// State of the host as of `next_offset`, opaque to the sink. Store it with the offset, in the same transaction, and
    /// return it from the next claim: events are then ordered after a restart as they would have been without one. A few
    /// hundred bytes, 3,000 at most; empty if there is no state.
    pub state: &'b [u8],
}

impl<'b> Batch<'b> {
    /// Wraps a batch.
    ///
    /// # Safety
    /// The tables that the view points to live, unchanged, for `'b`.
    #[must_use]
    pub const unsafe fn from_view(view: &'b BatchView) -> Self {
        Self { view }
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.view.len
    }

    /// Whether there are no records.
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
        // SAFETY: the host has laid out `len` records with the stride `record_size`, which is at least that of v1; both callers
        // stay below `len`.
        unsafe {
            let record = self.view.records.add(index * self.view.record_size as usize).cast::<RecordView>();
            Record::from_view(&*record, index as u32)
        }
    }

    /// The position of every partition after the batch.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = NextOffset<'b>> + use<'b> {
        let view = self.view;
        (0..view.position_count).map(move |index| {
            // SAFETY: the host has laid out `position_count` positions with the stride `position_size`; topics are UTF-8.
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

    /// Allocator for new values; `None` in a sink.
    #[must_use]
    pub fn arena(&self) -> Option<Arena<'b>> {
        // SAFETY: the host passes the cursor with the batch, and only this thread uses it.
        (!self.view.cursor.is_null()).then(|| unsafe { Arena::from_cursor(self.view.cursor) })
    }
}
