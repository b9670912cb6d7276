//! Setup shared by several commands: host configuration, logging and plugin discovery.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::HostOptions;
use crate::{
    config::{Diagnostics, Environment, HostConfig, HostFlags, LogFormat, MetricsConfig, OtlpEncoding},
    plugins::{Discovered, Prober, Registry},
    telemetry::{self, MetricsOptions, OtlpOptions, OtlpProtocol, TraceOptions},
};

/// The default host file.
const HOST_FILE: &str = "tidegate.toml";

impl HostOptions {
    /// The options that override the host's file.
    pub(super) fn flags(&self) -> HostFlags {
        HostFlags {
            connectors: self.connectors.clone(),
            plugin_dirs: self.plugins.clone(),
            state_dir: self.state_dir.clone(),
            bootstrap_servers: self.bootstrap_servers.clone(),
            log_format: self.log_format.clone(),
            log_level: self.log_level.clone(),
            api: self.api.clone(),
        }
    }

    /// The host's file, if there is one.
    pub(super) fn host_file(&self) -> Option<PathBuf> {
        let default = || Path::new(HOST_FILE).exists().then(|| PathBuf::from(HOST_FILE));
        self.config.clone().or_else(default)
    }

    /// Reads the host's configuration, with defaults in place of invalid values, and its errors.
    pub(super) fn read_config(&self, environment: &Environment) -> (HostConfig, Diagnostics) {
        let (config, diagnostics) = HostConfig::read(self.host_file().as_deref(), &self.flags(), environment);
        telemetry::protect(&config.secrets).forever();
        (config, diagnostics)
    }

    /// The host's configuration.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub(super) fn config(&self, environment: &Environment) -> anyhow::Result<HostConfig> {
        let (config, diagnostics) = self.read_config(environment);
        if diagnostics.has_errors() {
            anyhow::bail!("{diagnostics}");
        }
        Ok(config)
    }
}

pub(super) fn init_logging(config: &HostConfig) {
    let format = match config.log.format {
        Some(LogFormat::Human) => telemetry::LogFormat::Human,
        Some(LogFormat::Json) => telemetry::LogFormat::Json,
        None => telemetry::default_log_format(),
    };
    let level = telemetry::level_filter(config.log.level);
    let color = format == telemetry::LogFormat::Human && std::io::stderr().is_terminal();
    telemetry::init_logging(telemetry::LogOptions {
        format,
        level,
        color,
        batch_interval: config.log.batch_interval,
        repeat_interval: config.log.repeat_interval,
    });
}

pub(super) fn init_metrics(config: &HostConfig) {
    let MetricsConfig { partition_lag, max_partitions, kafka_connect_names } = config.metrics;
    let max_partitions = if partition_lag { max_partitions } else { 0 };
    telemetry::init_metrics(MetricsOptions { max_partitions, kafka_connect_names });
}

/// Starts the export of metrics and traces, if the host file configures it.
pub(super) fn start_otlp(config: &HostConfig) {
    let Some(otlp) = &config.otlp else { return };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut resource = BTreeMap::from([
        ("service.name".to_owned(), otlp.service_name.clone()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id".to_owned(), host),
    ]);
    resource.extend(otlp.resource_attributes.clone());
    telemetry::start_otlp(OtlpOptions {
        endpoint: otlp.endpoint.clone(),
        protocol: match otlp.encoding {
            OtlpEncoding::Protobuf => OtlpProtocol::Protobuf,
            OtlpEncoding::Json => OtlpProtocol::Json,
        },
        headers: otlp.headers.clone(),
        metrics_interval: otlp.metrics.then_some(otlp.interval),
        traces: (otlp.traces && otlp.trace_ratio > 0.0).then_some(TraceOptions { ratio: otlp.trace_ratio }),
        resource,
    });
}

/// Discovers the plugins, and copies their libraries to the state folder.
///
/// # Errors
/// When the state folder cannot be used.
pub(super) fn discover(config: &HostConfig) -> anyhow::Result<Discovered> {
    let folders = plugin_folders(config)?;
    Registry::discover(&folders, &config.state_dir, &Prober::of_this_executable()?)
        .context("looking for plugins")
}

/// Discovers the plugins without writing anything, for commands that do not run them.
///
/// # Errors
/// When the folders cannot be determined.
pub(super) fn inspect(config: &HostConfig) -> anyhow::Result<Discovered> {
    let folders = plugin_folders(config)?;
    Registry::inspect(&folders, &config.state_dir, &Prober::of_this_executable()?)
        .context("looking for plugins")
}

/// As [`inspect`], and prints a warning for each library that is skipped.
///
/// # Errors
/// As [`inspect`].
pub(super) fn inspect_with_warnings(config: &HostConfig) -> anyhow::Result<Registry> {
    let found = inspect(config)?;
    for problem in &found.problems {
        eprintln!("warning: plugin library skipped: {problem}");
    }
    Ok(found.registry)
}

/// The configured folders; by default the folder of the executable and its subfolder `plugins`.
fn plugin_folders(config: &HostConfig) -> anyhow::Result<Vec<PathBuf>> {
    for folder in config.plugin_dirs.iter().filter(|folder| !folder.is_dir()) {
        tracing::warn!("plugin folder {} does not exist", folder.display());
    }
    if !config.plugin_dirs.is_empty() {
        return Ok(config.plugin_dirs.clone());
    }
    let executable = std::env::current_exe().context("finding the running executable")?;
    let beside = executable.parent().unwrap_or(Path::new(".")).to_owned();
    Ok(vec![beside.join("plugins"), beside])
}
