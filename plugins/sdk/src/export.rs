//! The export macro, and functions for its expansion.

use std::sync::OnceLock;

use tidegate_abi::{
    abi_stable::{
        prefix_type::PrefixTypeTrait,
        std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
    },
    object::config_value,
    raw::{
        AbiError, BatchDefaults, ConfigError, FlushDefaults, HostHandle, Node, OpenContext, OpenSink,
        OpenTransform, PluginEntry, PluginEntryRef, PluginKind, SinkObject, TransformObject, host_features,
    },
    value::write_json_string,
};

use crate::{
    config::{PluginConfig, read_config},
    context::Context,
    error::{Error, Result},
    guard::guarded,
    logging,
    sink::{self, Sink},
    transform::{self, Transform},
};

/// Name and description of a plugin, from the macro.
#[derive(Clone, Copy)]
pub struct PluginInfo {
    /// Name of the plugin in connector files.
    pub name: &'static str,
    /// Description of the crate, used if the plugin has none.
    pub description: &'static str,
}

/// The plugins of a library, created on first use.
pub struct PluginList(OnceLock<Vec<PluginEntryRef>>);

impl PluginList {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the list, which the first call creates with `make`.
    pub fn get(&'static self, make: impl FnOnce() -> Vec<PluginEntryRef>) -> RSlice<'static, PluginEntryRef> {
        let made = guarded(|| Ok(self.0.get_or_init(make).as_slice()));
        RSlice::from_slice(made.unwrap_or_default())
    }
}

impl Default for PluginList {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a manifest asks for a dynamic library. Without `crate-type = ["cdylib"]`, cargo builds an `.rlib`, which no host
/// finds, and says nothing.
#[must_use]
pub const fn mentions_cdylib(manifest: &str) -> bool {
    let (text, word) = (manifest.as_bytes(), b"cdylib");
    let mut start = 1;
    while start + word.len() < text.len() {
        let mut matched = 0;
        while matched < word.len() && text[start + matched] == word[matched] {
            matched += 1;
        }
        // In quotes of either kind: the word may be a part of a name.
        let (before, after) = (text[start - 1], text[start + word.len()]);
        if matched == word.len() && before == after && matches!(before, b'"' | b'\'') {
            return true;
        }
        start += 1;
    }
    false
}

/// Called once by the host.
pub extern "C" fn init(host: HostHandle) {
    logging::init(host);
}

/// The entry of a transform.
#[must_use]
pub fn transform_entry<T: Transform>(info: PluginInfo) -> PluginEntryRef {
    let open_transform = ROption::RSome(OpenTransform { call: open_transform::<T> });
    let reads_values = T::READS_VALUES;
    PluginEntry {
        open_transform,
        reads_values,
        one_copy_per_process: T::ONE_COPY_PER_PROCESS,
        check_config: check_transform::<T>,
        ..entry::<T::Config>(info, T::DESCRIPTION, PluginKind::TRANSFORM)
    }
    .leak_into_prefix()
}

/// The entry of a sink.
#[must_use]
pub fn sink_entry<T: Sink>(info: PluginInfo) -> PluginEntryRef {
    let open_sink = ROption::RSome(OpenSink { call: open_sink::<T> });
    // A panic here must not disable the other plugins of the library: the limits of the host apply instead.
    let batch_defaults = guarded(|| Ok(T::batch_defaults())).unwrap_or_else(|error| {
        tracing::error!(plugin = info.name, "batch_defaults: {error}");
        sink::BatchDefaults::default()
    });
    let batch_defaults = batch_defaults.into_raw();
    let flush_defaults = guarded(|| Ok(T::flush_defaults())).unwrap_or_else(|error| {
        tracing::error!(plugin = info.name, "flush_defaults: {error}");
        sink::FlushDefaults::default()
    });
    let (description, reads_values) = (T::DESCRIPTION, T::READS_VALUES);
    PluginEntry {
        open_sink,
        batch_defaults,
        reads_values,
        isolates_partitions: T::ISOLATES_PARTITIONS,
        durable_on_flush: T::DURABLE_ON_FLUSH,
        stores_offsets: T::STORES_OFFSETS,
        one_copy_per_process: T::ONE_COPY_PER_PROCESS,
        flush_defaults: flush_defaults.into_raw(),
        check_config: check_sink::<T>,
        ..entry::<T::Config>(info, description, PluginKind::SINK)
    }
    .leak_into_prefix()
}

/// The entry of an async sink.
#[cfg(feature = "async")]
#[must_use]
pub fn async_sink_entry<T: crate::AsyncSink>(info: PluginInfo) -> PluginEntryRef {
    sink_entry::<crate::Blocking<T>>(info)
}

fn entry<C: PluginConfig>(info: PluginInfo, description: &'static str, kind: PluginKind) -> PluginEntry {
    let description = if description.is_empty() { info.description } else { description };
    PluginEntry {
        name: RStr::from_str(info.name),
        description: RStr::from_str(description),
        kind,
        config_schema: config_schema::<C>,
        batch_defaults: BatchDefaults::default(),
        open_transform: ROption::RNone,
        open_sink: ROption::RNone,
        reads_values: true,
        isolates_partitions: false,
        check_config: check_nothing,
        durable_on_flush: false,
        stores_offsets: false,
        one_copy_per_process: false,
        flush_defaults: FlushDefaults::default(),
    }
}

extern "C" fn config_schema<C: PluginConfig>() -> RString {
    // A schema is an object. If it cannot be created, a string with the reason is returned.
    guarded(|| Ok(C::schema())).unwrap_or_else(|error| json_string(error.message())).into()
}

fn json_string(text: &str) -> String {
    let mut json = String::new();
    let _infallible = write_json_string(&mut json, text);
    json
}

extern "C" fn check_nothing(_: &Node) -> RVec<ConfigError> {
    RVec::new()
}

extern "C" fn check_transform<T: Transform>(config: &Node) -> RVec<ConfigError> {
    config_errors(guarded(|| T::check(&read_config(config_value(config))?)))
}

extern "C" fn check_sink<T: Sink>(config: &Node) -> RVec<ConfigError> {
    config_errors(guarded(|| T::check(&read_config(config_value(config))?)))
}

fn config_errors(checked: Result<()>) -> RVec<ConfigError> {
    checked.err().map(Error::into_config_errors).unwrap_or_default().into()
}

extern "C" fn open_transform<T: Transform>(open: &OpenContext<'_>) -> RResult<TransformObject, AbiError> {
    let opened = guarded(|| {
        let config = read_config(config_value(open.config))?;
        T::check(&config)?;
        T::open(config, &Context::new(open))
    });
    opened.map(|opened| TransformObject::new(transform::Adapter::new(opened))).map_err(Error::into_abi).into()
}

extern "C" fn open_sink<T: Sink>(open: &OpenContext<'_>) -> RResult<SinkObject, AbiError> {
    let opened = guarded(|| {
        // It would commit offsets of records that are not durable.
        if T::DURABLE_ON_FLUSH && open.reserved[0] & host_features::FLUSHES == 0 {
            return Err(Error::fatal(
                "this host never flushes a sink, which this one needs; update tidegate",
            ));
        }
        let config = read_config(config_value(open.config))?;
        T::check(&config)?;
        T::open(config, &Context::new(open))
    });
    opened.map(|opened| SinkObject::new(sink::Adapter::new(opened))).map_err(Error::into_abi).into()
}

/// Exports the plugins of a library. Use it once per crate, which must be a `cdylib`: a crate whose `Cargo.toml` does not
/// mention that does not compile.
///
/// A single plugin has the name of its crate; several plugins have explicit names:
///
/// ```
/// # use tidegate_plugin::prelude::*;
/// # struct Pass;
/// # impl Transform for Pass {
/// #     type Config = ();
/// #     fn open(_: (), _: &Context) -> Result<Self> { Ok(Self) }
/// #     fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> { out.emit(record) }
/// # }
/// # struct Ignore;
/// # impl Sink for Ignore {
/// #     type Config = ();
/// #     fn open(_: (), _: &Context) -> Result<Self> { Ok(Self) }
/// #     fn write(&mut self, _: &Batch<'_>) -> Result<Report> { Ok(Report::written()) }
/// # }
/// export_plugin! {
///     transform "pass": Pass,
///     sink "ignore": Ignore,
/// }
/// # fn main() {}
/// ```
///
/// The kinds are `transform`, `sink` and, with the feature `async`, `async_sink`.
///
/// The expansion exports a symbol, which is unsafe code, but code of this crate: a plugin may `#![forbid(unsafe_code)]`.
#[macro_export]
macro_rules! export_plugin {
    ($kind:ident : $plugin:ty $(,)?) => {
        $crate::export_plugin! { $kind env!("CARGO_PKG_NAME") => $plugin }
    };
    ($($kind:ident $name:literal : $plugin:ty),+ $(,)?) => {
        $crate::export_plugin! { $($kind $name => $plugin),+ }
    };
    ($($kind:ident $name:expr => $plugin:ty),+) => {
        const _: () = assert!(
            $crate::private::mentions_cdylib(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))),
            "a plugin is a dynamic library: add to its Cargo.toml: [lib] crate-type = [\"cdylib\"]"
        );

