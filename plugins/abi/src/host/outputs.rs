//! The table that a transform writes its outputs to, and the conversion of outputs to records.

use std::ptr::{self, NonNull};

use crate::raw::{OutRecord, Outputs, RecordView, out_flags, record_flags};

/// A transform has violated the interface.
#[derive(Debug, PartialEq, Eq)]
pub enum OutputError {
    /// An output refers to an input that is not in the batch.
    NoSuchInput(u32),
    /// Outputs are not in the order of their inputs.
    OutOfOrder(u32),
}

impl std::fmt::Display for OutputError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchInput(input) => {
                write!(formatter, "emitted an output for record {input}, which is not in the batch")
            }
            Self::OutOfOrder(input) => write!(formatter, "emitted outputs out of order, at record {input}"),
        }
    }
}

impl std::error::Error for OutputError {}

/// Minimum number of outputs by which the table grows.
const STEP: usize = 256;

/// Bit of `RecordView::flags`, never visible to plugins: the change event is in the layout of the plugin.
pub(super) const FOREIGN_CHANGE: u32 = 1 << 30;

/// Bit of `RecordView::flags`, never visible to plugins: a transform has replaced the value without a change event.
pub(super) const UNRECOGNISED: u32 = 1 << 31;

/// Owner of an [`Outputs`] table, reused from batch to batch.
pub(super) struct OutputTable {
    // A raw pointer, not a box: `raw.ctx` points to the same memory, and a box would assert exclusive access.
    inner: NonNull<Inner>,
}

struct Inner {
    raw: Outputs,
    storage: Vec<OutRecord>,
    /// Maximum number of outputs.
    limit: usize,
    /// Whether an output was refused because of the limit.
    limit_reached: bool,
}

impl OutputTable {
    pub(super) fn new() -> Self {
        let raw = Outputs { ptr: ptr::null_mut(), len: 0, capacity: 0, ctx: ptr::null_mut(), grow };
        let inner = NonNull::from(Box::leak(Box::new(Inner {
            raw,
            storage: Vec::new(),
            limit: 0,
            limit_reached: false,
        })));
        // SAFETY: just allocated, and not shared yet.
        unsafe { (*inner.as_ptr()).raw.ctx = inner.as_ptr().cast() };
        Self { inner }
    }

    /// Empties the table for one call. It does not grow beyond `limit` outputs.
    pub(super) fn lend(&mut self, limit: usize) -> &mut Outputs {
        // SAFETY: we own `inner`, and nothing else uses it now.
        unsafe { ((*self.inner.as_ptr()).limit, (*self.inner.as_ptr()).limit_reached) = (limit, false) };
        // SAFETY: we own `inner`, and the result borrows us.
        let raw = unsafe { &mut (*self.inner.as_ptr()).raw };
        raw.len = 0;
        raw
    }

    /// Whether an output was refused because of the limit since [`OutputTable::lend`].
    pub(super) fn limit_reached(&self) -> bool {
        // SAFETY: we own `inner`, and nothing else uses it now.
        unsafe { (*self.inner.as_ptr()).limit_reached }
    }

    /// The outputs written since [`OutputTable::lend`].
    pub(super) fn written(&self) -> &[OutRecord] {
        // SAFETY: we own `inner`, and the result borrows us.
        let raw = unsafe { &(*self.inner.as_ptr()).raw };
        if raw.len == 0 {
            return &[];
        }
        // SAFETY: `push` has written `len` outputs into the storage that `ptr` points to.
        unsafe { std::slice::from_raw_parts(raw.ptr, raw.len) }
    }
}

impl Drop for OutputTable {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`, and not used afterwards.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

unsafe extern "C" fn grow(outputs: *mut Outputs) -> bool {
    // SAFETY: the table belongs to an `OutputTable`, and the context points to its `inner`; nothing else uses it during the call.
    unsafe {
        let inner = (*outputs).ctx.cast::<Inner>();
        let (len, limit, storage) = ((*outputs).len, (*inner).limit, &mut (*inner).storage);
        if len >= limit {
            (*inner).limit_reached = true;
            return false;
        }
        // The table counts the written elements; the vector must know them only while it reallocates.
        storage.set_len(len);
        storage.reserve(STEP);
        (*outputs).ptr = storage.as_mut_ptr();
        (*outputs).capacity = storage.capacity();
        storage.set_len(0);
    }
    true
}

// SAFETY: the table is owned, and its pointers are only dereferenced through `&mut OutputTable`.
unsafe impl Send for OutputTable {}
// SAFETY: `&OutputTable` only reads.
unsafe impl Sync for OutputTable {}

/// Checks that outputs are in input order and refer to existing inputs.
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

/// Applies `output` to `base`.
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
    if output.flags & (out_flags::VALUE | out_flags::CHANGE | out_flags::UNWRAPPED) != 0 {
        record.flags &= !(record_flags::ORIGINAL_VALUE | record_flags::JSON_TEXT);
    }
    if set(out_flags::VALUE) {
        record.value = output.value;
        record.value_schema = ptr::null();
        // Keep the change event until the host has parsed the new value, which inherits its position. The value of an
        // unwrapped record stays a row, whatever its columns are called.
        let is_row = record.flags & record_flags::UNWRAPPED != 0;
        record.flags |= record_flags::VALUE_DECODED | if is_row { 0 } else { UNRECOGNISED };
    }
    if set(out_flags::HEADERS) {
        record.headers = output.headers.cast();
        record.header_count = output.header_count as u32;
    }
    if set(out_flags::CHANGE) {
        record.change = output.change.cast();
        record.flags &= !(UNRECOGNISED | record_flags::UNWRAPPED);
        record.flags |= FOREIGN_CHANGE;
    }
    if set(out_flags::UNWRAPPED) && !record.change.is_null() {
        record.flags &= !UNRECOGNISED;
        record.flags |= record_flags::UNWRAPPED;
    }
    if set(out_flags::TIMESTAMP) {
        record.timestamp_ms = output.timestamp_ms;
    }
    if set(out_flags::PARTITION) {
        record.partition = output.partition();
    }
    record
}
