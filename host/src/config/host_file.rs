//! `tidegate.toml`: the host's own file, merged with flags and environment variables.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::api::ApiConfig;
use super::diagnostic::Diagnostics;
use super::document::{Layer, SourceLocation, Table, TomlValue, read_text};
use super::environment::Environment;
use super::interpolate::interpolate;
use super::memory_limit::MemoryLimit;
use super::metrics::MetricsConfig;
use super::otlp::OtlpConfig;
use super::properties::ClientProperties;
use super::registry::RegistryLayer;
use super::report::Report;
use super::secrets::Secrets;
use super::section::{Section, quoted};

/// Options of the command line. Each overrides the host's file and the environment, and none overrides a connector's file.
#[derive(Clone, Debug, Default)]
pub struct HostFlags {
    /// Folders or files of connectors; empty leaves them to the file.
    pub connectors: Vec<PathBuf>,
    /// Folders of plugin libraries; empty leaves them to the file.
    pub plugin_dirs: Vec<PathBuf>,
    /// The state folder.
    pub state_dir: Option<PathBuf>,
    /// Brokers of connectors that do not name their own, as `host:port`, comma-separated.
    pub bootstrap_servers: Option<String>,
    /// `human` or `json`.
    pub log_format: Option<String>,
    /// `trace`, `debug`, `info`, `warning` or `error`, in any case.
    pub log_level: Option<String>,
    /// Address of the REST API, or `off`.
    pub api: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// The least important lines that are logged. Default: info.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `error`.
    Error,
    /// `warning` or `warn`.
    Warning,
    /// `info`.
    #[default]
    Info,
    /// `debug`.
    Debug,
    /// `trace`.
    Trace,
}

const DEFAULT_BATCH_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_REPEAT_INTERVAL: Duration = Duration::from_secs(30);
const LONGEST_LOG_INTERVAL: Duration = Duration::from_secs(3600);

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `format`. Default: fields of the journal if standard error is connected to it, otherwise human.
    pub format: Option<LogFormat>,
    /// `level`. Environment: `LOG_LEVEL`.
    pub level: LogLevel,
    /// `batch_interval`: each task logs what it has written to a table at most once in this time. 0 logs every batch.
    /// Default: 10 s.
    pub batch_interval: Duration,
    /// `repeat_interval`: like lines of a task are left out and counted once there are too many in this time. 0 logs every line.
    /// Default: 30 s.
    pub repeat_interval: Duration,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: None,
            level: LogLevel::default(),
            batch_interval: DEFAULT_BATCH_INTERVAL,
            repeat_interval: DEFAULT_REPEAT_INTERVAL,
        }
    }
}

/// `[kafka]`.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `bootstrap_servers`. Environment: `KAFKA_BOOTSTRAP_SERVERS`. Default: `localhost:9092`.
    pub bootstrap_servers: String,
    /// `properties`: librdkafka properties of every connector. Default: none.
    pub properties: ClientProperties,
}

/// The host's configuration. Relative paths are as written: relative to the working directory. Its `Debug` form
/// never shows a secret.
#[derive(Clone)]
pub struct HostConfig {
    /// `[api]`.
    pub api: ApiConfig,
    /// `[kafka]`.
    pub kafka: KafkaConfig,
    /// `[plugins] dirs`. Default, if empty: the folder of the executable.
    pub plugin_dirs: Vec<PathBuf>,
    /// `[connectors] dir`: folders, or with flags also files, of connectors. Default: `connectors.d`.
    pub connectors: Vec<PathBuf>,
    /// `[connectors] watch`: whether changes of connector files, secrets, this file and plugin libraries take effect while the
    /// host runs. Default: true.
    pub watch: bool,
    /// `[log]`.
    pub log: LogConfig,
    /// `[metrics]`.
    pub metrics: MetricsConfig,
    /// `[otlp]`, if it has an endpoint.
    pub otlp: Option<OtlpConfig>,
    /// `[host] state_dir`. Default: `state`.
    pub state_dir: PathBuf,
    /// `[limits] memory`: for the records of all connectors together. Default: 512 MiB, or more if the connectors need it.
    pub memory: Option<MemoryLimit>,
    /// `[schema_registry]`, for connectors that do not have a registry of their own. Environment: `SCHEMA_REGISTRY_URL`,
    /// `SCHEMA_REGISTRY_USERNAME`, `SCHEMA_REGISTRY_PASSWORD`.
    pub(super) registry: RegistryLayer,
    /// Every secret of the host's file.
    pub secrets: Secrets,
    /// The files that its placeholders name, except in `[defaults]`.
    pub placeholder_files: Vec<PathBuf>,
    /// `[defaults]`, as written: placeholders are filled in only where a connector uses them.
    pub(super) defaults: Table,
    /// What it was read from, so that its placeholders can be resolved again.
    origin: Origin,
    pub(super) overrides: Overrides,
}

