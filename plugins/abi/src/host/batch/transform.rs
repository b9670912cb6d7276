//! Runs a transform on a batch, within a memory limit, and collects its outputs.

use super::{Batch, RejectedRecord, decoded_view, lend};
use crate::{
    change::{Change, Operation},
    host::{
        decode::{Part, Recognise, Rejection},
        outputs::{FOREIGN_CHANGE, OutputError, UNRECOGNISED, check_order, merge},
    },
    raw::{BatchView, ChangeView, OutRecord, Outputs, RecordView, out_flags, record_flags},
    record::Record,
    value::Value,
};

impl Batch {
    /// Runs a transform on the records for which `selects` is true; the others are kept unchanged, in order.
    ///
    /// `call` passes the batch to the plugin, which may allocate values and outputs until the batch takes `memory_limit`
    /// bytes. If it fails, the batch is unchanged, so the call can be retried any number of times.
    ///
    /// # Errors
    /// The error of `call`; or, converted by `violation`, the rule of the interface that the transform has violated.
    pub fn transform<E>(
        &mut self,
        memory_limit: usize,
        selects: Option<&mut dyn FnMut(Record<'_>) -> bool>,
        recogniser: &mut impl Recognise,
        call: impl FnOnce(&BatchView, &mut Outputs) -> Result<(), E>,
        violation: impl FnOnce(OutputError) -> E,
    ) -> Result<(), E> {
        self.select(selects);
        if self.selected.is_empty() {
            return Ok(());
        }
        self.chunks.set_limit(memory_limit.max(self.chunks.capacity()));
        let before = self.chunks.mark();
        let cursor = self.chunks.cursor();
        let view = lend(&self.selected, &[], cursor);
        let unselected = self.records.len() - self.selected.len();
        let capacity = (memory_limit / size_of::<OutRecord>()).saturating_sub(unselected);
        let max_outputs = self.selected.len().max(capacity);
        let called = call(&view, self.outputs.lend(max_outputs));
        self.memory_limit_hit = self.chunks.limit_reached() || self.outputs.limit_reached();
        self.chunks.set_limit(usize::MAX);
        let outcome = called.and_then(|()| self.collect_outputs(recogniser).map_err(violation));
        if outcome.is_err() {
            self.chunks.rewind(before);
        }
        outcome
    }

    /// Whether the last [`Batch::transform`] has reached the memory limit, for values or outputs.
    #[must_use]
    pub fn hit_memory_limit(&self) -> bool {
        self.memory_limit_hit
    }

    fn select(&mut self, selects: Option<&mut dyn FnMut(Record<'_>) -> bool>) {
        self.selected.clear();
        self.selected_at.clear();
        let mut selects = selects;
        for (view, index) in self.records.iter().zip(0..) {
            let view = as_transforms_see(view);
            // SAFETY: as in `records`.
            let record = unsafe { Record::from_view(&view, index) };
            if selects.as_mut().is_none_or(|selects| selects(record)) {
                self.selected.push(view);
                self.selected_at.push(index);
            }
        }
    }

    /// Replaces the selected records with their outputs; the others keep their position.
    fn collect_outputs(&mut self, recogniser: &mut impl Recognise) -> Result<(), OutputError> {
        check_order(self.outputs.written(), self.selected.len())?;
        let Self { chunks, records, spare, selected_at, outputs, rejected, .. } = self;
        spare.clear();
        let rejected_before = rejected.len();
        let mut written = outputs.written().iter().peekable();
        let mut copied = 0;
        for (at, index) in selected_at.iter().zip(0u32..) {
            let at = *at as usize;
            let base = &records[at];
            spare.extend_from_slice(&records[copied..at]);
            copied = at + 1;
            while let Some(output) = written.next_if(|output| output.input == index) {
                if output.flags & out_flags::REJECT == 0 {
                    let mut record = merge(base, output);
                    if record.flags & FOREIGN_CHANGE != 0 {
                        record.flags &= !FOREIGN_CHANGE;
                        // SAFETY: allocated values are only reachable through the record table, which is cleared with
                        // the chunks.
                        let arena = unsafe { chunks.arena() };
                        // SAFETY: the SDK has put the event into the arena, and the one of `base` is the host's own.
                        record.change = unsafe { import_change(record.change, base.change) }
                            .map_or(std::ptr::null(), |view| std::ptr::from_ref(arena.alloc(view)));
                    }
                    spare.push(record);
                    continue;
                }
                if rejected[rejected_before..].last().is_some_and(|last| last.input == base.input) {
                    continue;
                }
                // SAFETY: the SDK has put the reason into the arena.
                let reason = unsafe { output.topic.text() }.to_owned();
                rejected.push(RejectedRecord::new(base.input, Rejection::new(Part::Record, reason)));
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

    /// Gives the events of unwrapped records the rows that the values hold after all transforms, for sinks that apply events.
    /// Called once, after the last transform.
    pub fn finish_unwrapped(&mut self, recogniser: &mut impl Recognise) {
        for index in 0..self.records.len() {
            if self.records[index].flags & record_flags::UNWRAPPED == 0 {
                continue;
            }
            // SAFETY: allocated values are only reachable through the record table, which is cleared with the chunks.
            let arena = unsafe { self.chunks.arena() };
            // SAFETY: as in `records`.
            let record = unsafe { Record::from_view(&self.records[index], index as u32) };
            let columns = record.value().as_struct().map(|row| recogniser.columns(row, arena));
            let row = columns.filter(|columns| !columns.is_empty());
            let event = record.change().filter(|change| is_complete(*change, record, row.is_some()));
            let row = row.map_or(Value::NULL, |row| row.to_value());
            let view =
                event.map_or(std::ptr::null(), |change| std::ptr::from_ref(change.with_row(arena, row)));
            self.records[index].change = view;
        }
    }

    /// Parses change events in new values for which the transform has given none. Rejections of the transform start at
    /// index `from`; those of this function follow them. Each input is rejected at most once.
    fn recognise_new_values(&mut self, recogniser: &mut impl Recognise, from: usize) {
        let by_transform = from..self.rejected.len();
        for index in 0..self.records.len() {
            let flags = self.records[index].flags;
            if flags & UNRECOGNISED == 0 {
                continue;
            }
            // SAFETY: allocated values are only reachable through the record table, which is cleared with the chunks.
            let arena = unsafe { self.chunks.arena() };
            // SAFETY: as in `records`.
            let record = unsafe { Record::from_view(&self.records[index], index as u32) };
            let input = record.input();
            // SAFETY: as above, and only the recogniser uses it.
            let kept = unsafe { self.kept.lend() };
            match recogniser.recognise(record, arena, kept) {
                Ok(decoded) => {
                    let view = decoded_view(&self.records[index], &decoded, arena);
                    self.records[index] = RecordView { flags: flags & !UNRECOGNISED, ..view };
                }
                Err(rejection) => {
                    let theirs = &self.rejected[by_transform.clone()];
                    let ours = &self.rejected[by_transform.end..];
                    let is_known = theirs.binary_search_by_key(&input, |rejected| rejected.input).is_ok()
                        || ours.last().is_some_and(|last| last.input == input);
                    if !is_known {
                        self.rejected.push(RejectedRecord::new(input, rejection));
                    }
                }
            }
        }
    }
}

/// Whether an unwrapped record still says what its event needs: a row, or for a delete the key. A later transform may have
/// replaced the row by something else, which is then a plain value.
fn is_complete(change: Change<'_>, record: Record<'_>, has_row: bool) -> bool {
    match change.operation() {
        Operation::Delete => has_row || record.value().is_null(),
        _ => has_row,
    }
}

/// The record without the event of an unwrapped row: transforms see the row as any other record.
fn as_transforms_see(view: &RecordView) -> RecordView {
    let hides_event = view.flags & record_flags::UNWRAPPED != 0;
    RecordView { change: if hides_event { std::ptr::null() } else { view.change }, ..*view }
}

/// Converts a transform's change event to the host's layout. Fields that order events are taken from `base`, the event that
/// the record was read with; a transform cannot change them. An older plugin has filled in only the fields of its own
/// version, whatever the copied size is.
///
/// # Safety
/// `made` is null or points to an event of at least version 1.0; `base` is null or points to an event of the host.
unsafe fn import_change(made: *const ChangeView, base: *const ChangeView) -> Option<ChangeView> {
    if made.is_null() {
        return None;
    }
    let mut view = std::mem::MaybeUninit::<ChangeView>::zeroed();
    // SAFETY: guaranteed by the caller; all zeros is a valid event.
    let mut view = unsafe {
        std::ptr::copy_nonoverlapping(made.cast::<u8>(), view.as_mut_ptr().cast(), ChangeView::V1_SIZE);
        view.assume_init()
    };
    view.size = size_of::<ChangeView>() as u32;
    // SAFETY: guaranteed by the caller.
    view.log_generation = unsafe { base.as_ref() }.map_or(0, |base| base.log_generation);
    Some(view)
}
