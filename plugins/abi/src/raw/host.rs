//! Functions of the host that plugins call: logging, metrics, cancellation.

use abi_stable::{
    StableAbi,
    std_types::{RSlice, RStr},
};

/// A name and a value, both text: a field of a log event, a label of a metric. Frozen.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Pair<'a> {
    /// Name.
    pub name: RStr<'a>,
    /// Value.
    pub value: RStr<'a>,
}

/// A log event of a plugin. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct LogEvent<'a> {
    /// 1 error, 2 warning, 3 info, 4 debug, 5 trace.
    pub level: u8,
    /// Module path in the plugin.
    pub target: RStr<'a>,
    /// Message.
    pub message: RStr<'a>,
    /// Structured fields.
    pub fields: RSlice<'a, Pair<'a>>,
    /// Zero.
    pub reserved: [usize; 4],
}

/// The host's functions. They must not unwind. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostVTableRef)))]
#[sabi(missing_field(panic))]
pub struct HostVTable {
    /// Whether an event of this level and target would be logged. Check it before formatting.
    pub log_enabled: extern "C" fn(ctx: *const (), level: u8, target: RStr<'_>) -> bool,
    /// Logs an event with the span of the calling thread.
    pub log: extern "C" fn(ctx: *const (), event: &LogEvent<'_>),
    /// Adds to a counter.
    pub counter_add: extern "C" fn(ctx: *const (), name: RStr<'_>, labels: RSlice<'_, Pair<'_>>, delta: u64),
    /// Sets a gauge.
    pub gauge_set: extern "C" fn(ctx: *const (), name: RStr<'_>, labels: RSlice<'_, Pair<'_>>, value: f64),
    /// Records one observation of a histogram; durations are in seconds.
    pub histogram_record:
        extern "C" fn(ctx: *const (), name: RStr<'_>, labels: RSlice<'_, Pair<'_>>, value: f64),
    /// Whether the current call should end soon.
    #[sabi(last_prefix_field)]
    pub should_stop: extern "C" fn(ctx: *const ()) -> bool,
    /// Reports that the current call has made progress: its time limit counts from now. Missing in older hosts, which count
    /// from the start of the call.
    #[sabi(missing_field(option))]
    pub progress: extern "C" fn(ctx: *const ()),
}

/// The host's side of one plugin instance; valid as long as the process runs.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostHandle {
    /// Identifies connector, task and plugin to the host.
    pub ctx: *const (),
    /// The functions.
    pub vtable: HostVTableRef,
}

// SAFETY: the context is immutable and never freed; the functions may be called from any thread.
unsafe impl Send for HostHandle {}
// SAFETY: as above.
unsafe impl Sync for HostHandle {}
