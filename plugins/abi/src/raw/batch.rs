//! A batch as passed to a plugin, and the table that a transform writes its outputs to.

use abi_stable::StableAbi;

use super::{Bytes, ChangeView, Cursor, HeaderView, Node};

/// A batch, borrowed for one call. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi)]
pub struct BatchView {
    /// The record table: `len` records, `record_size` bytes apart (see `RecordView`).
    pub records: *const u8,
    /// Number of records.
    pub len: usize,
    /// Bytes from one record to the next.
    pub record_size: u32,
    /// Bytes from one position to the next.
    pub position_size: u32,
    /// Next offsets per partition after this batch (see `PositionView`); empty for transforms.
    pub positions: *const u8,
    /// Number of positions.
    pub position_count: usize,
    /// Allocates new values; null in a sink, which does not allocate.
    pub cursor: *mut Cursor,
    /// Zero.
    pub reserved: [usize; 6],
}

/// The position of a partition after the batch. Append-only (stride `position_size`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PositionView {
    /// Topic, UTF-8.
    pub topic: Bytes,
    /// Partition.
    pub partition: i32,
    /// Reserved, zero.
    pub reserved: u32,
    /// Next offset to read: one past the last processed record, including filtered and dead-lettered ones.
    pub next_offset: i64,
    /// Epoch that the sink returned when it claimed the partition, or 0.
    pub epoch: u64,
    /// State of the host as of `next_offset`. A sink that stores offsets stores it with them, unchanged, and returns it
    /// from its next claim. Absent if there is no state.
    pub state: Bytes,
}

/// Bits of [`OutRecord::flags`]: the parts that replace those of the input.
#[expect(missing_docs, reason = "named after the fields they switch on")]
pub mod out_flags {
    pub const TOPIC: u32 = 1;
    pub const KEY: u32 = 2;
    pub const VALUE: u32 = 4;
    pub const HEADERS: u32 = 8;
    pub const CHANGE: u32 = 16;
    pub const TIMESTAMP: u32 = 32;
    pub const PARTITION: u32 = 64;
    /// The new value is a row of the change event, which stays: see [`record_flags::UNWRAPPED`](super::record_flags::UNWRAPPED).
    /// An older host parses the value again instead.
    pub const UNWRAPPED: u32 = 128;
    /// The record is rejected; `topic` holds the reason.
    pub const REJECT: u32 = 1 << 31;
}

/// One output of a transform: an input record with some parts replaced. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct OutRecord {
    /// Index in the batch of the record that this one was made from. Outputs are in input order.
    pub input: u32,
    /// Bits of [`out_flags`].
    pub flags: u32,
    /// New topic; for a rejected record, the reason.
    pub topic: Bytes,
    /// New key.
    pub key: Node,
    /// New value.
    pub value: Node,
    /// New headers, a pointer to `HeaderView`s.
    pub headers: *const u8,
    /// Number of headers.
    pub header_count: usize,
    /// New change event, a pointer to a `ChangeView`. If there is a new value without one, the host parses the value again.
    pub change: *const u8,
    /// New timestamp, milliseconds since the epoch; `NO_TIMESTAMP` removes it.
    pub timestamp_ms: i64,
    /// First word: the new partition, see [`OutRecord::set_partition`]. The others are zero.
    pub reserved: [usize; 4],
}

impl OutRecord {
    /// The input record `input`, unchanged.
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

    /// Stores a new partition.
    pub fn set_partition(&mut self, partition: i32) {
        self.reserved[0] = partition.cast_unsigned() as usize;
        self.flags |= out_flags::PARTITION;
    }

    /// The new partition, if [`out_flags::PARTITION`] is set.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        (self.reserved[0] as u32).cast_signed()
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

/// The host's growable table of outputs. The plugin appends to it without a call per record. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct Outputs {
    /// First output.
    pub ptr: *mut OutRecord,
    /// Number of outputs.
    pub len: usize,
    /// Capacity of the table.
    pub capacity: usize,
    /// The host's table.
    pub ctx: *mut (),
    /// Grows the table by at least one output; false if the limit is reached.
    pub grow: unsafe extern "C" fn(outputs: *mut Outputs) -> bool,
}

impl Outputs {
    /// Appends one output. Returns false if the table has reached its limit.
    pub fn push(&mut self, output: OutRecord) -> bool {
        if self.len == self.capacity {
            let grow = self.grow;
            // SAFETY: `self` is the host's table for this call, and `grow` is the host's function.
            if !unsafe { grow(self) } {
                return false;
            }
        }
        // SAFETY: `len < capacity`, and `ptr` points to `capacity` elements.
        unsafe { self.ptr.add(self.len).write(output) };
        self.len += 1;
        true
    }
}
