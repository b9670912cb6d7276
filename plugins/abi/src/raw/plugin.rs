//! The root module: what a library tells about itself, and how its plugins are opened.

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings,
    sabi_types::VersionStrings,
    std_types::{ROption, RResult, RSlice, RStr, RString},
};

use super::{AbiError, HostHandle, Node, SinkObject, TransformObject};

/// What a plugin is. Open.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PluginKind(pub u8);

impl PluginKind {
    /// Changes, filters or multiplies records.
    pub const TRANSFORM: Self = Self(1);
    /// Writes records somewhere.
    pub const SINK: Self = Self(2);
}

/// A sink's own batch limits; 0 leaves one to the host. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Default)]
pub struct BatchDefaults {
    /// Records.
    pub max_records: u64,
    /// Bytes of keys and values.
    pub max_bytes: u64,
    /// Milliseconds from the first record on.
    pub max_wait_ms: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// Who opens a plugin, and with what. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi)]
pub struct OpenContext<'a> {
    /// The host as this instance sees it.
    pub host: HostHandle,
    /// Connector's name.
    pub connector: RStr<'a>,
    /// Task's number, from 0.
    pub task: u32,
    /// How many tasks the connector has.
    pub tasks: u32,
    /// The name under which the connector uses this plugin.
    pub instance: RStr<'a>,
    /// The configuration: a struct. Borrowed for the call.
    pub config: &'a Node,
    /// Zero.
    pub reserved: [usize; 6],
}

/// Opens a transform.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct OpenTransform {
    /// Never unwinds.
    pub call: extern "C" fn(context: &OpenContext<'_>) -> RResult<TransformObject, AbiError>,
}

/// Opens a sink.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct OpenSink {
    /// Never unwinds.
    pub call: extern "C" fn(context: &OpenContext<'_>) -> RResult<SinkObject, AbiError>,
}

/// One plugin of a library. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginEntryRef)))]
#[sabi(missing_field(panic))]
pub struct PluginEntry {
    /// Name that connector files use.
    pub name: RStr<'static>,
    /// One line for people.
    pub description: RStr<'static>,
    /// What it is.
    pub kind: PluginKind,
    /// JSON Schema of its configuration. `x-env` names the environment variable that is a property's default,
    /// `x-secret` marks a property that must never be shown.
    pub config_schema: extern "C" fn() -> RString,
    /// A sink's own batch limits.
    pub batch_defaults: BatchDefaults,
    /// How to open it, if it is a transform.
    pub open_transform: ROption<OpenTransform>,
    /// How to open it, if it is a sink.
    #[sabi(last_prefix_field)]
    pub open_sink: ROption<OpenSink>,
    /// Whether it looks at decoded keys and values; an older plugin, which does not say, does. Where no stage of a task
    /// does, nothing is decoded.
    #[sabi(missing_field(option))]
    pub reads_values: bool,
    /// Whether a sink can go on with other partitions while the writes of one fail; an older plugin, which does not say,
    /// cannot.
    #[sabi(missing_field(option))]
    pub partitions_apart: bool,
}

/// The root module of a plugin library. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// The library's version.
    pub version: RStr<'static>,
    /// What built it: SDK and compiler versions.
    pub build: RStr<'static>,
    /// Called once, before anything else.
    pub init: extern "C" fn(host: HostHandle),
    /// The plugins in it.
    #[sabi(last_prefix_field)]
    pub plugins: extern "C" fn() -> RSlice<'static, PluginEntryRef>,
}

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "tidegate_plugin";
    const NAME: &'static str = "tidegate plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
