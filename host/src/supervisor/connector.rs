//! Turns a connector definition into the settings of its tasks.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use super::{catalog::summary, isolation::ProcessSpec, offline_check::OfflineError};
use crate::{
    config::{
        self, BatchDefaults, BatchOverrides, ConnectorDefinition, FlushLimits, GroupProtocol, Isolation,
        PluginCatalog, PluginSummary, PluginUse, Subscription,
    },
    formats::{DecoderOptions, Hints, KeyColumns},
    kafka::{
        PropertyFault, TopicPattern,
        consumer::{ConsumerSettings, OnLostPosition, OnOversizedBatch, Protocol, Start, Topics},
    },
    pipeline::{PluginSettings, TaskSettings, TransformSettings},
    plugins::{Plugin, PluginBatchDefaults, PluginCheck, PluginError, PluginKind, Registry},
    telemetry::{self, Protection},
};

/// A connector that can be started: its definition and its plugins.
#[derive(Clone)]
pub struct Connector {
    pub definition: ConnectorDefinition,
    transforms: Vec<Plugin>,
    sink: Plugin,
    overrides: Overrides,
    /// The largest client queue of a task, in bytes: a share of the host's memory.
    queue_limit: usize,
    /// Keeps the secrets of the definition from being shown.
    protected: Arc<Protection>,
}

/// Prints no options, because they may contain secrets.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.definition.name).finish_non_exhaustive()
    }
}

/// Command line options that apply to every connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Stop once everything is delivered.
    pub until_end: bool,
}

/// librdkafka's fetch queue gets a quarter of a task's memory. The rest is for three batches and their decoded values.
const QUEUE_DIVISOR: usize = 4;
/// The part of a task's memory that compiled schemas may take.
const SCHEMA_DIVISOR: usize = 8;
/// Bytes for schemas that each task has, even if its share is smaller: those of about 50 tables with 50 columns.
const MIN_SCHEMA_BYTES: usize = 4 << 20;

impl Connector {
    /// Looks up the plugins of `definition`.
    ///
    /// # Errors
    /// When a plugin is missing or of the wrong kind.
    pub fn new(
        definition: ConnectorDefinition,
        registry: &Registry,
        overrides: Overrides,
    ) -> Result<Self, PluginError> {
        let is_here = definition.isolation == Isolation::Thread;
        let find = |name: &str, kind| {
            let plugin = registry.expect(name, kind)?;
            Ok(if is_here { registry.in_this_process(plugin) } else { plugin }.clone())
        };
        let transforms = definition
            .transforms
            .iter()
            .map(|transform| find(&transform.plugin.plugin, PluginKind::Transform));
        let protected = Arc::new(telemetry::protect(&definition.secrets));
        Ok(Self {
            protected,
            transforms: transforms.collect::<Result<_, _>>()?,
            sink: find(&definition.sink.plugin, PluginKind::Sink)?,
            definition,
            overrides,
            queue_limit: usize::MAX,
        })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Resolves the placeholders of the connector file again before a task is restarted, because a password or key may
    /// have been rotated. If that fails, the previous values are kept and a warning is logged.
    pub fn refresh(&mut self) {
        match self.definition.refresh(&ConnectorCatalog(self)) {
            Ok(definition) => {
                self.protected = Arc::new(telemetry::protect(&definition.secrets));
                self.definition = definition;
            }
            Err(diagnostics) => {
                let connector = self.name();
                tracing::warn!(connector, "keeping the previous values of placeholders: {diagnostics}");
            }
        }
    }

    /// The name of the sink, if it stores offsets together with its data.
    #[must_use]
    pub fn sink_that_stores_offsets(&self) -> Option<&str> {
        let manifest = &self.sink.manifest;
        (manifest.stores_offsets == Some(true)).then_some(manifest.name.as_str())
    }

    /// Checks the connector's properties with librdkafka, without contacting a broker.
    #[must_use]
    pub(super) fn check_properties(&self) -> Vec<OfflineError> {
        let settings = self.task_settings(0);
        let mut faults = settings.consumer.check();
        if faults.is_empty() && settings.errors.on_reject.dead_letter_policy().is_some() {
            faults = settings.dead_letter_producer().check();
        }
        let error = |fault: PropertyFault| {
            let message = telemetry::scrub(&fault.message).into_owned();
            let diagnostic = self.definition.property_error(fault.property.as_deref(), message);
            OfflineError { diagnostic, is_invalid: fault.is_invalid }
        };
        faults.into_iter().map(error).collect()
    }

    /// The options of each plugin of the connector, and where they were written.
    pub(super) fn plugin_checks(&self) -> impl Iterator<Item = (&PluginUse, PluginCheck)> {
        let transforms = self.definition.transforms.iter().map(|transform| &transform.plugin);
        let uses = transforms.zip(&self.transforms).chain([(&self.definition.sink, &self.sink)]);
        uses.map(|(used, plugin)| (used, PluginCheck { plugin: plugin.clone(), config: used.config.clone() }))
    }

    /// The specification of the child process, with `isolation = "process"`.
    #[must_use]
    pub(super) fn process(&self) -> Option<ProcessSpec> {
        (self.definition.isolation == Isolation::Process).then(|| ProcessSpec::of(&self.definition))
    }

    /// Bytes of the client queue of each task, by the connector's own limit.
    pub(super) fn queue_bytes(&self) -> usize {
        self.task_memory() / QUEUE_DIVISOR
    }

    /// The connector with client queues as large as its own limit allows.
    pub(super) fn with_own_queue(&self) -> Self {
        Self { queue_limit: usize::MAX, ..self.clone() }
    }

    /// The plugins of the transforms, in order, and that of the sink.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.transforms.iter().chain([&self.sink])
    }