/// The parsed file of the host without `[defaults]`, and the flags.
#[derive(Clone, Default)]
struct Origin {
    file: PathBuf,
    table: Table,
    flags: HostFlags,
}

/// Settings of connectors from flags and the environment.
#[derive(Clone, Default)]
pub(super) struct Overrides {
    pub(super) flag_servers: Option<String>,
    pub(super) environment_servers: Option<String>,
    pub(super) group_prefix: Option<String>,
    pub(super) batch_size: Option<usize>,
    pub(super) poll_timeout: Option<Duration>,
    pub(super) registry: RegistryLayer,
}

impl HostConfig {
    /// Reads the host's file, if there is one, the environment and the flags.
    ///
    /// # Errors
    /// All findings, if any of them is an error.
    pub fn load(
        path: Option<&Path>,
        flags: &HostFlags,
        environment: &Environment,
    ) -> Result<Self, Diagnostics> {
        let (config, diagnostics) = Self::read(path, flags, environment);
        if diagnostics.has_errors() { Err(diagnostics) } else { Ok(config) }
    }

    /// Like [`HostConfig::load`], but uses the default for each wrong setting, so that connector files can still be
    /// checked.
    pub fn read(path: Option<&Path>, flags: &HostFlags, environment: &Environment) -> (Self, Diagnostics) {
        let report = Report::default();
        let file = path.unwrap_or(Path::new("tidegate.toml"));
        let mut table = path.and_then(|path| parse(path, &report)).unwrap_or_default();
        let defaults = take_defaults(&mut table, &report);
        let origin = Origin { file: file.to_owned(), table, flags: flags.clone() };
        Self::fill(origin, defaults, environment, report)
    }

    /// The same file, as it was read, with its placeholders resolved again: secrets may have been rotated.
    ///
    /// # Errors
    /// All findings, if a placeholder can no longer be resolved.
    pub(super) fn refresh(&self, environment: &Environment) -> Result<Self, Diagnostics> {
        let (origin, defaults) = (self.origin.clone(), self.defaults.clone());
        let (config, diagnostics) = Self::fill(origin, defaults, environment, Report::default());
        if diagnostics.has_errors() { Err(diagnostics) } else { Ok(config) }
    }

