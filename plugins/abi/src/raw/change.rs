//! A change event, recognised by the host once, so that every plugin agrees on table, rows and position.

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
    /// The source has sent the event before: an earlier record of the partition holds it.
    pub const RESENT: u8 = 8;
}

/// A recognised change event. Append-only: `size` says how much of it the host filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ChangeView {
    /// Bytes of this struct as the host knows it.
    pub size: u32,
    /// What happened.
    pub operation: OperationCode,
    /// Bits of [`change_flags`].
    pub flags: u8,
    /// How many words of `position` count; 0 when the source gave none.
    pub position_len: u8,
    /// Reserved, zero.
    pub reserved: u8,
    /// The row before, or null.
    pub before: Node,
    /// The row after, or null.
    pub after: Node,
    /// The whole source block, or null.
    pub source: Node,
    /// Kind of source, such as `postgresql`; may be absent.
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
    /// Log position as text for people (LSN, file:pos); may be absent.
    pub position_text: Bytes,
    /// Comparable position: word by word, most significant first.
    pub position: [u64; 4],
    /// When the source committed, milliseconds since the epoch.
    pub commit_ms: i64,
    /// When the connector handled the event, milliseconds since the epoch.
    pub event_ms: i64,
    /// Schema of the row, or null.
    pub row_schema: *const SchemaView,
    /// Number of the source's log that `position` belongs to: positions are compared within one log only, and those of a
    /// later log are newer. The host alone sets it; it ignores what a transform returns here.
    pub log_generation: u64,
}

impl ChangeView {
    /// A copy of as much of the event as both sides know; the rest is zero.
    ///
    /// # Safety
    /// `size` bytes lie behind the reference, as the host promises for the events that it lends.
    #[must_use]
    pub unsafe fn copy(&self) -> Self {
        let known = (self.size as usize).min(size_of::<Self>());
        let mut copy = std::mem::MaybeUninit::<Self>::zeroed();
        // SAFETY: by the caller's promise; an event of zeros is a valid one, of no operation, with absent texts.
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

    /// Bytes of the event in version 1.0 of the interface: what every plugin knows.
    pub const V1_SIZE: usize = std::mem::offset_of!(Self, log_generation);
}