        // Only full paths: an import here would shadow a module of the same name in the plugin's crate.
        const _: () = {
            extern "C" fn plugins()
            -> $crate::private::abi_stable::std_types::RSlice<'static, $crate::private::raw::PluginEntryRef> {
                static PLUGINS: $crate::private::PluginList = $crate::private::PluginList::new();
                PLUGINS.get(|| vec![$($crate::export_plugin!(@entry $kind, $name, $plugin)),+])
            }

            fn module() -> $crate::private::raw::PluginModuleRef {
                let module = $crate::private::raw::PluginModule {
                    version: $crate::private::abi_stable::std_types::RStr::from_str(env!("CARGO_PKG_VERSION")),
                    build: $crate::private::abi_stable::std_types::RStr::from_str($crate::BUILD),
                    init: $crate::private::init,
                    plugins,
                };
                $crate::private::abi_stable::prefix_type::PrefixTypeTrait::leak_into_prefix(module)
            }

            extern "C" fn constructor() -> $crate::private::abi_stable::library::RootModuleResult {
                $crate::private::abi_stable::library::__call_root_module_loader(module)
            }

            // The expansion of `#[export_root_module]`, without requiring the plugin to depend on abi_stable. An
            // `#[allow(unsafe_code)]` here would be an error in a crate that forbids unsafe code. It is not needed: lints do not
            // report the code of another crate's macro.
            // SAFETY: no other symbol of the library has this name, and the header is that of `PluginModuleRef`.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::private::abi_stable::library::LibHeader = unsafe {
                $crate::private::abi_stable::library::LibHeader::from_constructor::<
                    $crate::private::raw::PluginModuleRef,
                >(constructor, $crate::private::abi_stable::library::CheckTypeLayout::Yes)
            };
        };
    };
    (@entry transform, $name:expr, $plugin:ty) => {
        $crate::private::transform_entry::<$plugin>($crate::export_plugin!(@info $name))
    };
    (@entry sink, $name:expr, $plugin:ty) => {
        $crate::private::sink_entry::<$plugin>($crate::export_plugin!(@info $name))
    };
    (@entry async_sink, $name:expr, $plugin:ty) => {
        $crate::__async_sink_entry!($crate::export_plugin!(@info $name), $plugin)
    };
    (@entry $kind:ident, $name:expr, $plugin:ty) => {
        compile_error!(concat!(
            "`",
            stringify!($kind),
            "` is no kind of plugin: use `transform`, `sink` or `async_sink`, as in `export_plugin!(transform: MyTransform)`",
        ))
    };
    (@info $name:expr) => {
        $crate::private::PluginInfo { name: $name, description: env!("CARGO_PKG_DESCRIPTION") }
    };
    ($($anything_else:tt)*) => {
        compile_error!(
            "export_plugin! takes one plugin, `export_plugin!(transform: MyTransform)`, or several with names, \
             `export_plugin! { transform \"first\": First, sink \"second\": Second }`; the kinds are `transform`, `sink` and \
             `async_sink`"
        );
    };
}