    /// Settings of `new` that cannot change while the host runs are set to those of this configuration. Returns the keys of those
    /// that differed.
    pub(crate) fn keep_fixed(&self, new: &mut Self) -> Vec<&'static str> {
        let mut changed = Vec::new();
        fixed("api", &self.api, &mut new.api, &mut changed);
        fixed("host.state_dir", &self.state_dir, &mut new.state_dir, &mut changed);
        fixed("plugins.dirs", &self.plugin_dirs, &mut new.plugin_dirs, &mut changed);
        fixed("connectors.watch", &self.watch, &mut new.watch, &mut changed);
        fixed("limits.memory", &self.memory, &mut new.memory, &mut changed);
        fixed("otlp", &self.otlp, &mut new.otlp, &mut changed);
        fixed("log.format", &self.log.format, &mut new.log.format, &mut changed);
        fixed("log.batch_interval", &self.log.batch_interval, &mut new.log.batch_interval, &mut changed);
        fixed("log.repeat_interval", &self.log.repeat_interval, &mut new.log.repeat_interval, &mut changed);
        changed
    }

    /// Reads a file with little in it, so that `report` records the keys.
    pub(super) fn read_nothing(report: &Report) {
        let file = Path::new("");
        // The keys of lists are only read if there is an entry.
        let table = Table::parse("[[api.tokens]]\n[[api.users]]", file, report).unwrap_or_default();
        let root = Section::root(&table, SourceLocation::whole(file), report);
        let (flags, environment) = (HostFlags::default(), Environment::default());
        let _defaults = Self::from_file(root, &flags, &environment, Overrides::default());
    }

    fn fill(
        origin: Origin,
        defaults: Table,
        environment: &Environment,
        report: Report,
    ) -> (Self, Diagnostics) {
        let mut table = origin.table.clone();
        interpolate(&mut table, environment, &report);
        let overrides = Overrides::read(&origin.flags, environment, &report);
        let root = Section::root(&table, SourceLocation::whole(&origin.file), &report);
        let mut config = Self::from_file(root, &origin.flags, environment, overrides);
        (config.defaults, config.origin) = (defaults, origin);
        config.placeholder_files = report.placeholder_files();
        let (findings, secrets) = report.finish();
        config.secrets = secrets;
        (config, findings.into_iter().collect())
    }

    fn from_file(
        mut root: Section<'_>,
        flags: &HostFlags,
        environment: &Environment,
        overrides: Overrides,
    ) -> Self {
        let mut section = root.section("connectors");
        let watch = section.boolean("watch").unwrap_or(true);
        let connectors = read_paths(section, "dir", &flags.connectors);
        let config = Self {
            api: ApiConfig::read(root.section("api"), flags.api.as_deref()),
            kafka: read_kafka(root.section("kafka"), &overrides),
            plugin_dirs: read_paths(root.section("plugins"), "dirs", &flags.plugin_dirs).unwrap_or_default(),
            connectors: connectors.unwrap_or_else(|| vec!["connectors.d".into()]),
            watch,
            log: read_log(root.section("log"), flags, environment),
            metrics: MetricsConfig::read(root.section("metrics")),
            otlp: OtlpConfig::read(root.section("otlp")),
            state_dir: read_state_dir(root.section("host"), flags),
            memory: MemoryLimit::read(root.section("limits")),
            registry: read_registry(root.section("schema_registry"), &overrides),
            secrets: Secrets::default(),
            placeholder_files: Vec::new(),
            defaults: Table::default(),
            origin: Origin::default(),
            overrides,
        };
        root.finish();
        config
    }
}

fn fixed<T: Clone + PartialEq>(key: &'static str, value: &T, new: &mut T, changed: &mut Vec<&'static str>) {
    if value != new {
        changed.push(key);
        new.clone_from(value);
    }
}

fn parse(path: &Path, report: &Report) -> Option<Table> {
    match read_text(path) {
        Ok(text) => Table::parse(&text, path, report),
        Err(error) => {
            report.error(&SourceLocation::whole(path), "", error.to_string(), None);
            None
        }
    }
}

/// Takes `[defaults]` out of the file, so that its placeholders stay as they are.
fn take_defaults(table: &mut Table, report: &Report) -> Table {
    let Some(node) = table.entries.remove("defaults") else {
        return Table::default();
    };
    match node.value {
        TomlValue::Table(mut defaults) => {
            defaults.set_layer(Layer::Defaults);
            defaults
        }
        other => {
            report.error(
                &node.location,
                "defaults",
                format!("expected a table, found {}", other.kind()),
                None,
            );
            Table::default()
        }
    }
}

fn read_kafka(mut section: Section<'_>, overrides: &Overrides) -> KafkaConfig {
    let written = section.name("bootstrap_servers");
    let chosen = overrides.flag_servers.clone().or_else(|| overrides.environment_servers.clone()).or(written);
    let kafka = KafkaConfig {
        bootstrap_servers: chosen.unwrap_or_else(|| "localhost:9092".to_owned()),
        properties: ClientProperties::read(&section.section("properties"), &ClientProperties::default()),
    };
    section.finish();
    kafka
}

fn read_registry(mut section: Section<'_>, overrides: &Overrides) -> RegistryLayer {
    let written = RegistryLayer::read(&mut section);
    section.finish();
    overrides.registry.clone().or(written)
}

fn read_paths(mut section: Section<'_>, key: &'static str, flags: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let written = section.texts(key);
    if written.as_ref().is_some_and(|paths| paths.iter().any(String::is_empty)) {
        section.error(key, "must not be empty", None);
    }
    section.finish();
    if flags.is_empty() {
        Some(written?.into_iter().map(PathBuf::from).collect())
    } else {
        Some(flags.to_vec())
    }
}

