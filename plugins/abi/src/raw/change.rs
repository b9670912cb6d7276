//! A change event. The host parses it once, so that all plugins see the same table, rows and position.

use super::{Bytes, Node, SchemaView};

/// What happened to the row. Open.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperationCode(pub u8);

#[expect(missing_docs, reason = "named as in Debezium's envelope")]
impl OperationCode {
    pub const CREATE: Self = Self(b'c');
    pub const READ: Self = Self(b'r');
    pub const UPDATE: Self = Self(b'u');
    pub const DELETE: Self = Self(b'd');
    pub const TRUNCATE: Self = Self(b't');
    pub const MESSAGE: Self = Self(b'm');
}

/// Bits of [`ChangeView::flags`].
pub mod change_flags {
    /// `commit_ms` is set.
    pub const HAS_COMMIT_TIME: u8 = 1;
    /// `event_ms` is set.
    pub const HAS_EVENT_TIME: u8 = 2;
    /// The position was inherited from an earlier record of the partition.
    pub const INHERITED_POSITION: u8 = 4;
    /// The source has sent the event before, in an earlier record of the partition.
    pub const RESENT: u8 = 8;
}

/// A change event. Append-only: `size` is the number of bytes that the host has filled in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChangeView {
    /// Size of this struct in the host's version, in bytes.
    pub size: u32,
    /// What happened.
    pub operation: OperationCode,
    /// Bits of [`change_flags`].
    pub flags: u8,
    /// Number of used words in `position`; 0 if the source gave no position.
    pub position_len: u8,
    /// Reserved, zero.
    pub reserved: u8,
    /// The row before, or null.
    pub before: Node,
    /// The row after, or null.
    pub after: Node,
    /// The `source` block of the event, or null.
    pub source: Node,
    /// Type of the source connector, such as `postgresql`; may be absent.
    pub connector: Bytes,
    /// Database; may be absent.
    pub database: Bytes,
    /// Schema; may be absent.
    pub schema: Bytes,
    /// Table or collection.
    pub table: Bytes,
    /// Snapshot marker as the source wrote it (`true`, `first`, `last`, `incremental`, `false`); may be absent.
    pub snapshot: Bytes,
    /// Transaction id; may be absent.
    pub transaction: Bytes,
    /// Log position as readable text (LSN, file:pos); may be absent.
    pub position_text: Bytes,
    /// Position that can be compared word by word, most significant word first.
    pub position: [u64; 4],
    /// Commit time in the source, in milliseconds since the epoch.
    pub commit_ms: i64,
    /// Time at which the source connector processed the event, in milliseconds since the epoch.
    pub event_ms: i64,
    /// Schema of the row, or null.
    pub row_schema: *const SchemaView,
    /// Generation of the source's log that `position` belongs to. Positions are compared only within one generation; a
    /// later generation is newer. Only the host sets it; a value that a transform returns is ignored.
    pub log_generation: u64,
}

impl ChangeView {
    /// Copies the fields that both host and plugin know; the rest is zero.
    ///
    /// # Safety
    /// The reference points to `size` valid bytes, as the host guarantees for the events that it passes.
    #[must_use]
    pub unsafe fn copy(&self) -> Self {
        let known = (self.size as usize).min(size_of::<Self>());
        let mut copy = std::mem::MaybeUninit::<Self>::zeroed();
        // SAFETY: guaranteed by the caller; all zeros is a valid event, with no operation and absent texts.
        let mut copy = unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(self).cast::<u8>(),
                copy.as_mut_ptr().cast(),
                known,
            );
            copy.assume_init()
        };
        copy.size = size_of::<Self>() as u32;
        copy
    }

    /// Size of the event in version 1.0 of the interface, which every plugin knows.
    pub const V1_SIZE: usize = std::mem::offset_of!(Self, log_generation);
}
