//! A sink's functions, and what it reports back.

use abi_stable::{
    StableAbi,
    std_types::{RResult, RSlice, RSliceMut, RStr},
};

use super::{AbiError, BatchView};

/// A partition that the task is about to own. Frozen.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct PartitionView<'a> {
    /// Topic.
    pub topic: RStr<'a>,
    /// Partition.
    pub partition: i32,
}

/// A sink's answer for one partition. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Claim {
    /// Next offset to read as the sink has stored it, or -1 when it stores none.
    pub next_offset: i64,
    /// Number of this ownership; every earlier owner is fenced. 0 when the sink keeps no epochs.
    pub epoch: u64,
    /// Address and length of the stored host state (see `PositionView::state`); zero for none. The bytes belong to the
    /// sink and stay as they are until the next call on its instance.
    pub reserved: [usize; 2],
}

impl Claim {
    /// The answer of a sink that keeps no offsets.
    pub const NONE: Self = Self { next_offset: -1, epoch: 0, reserved: [0; 2] };

    /// The same answer with the host state that the sink has stored beside the offset.
    #[must_use]
    pub fn with_state(self, state: &[u8]) -> Self {
        if state.is_empty() {
            return self;
        }
        Self { reserved: [state.as_ptr().expose_provenance(), state.len()], ..self }
    }

    /// The host state that the sink has stored; empty if it has none.
    ///
    /// # Safety
    /// A sink has just returned the answer, and was not called again since.
    #[must_use]
    pub unsafe fn state<'a>(&self) -> &'a [u8] {
        let [address, len] = self.reserved;
        if address == 0 || len == 0 {
            return &[];
        }
        // SAFETY: by the caller's promise; address and length came from one slice, in `with_state`.
        unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), len) }
    }
}

/// Rows that a write changed in one table. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct TableRows<'a> {
    /// Table as the sink names it.
    pub table: RStr<'a>,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// The first: events that changed nothing since they are older than their row. The others: zero.
    pub reserved: [usize; 4],
}

/// Where a write reports to. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ReportVTableRef)))]
#[sabi(missing_field(panic))]
pub struct ReportVTable {
    /// Refuses the record at `index` of the batch. A write that refuses any record has applied nothing.
    pub reject: extern "C" fn(ctx: *mut (), index: u32, reason: RStr<'_>),
    /// Tells how many rows changed.
    #[sabi(last_prefix_field)]
    pub rows: extern "C" fn(ctx: *mut (), rows: &TableRows<'_>),
}

/// The report of one write. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct ReportHandle {
    /// The host's report.
    pub ctx: *mut (),
    /// The functions.
    pub vtable: ReportVTableRef,
}

/// Functions of a sink instance. They never unwind. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = SinkVTableRef)))]
#[sabi(missing_field(panic))]
pub struct SinkVTable {
    /// Writes a batch, all or nothing. `Ok` without rejects means that every record is durable.
    pub write: unsafe extern "C" fn(
        instance: *mut (),
        batch: &BatchView,
        report: &ReportHandle,
    ) -> RResult<(), AbiError>,
    /// Takes partitions over, fencing every earlier owner, and fills one answer per partition.
    pub claim: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
        claims: RSliceMut<'_, Claim>,
    ) -> RResult<(), AbiError>,
    /// Lets partitions go.
    pub release: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
    ) -> RResult<(), AbiError>,
    /// Makes everything written durable. Reserved for sinks that are not durable per write.
    pub flush: unsafe extern "C" fn(instance: *mut ()) -> RResult<(), AbiError>,
    /// Ends the work of the instance.
    pub close: unsafe extern "C" fn(instance: *mut ()) -> RResult<(), AbiError>,
    /// Frees the instance; the last call on it.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(instance: *mut ()),
    /// Forgets the offsets that are stored of these claimed partitions: they are of logs that are gone. An older plugin
    /// does not have it.
    #[sabi(missing_field(option))]
    pub start_over: unsafe extern "C" fn(
        instance: *mut (),
        partitions: RSlice<'_, PartitionView<'_>>,
    ) -> RResult<(), AbiError>,
}

/// An opened sink. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct SinkObject {
    /// Handed to every function.
    pub instance: *mut (),
    /// The functions.
    pub vtable: SinkVTableRef,
}

// SAFETY: the SDK opens only `Send` sinks, and the host calls one from one thread at a time.
unsafe impl Send for SinkObject {}