    /// The copies of its plugins' libraries in the state folder.
    pub fn libraries(&self) -> impl Iterator<Item = &Path> {
        self.plugins().map(Plugin::copy)
    }

    /// Uses the libraries of `before` for the plugins that both have and whose library here is one to be `replaced`.
    pub fn keep_libraries_of(&mut self, before: &Self, replaced: impl Fn(&Path) -> bool) {
        let known: Vec<&Plugin> = before.plugins().collect();
        let plugins = self.transforms.iter_mut().chain([&mut self.sink]);
        for plugin in plugins.filter(|plugin| replaced(plugin.copy())) {
            if let Some(known) = known.iter().find(|known| known.manifest.name == plugin.manifest.name) {
                plugin.clone_from(known);
            }
        }
    }

    /// Limits the client queue of each task as that of `before`, whose consumers go on.
    pub fn keep_queue_of(&mut self, before: &Self) {
        self.queue_limit = before.queue_limit;
    }

    /// Limits the client queue of each task to so many bytes.
    pub(super) fn limit_queue(&mut self, bytes: usize) {
        self.queue_limit = bytes;
    }

    fn task_memory(&self) -> usize {
        self.definition.limits.task_memory(self.definition.tasks, self.definition.isolation)
    }

    /// Bytes that a task may keep of unflushed records: half of what is left for batches, if its sink is durable on flush.
    fn flush_memory(&self) -> usize {
        let left = self.task_memory() - self.queue_bytes() - self.schema_memory();
        if self.sink.manifest.durable_on_flush { left / 2 } else { 0 }
    }

    /// Bytes of a task's share of the memory that are for schemas.
    fn schema_memory(&self) -> usize {
        self.task_memory() / SCHEMA_DIVISOR
    }

    #[must_use]
    pub fn task_settings(&self, task: u32) -> TaskSettings {
        let definition = &self.definition;
        let tasks = definition.tasks.max(1);
        let queue = self.queue_bytes();
        let batch = definition.batch.resolve(batch_defaults(&self.sink));
        let batch_memory = (self.task_memory() - queue - self.schema_memory() - self.flush_memory())
            / BatchOverrides::BATCHES_IN_MEMORY;
        TaskSettings {
            connector: definition.name.clone(),
            task,
            tasks: tasks as u32,
            consumer: self.consumer_settings(task, queue.min(self.queue_limit), batch.max_record_bytes),
            start: match definition.source.start {
                config::Start::Earliest => Start::Earliest,
                config::Start::Latest => Start::Latest,
            },
            decoder: DecoderOptions {
                max_value_bytes: batch_memory,
                max_schema_bytes: self.schema_memory().max(MIN_SCHEMA_BYTES),
                ..decoder_options(definition)
            },
            reads_values: self.reads_values(),
            plugins: self.plugin_settings(),
            batch,
            batch_memory,
            errors: definition.errors.clone(),
            call_timeout: definition.limits.call_timeout,
            shutdown: definition.limits.shutdown,
            until_end: self.overrides.until_end,
        }
    }

    /// Excludes the connector's own dead-letter topics from the pattern.
    fn without_dead_letter_topics(&self, pattern: TopicPattern) -> TopicPattern {
        match self.definition.errors.on_reject.dead_letter_policy() {
            Some(dead_letters) => pattern.without_dead_letter_topics(dead_letters.topic.as_str()),
            None => pattern,
        }
    }

    /// Whether values have to be decoded: a plugin reads them, or a `when` may depend on a table or an operation.
    fn reads_values(&self) -> bool {
        let by_plugin = self.plugins().any(|plugin| plugin.manifest.reads_values);
        by_plugin || self.definition.transforms.iter().any(|transform| transform.when.is_some())
    }

    /// The plugins of each task.
    pub(super) fn plugin_settings(&self) -> PluginSettings {
        PluginSettings {
            transforms: self.transforms().collect(),
            sink: self.sink.clone(),
            flush: self.flush_limits(),
            sink_name: self.definition.sink.plugin.clone(),
            sink_config: self.definition.sink.config.clone(),
        }
    }

