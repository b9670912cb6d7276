//! State of the host as of an offset of a partition: opaque bytes that are stored with the offset.

use std::sync::Arc;

use super::{Batch, Original};

/// Opaque state of the host as of an offset of a partition, if there is any.
pub type HostState = Option<Arc<[u8]>>;

/// The states of one slot of a batch.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotState {
    /// As of the offset at which the task started to read the partition.
    claimed: HostState,
    /// As of the slot's first record and as of `end`, once its records are decoded.
    read: Option<Read>,
}

#[derive(Clone, Debug)]
struct Read {
    before: HostState,
    after: HostState,
    end: i64,
}

impl Batch {
    /// Sets the state as of the offset at which the task started to read the partition of `slot`.
    ///
    /// # Panics
    /// If `slot` was not returned by [`Batch::slot`] since the last reset.
    pub fn set_claimed_state(&mut self, slot: usize, state: &HostState) {
        self.partitions[slot].state.claimed.clone_from(state);
    }

    /// The state as of the offset at which the task started to read the partition of `slot`.
    #[must_use]
    pub fn claimed_state(&self, slot: usize) -> Option<&Arc<[u8]>> {
        self.partitions.get(slot)?.state.claimed.as_ref()
    }

    /// Sets the states before the first record of `slot` and after its last one. States in between can be computed from
    /// the first one and the records.
    ///
    /// # Panics
    /// If `slot` was not returned by [`Batch::slot`] since the last reset.
    pub fn set_states(&mut self, slot: usize, before: HostState, after: HostState) {
        let end = self.partitions[slot].next_offset;
        self.partitions[slot].state.read = Some(Read { before, after, end });
    }

    /// The state before the first record of `slot`.
    #[must_use]
    pub fn state_before(&self, slot: usize) -> HostState {
        let state = &self.partitions[slot].state;
        state.read.as_ref().map_or_else(|| state.claimed.clone(), |read| read.before.clone())
    }

    /// The consumed records of `slot` below `next_offset`, in order.
    pub fn originals_below(&self, slot: usize, next_offset: i64) -> impl Iterator<Item = Original<'_>> {
        let is_wanted = move |index: &u32| {
            let input = &self.inputs[*index as usize];
            input.slot as usize == slot && input.offset < next_offset
        };
        (0..self.inputs.len() as u32).filter(is_wanted).filter_map(|index| self.original(index))
    }

    /// The state at an offset of the slot. `replay` computes it if it is neither the state before nor after all records.
    pub(super) fn state_at(
        &self,
        slot: usize,
        next_offset: i64,
        replay: impl FnOnce(usize, i64) -> HostState,
    ) -> HostState {
        let state = &self.partitions[slot].state;
        let Some(read) = &state.read else { return state.claimed.clone() };
        if next_offset == read.end || read.before == read.after {
            return read.after.clone();
        }
        if self.originals_below(slot, next_offset).next().is_none() {
            return read.before.clone();
        }
        replay(slot, next_offset)
    }
}
