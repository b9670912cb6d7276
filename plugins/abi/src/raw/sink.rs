//! The vtable of a sink, and the report that it returns.

use abi_stable::{
    StableAbi,
    std_types::{RResult, RSlice, RSliceMut, RStr},
};

use super::{AbiError, BatchView};

/// A partition that is assigned to the task or revoked from it. Frozen.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct PartitionView<'a> {
    /// Topic.
    pub topic: RStr<'a>,
    /// Partition.
    pub partition: i32,
}

/// The result of claiming one partition. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Claim {
    /// Next offset to read, as stored by the sink, or -1 if it stores none.
    pub next_offset: i64,
    /// Epoch of this ownership, which fences every earlier owner. 0 if the sink has no epochs.
    pub epoch: u64,
    /// Address and length of the stored host state (see `PositionView::state`), or zero. The sink owns the bytes, and
    /// must not change them before the next call on its instance.
    pub reserved: [usize; 2],
}

impl Claim {
    /// The claim of a sink that stores no offsets.
    pub const NONE: Self = Self { next_offset: -1, epoch: 0, reserved: [0; 2] };

    /// Adds the host state that the sink has stored with the offset.
    #[must_use]
    pub fn with_state(self, state: &[u8]) -> Self {
        if state.is_empty() {
            return self;
        }
        Self { reserved: [state.as_ptr().expose_provenance(), state.len()], ..self }
    }

    /// The host state that the sink has stored, or an empty slice.
    ///
    /// # Safety
    /// The sink has returned this claim, and has not been called since.
    #[must_use]
    pub unsafe fn state<'a>(&self) -> &'a [u8] {
        let [address, len] = self.reserved;
        if address == 0 || len == 0 {
            return &[];
        }
        // SAFETY: guaranteed by the caller; address and length are those of one slice, in `with_state`.
        unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), len) }
    }
}

/// Number of rows that a write changed in one table. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct TableRows<'a> {
    /// Name of the table in the destination.
    pub table: RStr<'a>,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// First word: events that were skipped because their row is newer. The others are zero.
    pub reserved: [usize; 4],
}

/// Callbacks for the report of a write or a flush. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ReportVTableRef)))]
#[sabi(missing_field(panic))]
pub struct ReportVTable {
    /// Rejects the record at `index` of the batch. A write that rejects a record must not have applied anything.
    pub reject: extern "C" fn(ctx: *mut (), index: u32, reason: RStr<'_>),
    /// Reports how many rows changed.
    #[sabi(last_prefix_field)]
    pub rows: extern "C" fn(ctx: *mut (), rows: &TableRows<'_>),
    /// Rejects an unflushed record by the partition and offset that it was read from; only during a flush. Missing in older
    /// hosts, which never flush.
    #[sabi(missing_field(option))]
    pub reject_at: extern "C" fn(ctx: *mut (), partition: &PartitionView<'_>, offset: i64, reason: RStr<'_>),
}

/// The report of one write or flush. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct ReportHandle {
    /// The host's report.
    pub ctx: *mut (),
    /// The functions.
    pub vtable: ReportVTableRef,
}

/// Functions of a sink instance. They must not unwind. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = SinkVTableRef)))]
#[sabi(missing_field(panic))]
pub struct SinkVTable {
    /// Writes all of a batch or nothing. `Ok` without rejected records means that every record is durable, or, if the sink is
    /// durable on flush, that it holds every record.
    pub write: unsafe extern "C" fn(
        instance: *mut (),
        batch: &BatchView,
        report: &ReportHandle,
    ) -> RResult<(), AbiError>,
    /// Takes ownership of partitions, fences every earlier owner, and fills in one claim per partition.
    pub claim: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
        claims: RSliceMut<'_, Claim>,
    ) -> RResult<(), AbiError>,
    /// Releases partitions.
    pub release: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
    ) -> RResult<(), AbiError>,
    /// Never called, because it cannot report rejected records: see `flush_reporting`.
    pub flush: unsafe extern "C" fn(instance: *mut ()) -> RResult<(), AbiError>,
    /// Closes the instance.
    pub close: unsafe extern "C" fn(instance: *mut ()) -> RResult<(), AbiError>,
    /// Frees the instance. No other function is called after it.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(instance: *mut ()),
    /// Deletes the stored offsets of these claimed partitions, because their logs no longer exist. Missing in older plugins.
    #[sabi(missing_field(option))]
    pub reset_offsets: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
    ) -> RResult<(), AbiError>,
    /// Makes all written records durable. If it rejects records, it drops these, has made nothing durable and stored no offset,
    /// and is called again once the host has handled them. Only called for sinks that are durable on flush; missing in older
    /// plugins.
    #[sabi(missing_field(option))]
    pub flush_reporting:
        unsafe extern "C" fn(instance: *mut (), report: &ReportHandle) -> RResult<(), AbiError>,
}

/// An opened sink. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct SinkObject {
    /// First argument of every function.
    pub instance: *mut (),
    /// The functions.
    pub vtable: SinkVTableRef,
}

// SAFETY: the SDK opens only `Send` sinks, and the host calls one from one thread at a time.
unsafe impl Send for SinkObject {}