    /// When the sink is flushed, if it is durable on flush.
    fn flush_limits(&self) -> Option<FlushLimits> {
        let manifest = &self.sink.manifest;
        let defaults = || limits_of(&manifest.flush);
        manifest.durable_on_flush.then(|| self.definition.flush.resolve(defaults(), self.flush_memory()))
    }

    fn transforms(&self) -> impl Iterator<Item = TransformSettings> {
        self.definition.transforms.iter().zip(&self.transforms).map(|(definition, plugin)| {
            TransformSettings {
                plugin: plugin.clone(),
                name: definition.name.clone(),
                config: definition.plugin.config.clone(),
                when: definition.when.clone(),
            }
        })
    }

    fn consumer_settings(&self, task: u32, queue_bytes: usize, max_record_bytes: usize) -> ConsumerSettings {
        let source = &self.definition.source;
        let properties: BTreeMap<String, String> =
            source.properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let client_id = properties.get("client.id").cloned();
        ConsumerSettings {
            connector: self.definition.name.clone(),
            task,
            bootstrap_servers: source.bootstrap_servers.clone(),
            group_id: source.group_id.clone(),
            client_id: client_id.unwrap_or_else(|| format!("tidegate-{}-{task}", self.definition.name)),
            topics: match &source.subscription {
                Subscription::Topics(topics) => Topics::List(topics.clone()),
                Subscription::Pattern(pattern) => {
                    Topics::Pattern(self.without_dead_letter_topics(pattern.clone()))
                }
            },
            protocol: protocol(source.group_protocol),
            instance_id: source.group_instance_id.as_ref().map(|name| format!("{name}-{task}")),
            on_lost_position: match source.on_lost_position {
                config::OnLostPosition::Fail => OnLostPosition::Fail,
                config::OnLostPosition::Earliest => OnLostPosition::Earliest,
                config::OnLostPosition::Latest => OnLostPosition::Latest,
            },
            on_oversized_batch: match source.on_oversized_batch {
                config::OnOversizedBatch::Fail => OnOversizedBatch::Fail,
                config::OnOversizedBatch::Skip => OnOversizedBatch::Skip,
            },
            queue_bytes,
            unpacked_bytes: self.task_memory(),
            max_record_bytes,
            properties,
        }
    }
}

/// The plugins of one connector, used to read its definition again.
struct ConnectorCatalog<'c>(&'c Connector);

impl PluginCatalog for ConnectorCatalog<'_> {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        self.0.plugins().find(|plugin| plugin.manifest.name == name).map(|plugin| summary(&plugin.manifest))
    }

    fn names(&self) -> Vec<String> {
        self.0.plugins().map(|plugin| plugin.manifest.name.clone()).collect()
    }
}

fn protocol(protocol: GroupProtocol) -> Protocol {
    match protocol {
        GroupProtocol::CooperativeSticky => Protocol::Classic("cooperative-sticky".to_owned()),
        GroupProtocol::Range => Protocol::Classic("range".to_owned()),
        GroupProtocol::RoundRobin => Protocol::Classic("roundrobin".to_owned()),
        GroupProtocol::Consumer => Protocol::Consumer,
    }
}

fn batch_defaults(sink: &Plugin) -> BatchDefaults {
    limits_of(&sink.manifest.batch)
}

fn limits_of(defaults: &PluginBatchDefaults) -> BatchDefaults {
    let size = |limit: Option<u64>| limit.and_then(|limit| usize::try_from(limit).ok());
    BatchDefaults {
        max_records: size(defaults.max_records),
        max_bytes: size(defaults.max_bytes),
        max_wait: defaults.max_wait(),
    }
}

fn decoder_options(definition: &ConnectorDefinition) -> DecoderOptions {
    let source = &definition.source;
    let mut hints = Hints::default();
    for (column, hint) in &source.columns {
        if let Err(error) = hints.insert(column, *hint) {
            tracing::warn!(connector = definition.name, "[source.columns]: {error}");
        }
    }
    let mut key_columns = KeyColumns::default();
    for (table, columns) in &source.key_columns {
        key_columns.insert(table, columns.clone());
    }
    DecoderOptions {
        key: source.key_format,
        value: source.value_format,
        headers: source.header_format,
        invalid_unicode: source.invalid_unicode,
        hints,
        change_events: source.change_events,
        flattened_prefix: source.flattened_prefix.clone(),
        key_columns,
        pass_control_events: source.pass_control_events,
        unavailable_placeholder: source.unavailable_value_placeholder.clone(),
        max_value_bytes: 0,
        max_schema_bytes: 0,
        registry: source.registry.clone(),
        key_reader_schema: source.key_reader_schema.clone(),
        value_reader_schema: source.value_reader_schema.clone(),
        limits: source.decode_limits,
    }
}
