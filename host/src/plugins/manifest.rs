//! The manifest of a library. It is stored beside the copy, so that a known library is described without loading it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_abi::{abi_stable::std_types::ROption, raw};

/// A library's description.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct LibraryManifest {
    /// Version of the library.
    pub version: String,
    /// The compiler that built it.
    pub build: String,
    /// Its plugins.
    pub plugins: Vec<PluginManifest>,
}

/// A plugin's description.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PluginManifest {
    /// Name that connector files use.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// `transform` or `sink`.
    pub kind: PluginKind,
    /// JSON Schema of its configuration.
    pub config_schema: serde_json::Value,
    /// A sink's default batch limits.
    #[serde(default)]
    pub batch: PluginBatchDefaults,
    /// Whether it reads decoded keys and values.
    pub reads_values: bool,
    /// Whether a sink can write other partitions while the writes of one fail.
    #[serde(default)]
    pub isolates_partitions: bool,
    /// Whether a sink is durable only when it was flushed, instead of after each write. It has no default, so that a library is
    /// probed again if an earlier version of the host, which ignored this, has stored the manifest.
    pub durable_on_flush: bool,
    /// Whether a sink stores offsets together with its data; `None` if it was built before sinks said so.
    #[serde(default)]
    pub stores_offsets: Option<bool>,
    /// Whether a process may have only one copy of its library. As for `durable_on_flush`, it has no default.
    pub one_copy_per_process: bool,
    /// The default flush limits of a sink that is durable on flush, as those of a batch: of all records since the last flush.
    #[serde(default)]
    pub flush: PluginBatchDefaults,
}

/// The kind of a plugin.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// Changes, filters or multiplies records.
    Transform,
    /// Writes records somewhere.
    Sink,
}

impl PluginKind {
    /// `transform` or `sink`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// A sink's default batch limits.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct PluginBatchDefaults {
    /// Records.
    pub max_records: Option<u64>,
    /// Bytes of keys and values.
    pub max_bytes: Option<u64>,
    /// Milliseconds since the first record.
    pub max_wait_ms: Option<u64>,
}

impl PluginBatchDefaults {
    /// Time since the first record.
    #[must_use]
    pub fn max_wait(&self) -> Option<Duration> {
        self.max_wait_ms.map(Duration::from_millis)
    }
}

/// Reads the description out of a loaded library.
pub(super) fn describe(module: raw::PluginModuleRef) -> Result<LibraryManifest, String> {
    let plugins = (module.plugins())();
    if plugins.is_empty() {
        return Err("it exports no plugin".to_owned());
    }
    Ok(LibraryManifest {
        version: module.version().to_string(),
        build: module.build().to_string(),
        plugins: plugins.iter().map(|entry| describe_plugin(*entry)).collect::<Result<_, _>>()?,
    })
}

fn describe_plugin(entry: raw::PluginEntryRef) -> Result<PluginManifest, String> {
    let name = entry.name().to_string();
    let kind = match (entry.kind(), entry.open_transform(), entry.open_sink()) {
        (raw::PluginKind::TRANSFORM, ROption::RSome(_), _) => PluginKind::Transform,
        (raw::PluginKind::SINK, _, ROption::RSome(_)) => PluginKind::Sink,
        (raw::PluginKind(kind), _, _) => {
            return Err(format!(
                "plugin \"{name}\" is of kind {kind}, which this version of tidegate does not support; update tidegate"
            ));
        }
    };
    let schema = (entry.config_schema())();
    let undescribed =
        |reason: &str| format!("plugin \"{name}\" does not describe its configuration: {reason}");
    let config_schema = match serde_json::from_str(schema.as_str()) {
        // The SDK returns the reason as a JSON string if there is no schema.
        Ok(serde_json::Value::String(reason)) => return Err(undescribed(&reason)),
        Ok(schema) => schema,
        Err(error) => return Err(undescribed(&error.to_string())),
    };
    let set = |limit: u64| (limit > 0).then_some(limit);
    let limits = |[max_records, max_bytes, max_wait_ms]: [u64; 3]| PluginBatchDefaults {
        max_records: set(max_records),
        max_bytes: set(max_bytes),
        max_wait_ms: set(max_wait_ms),
    };
    let batch = entry.batch_defaults();
    let batch = limits([batch.max_records, batch.max_bytes, batch.max_wait_ms]);
    let flush = entry.flush_defaults().unwrap_or_default();
    let flush = limits([flush.max_records, flush.max_bytes, flush.max_wait_ms]);
    // Plugins that were built before these fields existed get the defaults.
    let reads_values = entry.reads_values().unwrap_or(true);
    let isolates_partitions = entry.isolates_partitions().unwrap_or(false);
    let durable_on_flush = entry.durable_on_flush().unwrap_or(false);
    let stores_offsets = entry.stores_offsets();
    let one_copy_per_process = entry.one_copy_per_process().unwrap_or(false);
    let description = entry.description().to_string();
    Ok(PluginManifest {
        name,
        description,
        kind,
        config_schema,
        batch,
        reads_values,
        isolates_partitions,
        durable_on_flush,
        stores_offsets,
        one_copy_per_process,
        flush,
    })
}
