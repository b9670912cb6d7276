//! A batch as it is lent to a plugin, and the table into which a transform writes.

use abi_stable::StableAbi;

use super::{Bytes, ChangeView, Cursor, HeaderView, Node};

/// A batch, borrowed for one call. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi)]
pub struct BatchView {
    /// The record table: `len` records, `record_size` bytes apart (see `RecordView`).
    pub records: *const u8,
    /// How many records.
    pub len: usize,
    /// Bytes from one record to the next.
    pub record_size: u32,
    /// Bytes from one position to the next.
    pub position_size: u32,
    /// Next offsets per partition once this batch is durable (see `PositionView`); empty for transforms.
    pub positions: *const u8,
    /// How many positions.
    pub position_count: usize,
    /// Where new values are allocated; null in a sink, which has nothing to allocate.
    pub cursor: *mut Cursor,
    /// Zero.
    pub reserved: [usize; 6],
}

/// Where a partition stands once the batch is durable. Append-only (stride `position_size`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PositionView {
    /// Topic, UTF-8.
    pub topic: Bytes,
    /// Partition.
    pub partition: i32,
    /// Reserved, zero.
    pub reserved: u32,
    /// Next offset to read: one past the last record handled, filtered and dead-lettered ones included.
    pub next_offset: i64,
    /// Epoch that the sink gave when it claimed the partition, else 0.
    pub epoch: u64,
    /// What the host has to know of the records before `next_offset`: a sink that stores offsets stores it beside them,
    /// as it is, and returns it from its next claim. Absent when there is nothing to know.
    pub state: Bytes,
}

/// Bits of [`OutRecord::flags`]: which parts replace those of the input.
#[expect(missing_docs, reason = "named after the fields they switch on")]
pub mod out_flags {
    pub const TOPIC: u32 = 1;
    pub const KEY: u32 = 2;
    pub const VALUE: u32 = 4;
    pub const HEADERS: u32 = 8;
    pub const CHANGE: u32 = 16;
    pub const TIMESTAMP: u32 = 32;
    /// The record is refused; `topic` holds the reason.
    pub const REJECT: u32 = 1 << 31;
}

/// One output of a transform: an input with some parts replaced. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct OutRecord {
    /// Index in the batch of the record this one comes from. Outputs are in input order.
    pub input: u32,
    /// Bits of [`out_flags`].
    pub flags: u32,
    /// New topic; the reason of a rejected record.
    pub topic: Bytes,
    /// New key.
    pub key: Node,
    /// New value.
    pub value: Node,
    /// New headers, a pointer to `HeaderView`s.
    pub headers: *const u8,
    /// How many headers.
    pub header_count: usize,
    /// New change event, a pointer to a `ChangeView`. A new value without one is recognised anew by the host.
    pub change: *const u8,
    /// New timestamp, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Zero.
    pub reserved: [usize; 4],
}

impl OutRecord {
    /// The input record `input`, passed on as it is.
    pub const fn keep(input: u32) -> Self {
        Self {
            input,
            flags: 0,
            topic: Bytes::ABSENT,
            key: Node::NULL,
            value: Node::NULL,
            headers: std::ptr::null(),
            header_count: 0,
            change: std::ptr::null(),
            timestamp_ms: super::NO_TIMESTAMP,
            reserved: [0; 4],
        }
    }

    /// Stores new headers.
    pub fn set_headers(&mut self, headers: &[HeaderView]) {
        self.headers = headers.as_ptr().cast();
        self.header_count = headers.len();
        self.flags |= out_flags::HEADERS;
    }

    /// Stores a new change event.
    pub fn set_change(&mut self, change: &ChangeView) {
        self.change = std::ptr::from_ref(change).cast();
        self.flags |= out_flags::CHANGE;
    }
}

/// The host's growing table of outputs, appended to by the plugin without a call per record. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct Outputs {
    /// First output.
    pub ptr: *mut OutRecord,
    /// How many are there.
    pub len: usize,
    /// How many fit.
    pub capacity: usize,
    /// The host's table.
    pub ctx: *mut (),
    /// Makes room for at least one more output; false when the host will not.
    pub grow: unsafe extern "C" fn(outputs: *mut Outputs) -> bool,
}

impl Outputs {
    /// Appends one output. Returns false when the host refuses to grow its table.
    pub fn push(&mut self, output: OutRecord) -> bool {
        if self.len == self.capacity {
            let grow = self.grow;
            // SAFETY: `self` is the table that the host lent for this call, and `grow` is the host's.
            if !unsafe { grow(self) } {
                return false;
            }
        }
        // SAFETY: `len < capacity`, and the host owns `capacity` places from `ptr` on.
        unsafe { self.ptr.add(self.len).write(output) };
        self.len += 1;
        true
    }
}