#[cfg(feature = "async")]
#[doc(hidden)]
#[macro_export]
macro_rules! __async_sink_entry {
    ($info:expr, $plugin:ty) => {
        $crate::private::async_sink_entry::<$plugin>($info)
    };
}

#[cfg(not(feature = "async"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __async_sink_entry {
    ($info:expr, $plugin:ty) => {
        compile_error!(
            "`async_sink` needs the feature `async`: tidegate-plugin = { version = \"1\", features = [\"async\"] }"
        )
    };
}

#[cfg(test)]
mod tests {
    use super::mentions_cdylib;

    #[test]
    fn a_manifest_without_cdylib_is_recognised() {
        assert!(mentions_cdylib("[lib]\ncrate-type = [\"cdylib\"]"));
        assert!(mentions_cdylib("lib.crate-type = ['rlib','cdylib']"));
        assert!(!mentions_cdylib("[package]\nname = \"no-cdylib\""));
        assert!(!mentions_cdylib("[lib]\ncrate-type = [\"dylib\", \"cdyli\"]\ncd"));
        assert!(!mentions_cdylib(""));
    }

    #[test]
    fn the_exported_symbol_has_the_name_that_abi_stable_expects() {
        let name = tidegate_abi::abi_stable::library::ROOT_MODULE_LOADER_NAME;
        assert_eq!(name, "_1as_0lib_1header_0root_bmodule_bloader");
    }

    #[cfg(feature = "testing")]
    #[test]
    fn a_sink_that_is_durable_on_flush_opens_only_in_a_host_that_flushes() {
        use super::*;
        use crate::sink::Report;

        struct Flushed;

        impl Sink for Flushed {
            type Config = ();

            const DURABLE_ON_FLUSH: bool = true;

            fn open((): (), _: &Context) -> Result<Self> {
                Ok(Self)
            }

            fn write(&mut self, _: &tidegate_abi::Batch<'_>) -> Result<Report> {
                Ok(Report::written())
            }
        }

        let entry = sink_entry::<Flushed>(PluginInfo { name: "flushed", description: "" });
        assert_eq!(entry.durable_on_flush(), Some(true));
        let open = |features: usize| {
            let context = OpenContext {
                host: crate::testing::host::handle(),
                connector: RStr::from_str("c"),
                task: 0,
                tasks: 1,
                instance: RStr::from_str("flushed"),
                config: &Node::NULL,
                reserved: [features, 0, 0, 0, 0, 0],
            };
            let open = entry.open_sink().into_option().expect("a sink");
            (open.call)(&context).into_result().map(drop).map_err(|error| error.message.to_string())
        };
        let refused = open(0).expect_err("an older host");
        assert!(refused.contains("never flushes"), "{refused}");
        assert_eq!(open(host_features::FLUSHES), Ok(()));
    }
}
