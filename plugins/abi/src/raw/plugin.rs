//! The root module: the description of a library, and the functions that open its plugins.

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings,
    sabi_types::VersionStrings,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
};

use super::{AbiError, ConfigError, HostHandle, Node, SinkObject, TransformObject};

/// Type of a plugin. Open.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PluginKind(pub u8);

impl PluginKind {
    /// Changes, filters or multiplies records.
    pub const TRANSFORM: Self = Self(1);
    /// Writes records to a destination.
    pub const SINK: Self = Self(2);
}

/// Default batch limits of a sink; 0 keeps the host's default. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Default)]
pub struct BatchDefaults {
    /// Maximum number of records.
    pub max_records: u64,
    /// Maximum bytes of keys and values.
    pub max_bytes: u64,
    /// Maximum milliseconds since the first record.
    pub max_wait_ms: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// Default flush limits of a sink that is durable on flush; 0 keeps the host's default. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Default)]
pub struct FlushDefaults {
    /// Maximum number of written records.
    pub max_records: u64,
    /// Maximum bytes of keys, values and headers of the consumed records.
    pub max_bytes: u64,
    /// Maximum milliseconds since the first written record.
    pub max_wait_ms: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// What a host does, as bits of the first reserved word of [`OpenContext`].
pub mod host_features {
    /// It flushes sinks whose entry says `durable_on_flush`, and commits no offset before.
    pub const FLUSHES: usize = 1;
}

/// Arguments for opening a plugin. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi)]
pub struct OpenContext<'a> {
    /// The host's functions, bound to this instance.
    pub host: HostHandle,
    /// Name of the connector.
    pub connector: RStr<'a>,
    /// Number of the task, starting at 0.
    pub task: u32,
    /// Number of tasks of the connector.
    pub tasks: u32,
    /// Name of this instance in the connector file.
    pub instance: RStr<'a>,
    /// The configuration, a struct. Borrowed for the call.
    pub config: &'a Node,
    /// First word: what the host does, see [`host_features`]; zero in hosts that were built before these. The others are zero.
    pub reserved: [usize; 6],
}

/// Opens a transform.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct OpenTransform {
    /// Must not unwind.
    pub call: extern "C" fn(context: &OpenContext<'_>) -> RResult<TransformObject, AbiError>,
}

/// Opens a sink.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct OpenSink {
    /// Must not unwind.
    pub call: extern "C" fn(context: &OpenContext<'_>) -> RResult<SinkObject, AbiError>,
}

/// One plugin of a library. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginEntryRef)))]
#[sabi(missing_field(panic))]
pub struct PluginEntry {
    /// Name of the plugin in connector files.
    pub name: RStr<'static>,
    /// One-line description.
    pub description: RStr<'static>,
    /// Transform or sink.
    pub kind: PluginKind,
    /// JSON Schema of the configuration. `x-env` names the environment variable that is the default of a property.
    /// `x-secret` marks a property that must not be shown.
    pub config_schema: extern "C" fn() -> RString,
    /// Default batch limits of a sink.
    pub batch_defaults: BatchDefaults,
    /// Opens the plugin, if it is a transform.
    pub open_transform: ROption<OpenTransform>,
    /// Opens the plugin, if it is a sink.
    #[sabi(last_prefix_field)]
    pub open_sink: ROption<OpenSink>,
    /// Whether the plugin reads decoded keys and values. Missing in older plugins, which do. If no stage of a task reads
    /// values, nothing is decoded.
    #[sabi(missing_field(option))]
    pub reads_values: bool,
    /// Whether a sink writes partitions independently: writes of one partition may fail while others succeed. Missing in
    /// older plugins, which do not.
    #[sabi(missing_field(option))]
    pub isolates_partitions: bool,
    /// Checks a configuration, a struct, without opening anything. Returns all errors. Missing in older plugins.
    #[sabi(missing_field(option))]
    pub check_config: extern "C" fn(config: &Node) -> RVec<ConfigError>,
    /// Whether a sink is durable only when its flush has returned, instead of after each write. Missing in older plugins, which
    /// are durable after each write.
    #[sabi(missing_field(option))]
    pub durable_on_flush: bool,
    /// Default flush limits of a sink that is durable on flush. Missing in older plugins.
    #[sabi(missing_field(option))]
    pub flush_defaults: FlushDefaults,
    /// Whether a sink stores offsets together with its data, and returns them from a claim. Missing in older plugins, of which it is
    /// not known.
    #[sabi(missing_field(option))]
    pub stores_offsets: bool,
    /// Whether a process may have only one copy of the library. Missing in older plugins, of which it may have several.
    #[sabi(missing_field(option))]
    pub one_copy_per_process: bool,
}

/// The root module of a plugin library. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// The library's version.
    pub version: RStr<'static>,
    /// Versions of the SDK and the compiler that built the library.
    pub build: RStr<'static>,
    /// Called once, before any other function.
    pub init: extern "C" fn(host: HostHandle),
    /// The plugins of the library.
    #[sabi(last_prefix_field)]
    pub plugins: extern "C" fn() -> RSlice<'static, PluginEntryRef>,
}

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "tidegate_plugin";
    const NAME: &'static str = "tidegate plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