fn read_state_dir(mut section: Section<'_>, flags: &HostFlags) -> PathBuf {
    let written = section.name("state_dir").map(PathBuf::from);
    section.finish();
    flags.state_dir.clone().or(written).unwrap_or_else(|| "state".into())
}

fn read_log(mut section: Section<'_>, flags: &HostFlags, environment: &Environment) -> LogConfig {
    let report = section.report();
    let format = section.choice("format", vec![("human", LogFormat::Human), ("json", LogFormat::Json)]);
    let flag_format = flags.log_format.as_ref().and_then(|text| match text.as_str() {
        "human" => Some(LogFormat::Human),
        "json" => Some(LogFormat::Json),
        other => {
            report.flag("log format", format!("unknown value {other:?}: use {}", quoted(&["human", "json"])));
            None
        }
    });
    let written = section.text("level");
    let level = written.and_then(|text| level_of(&text, |message| section.error("level", message, None)));
    let variable = environment.get("LOG_LEVEL");
    let variable = variable.and_then(|text| level_of(text, |message| report.variable("LOG_LEVEL", message)));
    let flag = flags.log_level.as_ref();
    let flag = flag.and_then(|text| level_of(text, |message| report.flag("log level", message)));
    let batch_interval = section.duration("batch_interval", Duration::ZERO..=LONGEST_LOG_INTERVAL);
    let repeat_interval = section.duration("repeat_interval", Duration::ZERO..=LONGEST_LOG_INTERVAL);
    section.finish();
    LogConfig {
        batch_interval: batch_interval.unwrap_or(DEFAULT_BATCH_INTERVAL),
        repeat_interval: repeat_interval.unwrap_or(DEFAULT_REPEAT_INTERVAL),
        format: flag_format.or(format),
        level: flag.or(variable).or(level).unwrap_or_default(),
    }
}

fn level_of(text: &str, report: impl FnOnce(String)) -> Option<LogLevel> {
    match text.trim().to_ascii_lowercase().as_str() {
        "error" => Some(LogLevel::Error),
        "warning" | "warn" => Some(LogLevel::Warning),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        "trace" => Some(LogLevel::Trace),
        _ => {
            let known = quoted(&["error", "warning", "info", "debug", "trace"]);
            report(format!("unknown level {text:?}: use {known}"));
            None
        }
    }
}

impl Overrides {
    fn read(flags: &HostFlags, environment: &Environment, report: &Report) -> Self {
        let text = |name| environment.get(name).map(str::trim).map(str::to_owned);
        Self {
            flag_servers: flags.bootstrap_servers.clone(),
            environment_servers: text("KAFKA_BOOTSTRAP_SERVERS"),
            group_prefix: text("CONSUMER_GROUP_ID"),
            batch_size: text("BATCH_SIZE").and_then(|text| read_batch_size(&text, report)),
            poll_timeout: text("POLL_TIMEOUT").and_then(|text| read_poll_timeout(&text, report)),
            registry: RegistryLayer::of_environment(environment, report),
        }
    }
}

fn read_batch_size(text: &str, report: &Report) -> Option<usize> {
    let records = text.parse().ok().filter(|records| (1..=1_000_000).contains(records));
    if records.is_none() {
        let message = format!("{text:?} is not a number of records: use an integer from 1 to 1000000");
        report.variable("BATCH_SIZE", message);
    }
    records
}

fn read_poll_timeout(text: &str, report: &Report) -> Option<Duration> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(3600);
    let seconds = text.parse().ok();
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let wait = wait.filter(|wait| bounds.contains(wait));
    if wait.is_none() {
        let message = format!("{text:?} is not a number of seconds: use 0.001 to 3600");
        report.variable("POLL_TIMEOUT", message);
    }
    wait
}

impl std::fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostConfig")
            .field("bootstrap_servers", &self.secrets.mask(&self.kafka.bootstrap_servers))
            .field("properties", &self.kafka.properties)
            .field("plugin_dirs", &self.plugin_dirs)
            .field("connectors", &self.connectors)
            .field("log", &self.log)
            .field("metrics", &self.metrics)
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}
