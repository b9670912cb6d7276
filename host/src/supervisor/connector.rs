//! From a connector's definition to what its tasks are made from.

use std::collections::BTreeMap;

use super::{catalog::summary, isolation::Spec};
use crate::{
    config::{
        self, BatchDefaults, BatchOverrides, ConnectorDefinition, Diagnostic, GroupProtocol, Isolation,
        PluginCatalog, PluginSummary, Severity, Subscription,
    },
    formats::{DecoderOptions, Hints},
    kafka::{
        TopicPattern,
        consumer::{ConsumerSettings, OnLostPosition, Protocol, Start, Topics},
    },
    pipeline::{TaskSettings, TransformSettings},
    plugins::{Plugin, PluginError, PluginKind, Registry},
    telemetry,
};

/// A connector that can be started: its definition, and its plugins found.
pub struct Connector {
    /// The definition.
    pub definition: ConnectorDefinition,
    transforms: Vec<Plugin>,
    sink: Plugin,
    overrides: Overrides,
}

/// What the command line decides for every connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// End once everything is delivered.
    pub until_end: bool,
}

/// What librdkafka may fetch ahead, of a task's memory: a quarter; the rest is for three batches and their values.
const QUEUE_SHARE: usize = 4;

impl Connector {
    /// Finds the plugins of `definition`.
    ///
    /// # Errors
    /// When one is not there or is of the wrong kind.
    pub fn new(
        definition: ConnectorDefinition,
        registry: &Registry,
        overrides: Overrides,
    ) -> Result<Self, PluginError> {
        let find = |name: &str, kind| registry.expect(name, kind).cloned();
        let transforms = definition
            .transforms
            .iter()
            .map(|transform| find(&transform.plugin.plugin, PluginKind::Transform));
        Ok(Self {
            transforms: transforms.collect::<Result<_, _>>()?,
            sink: find(&definition.sink.plugin, PluginKind::Sink)?,
            definition,
            overrides,
        })
    }

    /// Connector's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Fills in the placeholders of the connector's file anew, for the next start of a task: a password or a key may have
    /// been rotated. What cannot be filled in now stays as it was, and the log says why.
    pub fn refresh(&mut self) {
        let own = PluginsOf(self);
        match self.definition.refresh(&own) {
            Ok(definition) => {
                telemetry::protect(&definition.secrets);
                self.definition = definition;
            }
            Err(diagnostics) => {
                let connector = self.name();
                tracing::warn!(connector, "placeholders stay as they were filled in before: {diagnostics}");
            }
        }
    }

    /// What librdkafka says of the connector's properties, without a broker.
    #[must_use]
    pub fn check(&self) -> Option<Diagnostic> {
        let settings = self.task_settings(0);
        let consumer = settings.consumer.check().err().map(|error| error.to_string());
        let letters = || settings.letters_producer().check().err().map(|error| error.to_string());
        let has_letters = settings.errors.on_reject.letters().is_some();
        let message = consumer.or_else(|| has_letters.then(letters).flatten())?;
        Some(Diagnostic {
            file: self.definition.file.clone(),
            line: 1,
            column: 1,
            key_path: "source.properties".to_owned(),
            message: telemetry::scrub(&message).into_owned(),
            help: None,
            severity: Severity::Error,
        })
    }

    /// What its process is started with, if it has one of its own.
    #[must_use]
    pub(super) fn process(&self) -> Option<Spec> {
        (self.definition.isolation == Isolation::Process).then(|| Spec::of(&self.definition))
    }

    /// What task number `task` is made from.
    #[must_use]
    pub fn task_settings(&self, task: u32) -> TaskSettings {
        let definition = &self.definition;
        let tasks = definition.tasks.max(1);
        let memory = definition.limits.task_memory(tasks, definition.isolation);
        let batch = definition.batch.resolve(wishes(&self.sink));
        let batch_memory = (memory - memory / QUEUE_SHARE) / BatchOverrides::BATCHES_IN_MEMORY;
        TaskSettings {
            connector: definition.name.clone(),
            task,
            tasks: tasks as u32,
            consumer: self.consumer_settings(task, memory / QUEUE_SHARE, batch.max_record_bytes),
            start: match definition.source.start {
                config::Start::Earliest => Start::Earliest,
                config::Start::Latest => Start::Latest,
            },
            decoder: decoder_options(definition, batch_memory),
            reads_values: self.reads_values(),
            transforms: self.transforms().collect(),
            sink: self.sink.clone(),
            sink_name: definition.sink.plugin.clone(),
            sink_config: definition.sink.config.clone(),
            batch,
            batch_memory,
            errors: definition.errors.clone(),
            call_timeout: definition.limits.call_timeout,
            shutdown: definition.limits.shutdown,
            until_end: self.overrides.until_end,
        }
    }

    /// The pattern, which takes no topic that the connector's own dead letters go to.
    fn without_letters(&self, pattern: TopicPattern) -> TopicPattern {
        match self.definition.errors.on_reject.letters() {
            Some(letters) => pattern.without_letters(letters.topic.as_str()),
            None => pattern,
        }
    }

    /// A plugin or a predicate looks at values; `when` may ask for a table or an operation.
    fn reads_values(&self) -> bool {
        let by_plugin = self.transforms.iter().chain([&self.sink]).any(|plugin| plugin.manifest.reads_values);
        by_plugin || self.definition.transforms.iter().any(|transform| transform.when.is_some())
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
                Subscription::Pattern(pattern) => Topics::Pattern(self.without_letters(pattern.clone())),
            },
            protocol: protocol(source.group_protocol),
            instance_id: source.group_instance_id.as_ref().map(|name| format!("{name}-{task}")),
            on_lost_position: match source.on_lost_position {
                config::OnLostPosition::Fail => OnLostPosition::Fail,
                config::OnLostPosition::Earliest => OnLostPosition::Earliest,
                config::OnLostPosition::Latest => OnLostPosition::Latest,
            },
            queue_bytes,
            max_record_bytes,
            properties,
        }
    }
}

/// The plugins that a connector has, for reading it again.
struct PluginsOf<'c>(&'c Connector);

impl PluginCatalog for PluginsOf<'_> {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        let mut plugins = self.0.transforms.iter().chain([&self.0.sink]);
        plugins.find(|plugin| plugin.manifest.name == name).map(|plugin| summary(&plugin.manifest))
    }

    fn names(&self) -> Vec<String> {
        self.0.transforms.iter().chain([&self.0.sink]).map(|plugin| plugin.manifest.name.clone()).collect()
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

fn wishes(sink: &Plugin) -> BatchDefaults {
    let wishes = &sink.manifest.batch;
    let size = |wish: Option<u64>| wish.and_then(|wish| usize::try_from(wish).ok());
    BatchDefaults {
        max_records: size(wishes.max_records),
        max_bytes: size(wishes.max_bytes),
        max_wait: wishes.max_wait(),
    }
}

fn decoder_options(definition: &ConnectorDefinition, max_value_bytes: usize) -> DecoderOptions {
    let source = &definition.source;
    let mut hints = Hints::default();
    for (column, hint) in &source.columns {
        if let Err(error) = hints.insert(column, *hint) {
            tracing::warn!(connector = definition.name, "[source.columns]: {error}");
        }
    }
    DecoderOptions {
        key: source.key_format,
        value: source.value_format,
        invalid_unicode: source.invalid_unicode,
        hints,
        change_events: source.change_events,
        flattened_prefix: source.flattened_prefix.clone(),
        max_value_bytes,
    }
}
