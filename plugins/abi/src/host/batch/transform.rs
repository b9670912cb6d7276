//! One transform, lent the batch: what it may take, and what its outputs become.

use super::{Batch, Rejected, decoded_view, lend};
use crate::{
    host::{
        decode::{Part, Recognise, Refusal},
        outputs::{FOREIGN_CHANGE, OutputError, UNRECOGNISED, check_order, merge},
    },
    raw::{BatchView, ChangeView, OutRecord, Outputs, RecordView, out_flags},
    record::Record,
};

impl Batch {
    /// Runs one transform over the records for which `selects` is true; the others pass by it, in order.
    ///
    /// `call` lends the batch to the plugin, which may make values and outputs until the batch takes `memory_limit`
    /// bytes. When it fails the batch is as it was before, so that it may be tried again any number of times.
    ///
    /// # Errors
    /// What `call` returned, or the rule of the interface that the transform broke, through `broken`.
    pub fn transform<E>(
        &mut self,
        memory_limit: usize,
        selects: Option<&mut dyn FnMut(Record<'_>) -> bool>,
        recogniser: &mut impl Recognise,
        call: impl FnOnce(&BatchView, &mut Outputs) -> Result<(), E>,
        broken: impl FnOnce(OutputError) -> E,
    ) -> Result<(), E> {
        self.select(selects);
        if self.selected.is_empty() {
            return Ok(());
        }
        self.chunks.set_limit(memory_limit.max(self.chunks.capacity()));
        let before = self.chunks.mark();
        let cursor = self.chunks.cursor();
        let view = lend(&self.selected, &[], cursor);
        let beside = self.records.len() - self.selected.len();
        let room = (memory_limit / size_of::<OutRecord>()).saturating_sub(beside);
        let most = self.selected.len().max(room);
        let called = call(&view, self.outputs.lend(most));
        self.out_of_room = self.chunks.refused() || self.outputs.refused();
        self.chunks.set_limit(usize::MAX);
        let outcome = called.and_then(|()| self.collect_outputs(recogniser).map_err(broken));
        if outcome.is_err() {
            self.chunks.rewind(before);
        }
        outcome
    }

    /// Whether the last [`Batch::transform`] was refused room for values or outputs.
    #[must_use]
    pub fn was_out_of_room(&self) -> bool {
        self.out_of_room
    }

    fn select(&mut self, selects: Option<&mut dyn FnMut(Record<'_>) -> bool>) {
        self.selected.clear();
        self.selected_at.clear();
        let mut selects = selects;
        for (view, index) in self.records.iter().zip(0..) {
            // SAFETY: as in `records`.
            let record = unsafe { Record::from_view(view, index) };
            if selects.as_mut().is_none_or(|selects| selects(record)) {
                self.selected.push(*view);
                self.selected_at.push(index);
            }
        }
    }

    /// Replaces the selected records by the outputs made of them; the others keep their place in between.
    fn collect_outputs(&mut self, recogniser: &mut impl Recognise) -> Result<(), OutputError> {
        check_order(self.outputs.written(), self.selected.len())?;
        let Self { chunks, records, spare, selected, selected_at, outputs, rejected, .. } = self;
        spare.clear();
        let rejected_before = rejected.len();
        let mut written = outputs.written().iter().peekable();
        let mut copied = 0;
        for ((base, at), index) in selected.iter().zip(selected_at.iter()).zip(0u32..) {
            let at = *at as usize;
            spare.extend_from_slice(&records[copied..at]);
            copied = at + 1;
            while let Some(output) = written.next_if(|output| output.input == index) {
                if output.flags & out_flags::REJECT == 0 {
                    let mut record = merge(base, output);
                    if record.flags & FOREIGN_CHANGE != 0 {
                        record.flags &= !FOREIGN_CHANGE;
                        // SAFETY: what is allocated is only reachable through the record table, which is cleared with
                        // the chunks.
                        let arena = unsafe { chunks.arena() };
                        // SAFETY: the SDK put the event into the arena, and the base's is the host's own.
                        record.change = unsafe { adopted(record.change, base.change) }
                            .map_or(std::ptr::null(), |view| std::ptr::from_ref(arena.alloc(view)));
                    }
                    spare.push(record);
                    continue;
                }
                if rejected[rejected_before..].last().is_some_and(|last| last.input == base.input) {
                    continue;
                }
                // SAFETY: the SDK put the reason into the arena.
                let reason = unsafe { output.topic.text() }.to_owned();
                rejected.push(Rejected::new(base.input, Refusal::of(Part::Record, reason)));
            }
        }
        spare.extend_from_slice(&records[copied..]);
        std::mem::swap(records, spare);
        self.recognise_new_values(recogniser, rejected_before);
        if self.rejected.len() > rejected_before {
            self.drop_rejected(rejected_before);
        }
        Ok(())
    }

    /// Looks for change events in the values that a transform has made without saying what they are. What is refused here
    /// comes after what the transform has refused itself, `from` on; each input is rejected once at most.
    fn recognise_new_values(&mut self, recogniser: &mut impl Recognise, from: usize) {
        let by_transform = from..self.rejected.len();
        for index in 0..self.records.len() {
            let flags = self.records[index].flags;
            if flags & UNRECOGNISED == 0 {
                continue;
            }
            // SAFETY: what is allocated is only reachable through the record table, which is cleared with the chunks.
            let arena = unsafe { self.chunks.arena() };
            // SAFETY: as in `records`.
            let record = unsafe { Record::from_view(&self.records[index], index as u32) };
            let input = record.input();
            match recogniser.recognise(record, arena) {
                Ok(decoded) => {
                    let view = decoded_view(&self.records[index], &decoded, arena);
                    self.records[index] = RecordView { flags: flags & !UNRECOGNISED, ..view };
                }
                Err(refusal) => {
                    let theirs = &self.rejected[by_transform.clone()];
                    let ours = &self.rejected[by_transform.end..];
                    let is_known = theirs.binary_search_by_key(&input, |rejected| rejected.input).is_ok()
                        || ours.last().is_some_and(|last| last.input == input);
                    if !is_known {
                        self.rejected.push(Rejected::new(input, refusal));
                    }
                }
            }
        }
    }
}

/// A transform's change event as the host's own: what a transform may change comes from it, and what orders events from
/// the event that the record was read with. A plugin that is older than the host has filled the fields of its own version
/// alone, whatever the copied size says.
///
/// # Safety
/// `made` is null or points to an event of version 1.0 at least, `base` is null or points to one of the host's.
unsafe fn adopted(made: *const ChangeView, base: *const ChangeView) -> Option<ChangeView> {
    if made.is_null() {
        return None;
    }
    let mut view = std::mem::MaybeUninit::<ChangeView>::zeroed();
    // SAFETY: by the caller's promise; an event of zeros is a valid one.
    let mut view = unsafe {
        std::ptr::copy_nonoverlapping(made.cast::<u8>(), view.as_mut_ptr().cast(), ChangeView::V1_SIZE);
        view.assume_init()
    };
    view.size = size_of::<ChangeView>() as u32;
    // SAFETY: by the caller's promise.
    view.log_generation = unsafe { base.as_ref() }.map_or(0, |base| base.log_generation);
    Some(view)
}
