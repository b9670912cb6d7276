//! The table into which a transform writes, and how its outputs become the batch's records.

use std::ptr::{self, NonNull};

use crate::raw::{OutRecord, Outputs, RecordView, out_flags, record_flags};

/// A transform broke the rules of the interface.
#[derive(Debug, PartialEq, Eq)]
pub enum OutputError {
    /// An output names an input that is not in the batch.
    NoSuchInput(u32),
    /// Outputs are not in the order of their inputs.
    OutOfOrder(u32),
}

impl std::fmt::Display for OutputError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchInput(input) => {
                write!(formatter, "emitted an output for record {input}, which the batch does not have")
            }
            Self::OutOfOrder(input) => write!(formatter, "emitted outputs out of order, at record {input}"),
        }
    }
}

impl std::error::Error for OutputError {}

/// By how many outputs the table grows at least.
const STEP: usize = 256;

/// Bit of `RecordView::flags`, never seen by plugins: the change event lies as a transform made it.
pub(super) const FOREIGN_CHANGE: u32 = 1 << 30;

/// Bit of `RecordView::flags`, never seen by plugins: a transform made the value without naming its change event.
pub(super) const UNRECOGNISED: u32 = 1 << 31;

/// Owner of an [`Outputs`] table, reused from batch to batch.
pub(super) struct OutputTable {
    // A raw pointer rather than a box: `raw.ctx` points to the same place, and a box would claim to be the only one.
    inner: NonNull<Inner>,
}

struct Inner {
    raw: Outputs,
    storage: Vec<OutRecord>,
    /// Most outputs that the table takes.
    limit: usize,
    /// There were more.
    refused: bool,
}

impl OutputTable {
    pub(super) fn new() -> Self {
        let raw = Outputs { ptr: ptr::null_mut(), len: 0, capacity: 0, ctx: ptr::null_mut(), grow };
        let inner =
            NonNull::from(Box::leak(Box::new(Inner { raw, storage: Vec::new(), limit: 0, refused: false })));
        // SAFETY: just allocated, and nobody else knows of it.
        unsafe { (*inner.as_ptr()).raw.ctx = inner.as_ptr().cast() };
        Self { inner }
    }

    /// The emptied table, for one call. It does not grow beyond `limit` outputs.
    pub(super) fn lend(&mut self, limit: usize) -> &mut Outputs {
        // SAFETY: we own `inner`, and nobody else uses it now.
        unsafe { ((*self.inner.as_ptr()).limit, (*self.inner.as_ptr()).refused) = (limit, false) };
        // SAFETY: we own `inner`, and the result borrows us.
        let raw = unsafe { &mut (*self.inner.as_ptr()).raw };
        raw.len = 0;
        raw
    }

    /// Whether an output was refused since [`OutputTable::lend`].
    pub(super) fn refused(&self) -> bool {
        // SAFETY: we own `inner`, and nobody else uses it now.
        unsafe { (*self.inner.as_ptr()).refused }
    }

    /// What was written since [`OutputTable::lend`].
    pub(super) fn written(&self) -> &[OutRecord] {
        // SAFETY: we own `inner`, and the result borrows us.
        let raw = unsafe { &(*self.inner.as_ptr()).raw };
        if raw.len == 0 {
            return &[];
        }
        // SAFETY: `push` wrote `len` outputs into the storage that `ptr` points to.
        unsafe { std::slice::from_raw_parts(raw.ptr, raw.len) }
    }
}

impl Drop for OutputTable {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`, and not used after this.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

unsafe extern "C" fn grow(outputs: *mut Outputs) -> bool {
    // SAFETY: the table was lent by `OutputTable`, whose `inner` is behind the context; nobody else uses it meanwhile.
    unsafe {
        let inner = (*outputs).ctx.cast::<Inner>();
        let (len, limit, storage) = ((*outputs).len, (*inner).limit, &mut (*inner).storage);
        if len >= limit {
            (*inner).refused = true;
            return false;
        }
        // Written places are counted by the table; the vector only has to know them while it moves them.
        storage.set_len(len);
        storage.reserve(STEP);
        (*outputs).ptr = storage.as_mut_ptr();
        (*outputs).capacity = storage.capacity();
        storage.set_len(0);
    }
    true
}

// SAFETY: the table is owned, and its pointers are only followed by whoever holds `&mut OutputTable`.
unsafe impl Send for OutputTable {}
// SAFETY: `&OutputTable` only reads.
unsafe impl Sync for OutputTable {}

/// Checks that outputs are in input order and name inputs that exist.
pub(super) fn check_order(written: &[OutRecord], inputs: usize) -> Result<(), OutputError> {
    let mut last = 0;
    for output in written {
        if output.input as usize >= inputs {
            return Err(OutputError::NoSuchInput(output.input));
        }
        if output.input < last {
            return Err(OutputError::OutOfOrder(output.input));
        }
        last = output.input;
    }
    Ok(())
}

/// The record that `output` makes of `base`.
pub(super) fn merge(base: &RecordView, output: &OutRecord) -> RecordView {
    let mut record = *base;
    let set = |flag| output.flags & flag != 0;
    if set(out_flags::TOPIC) {
        record.topic = output.topic;
    }
    if set(out_flags::KEY) {
        record.key = output.key;
        record.key_schema = ptr::null();
        record.flags |= record_flags::KEY_DECODED;
    }
    if set(out_flags::VALUE) {
        record.value = output.value;
        record.value_schema = ptr::null();
        // The change event stays until the host has looked at the new value: its position outlives it.
        record.flags |= record_flags::VALUE_DECODED | UNRECOGNISED;
    }
    if set(out_flags::HEADERS) {
        record.headers = output.headers.cast();
        record.header_count = output.header_count as u32;
    }
    if set(out_flags::CHANGE) {
        record.change = output.change.cast();
        record.flags &= !UNRECOGNISED;
        record.flags |= FOREIGN_CHANGE;
    }
    if set(out_flags::TIMESTAMP) {
        record.timestamp_ms = output.timestamp_ms;
    }
    record
}
