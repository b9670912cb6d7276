//! A connector: the typed, validated content of one file in `connectors.d/`, merged over the host's `[defaults]`.

mod batch;
mod columns;
mod dead_letters;
mod flush;
mod key_columns;
mod limits;
mod policy;
mod predicate;
mod reader_schema;
mod source;
mod stage;
mod topic_samples;

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::connect::GIVEN;
use super::diagnostic::Diagnostic;
use super::document::{SourceLocation, Table};
use super::environment::Environment;
use super::host_file::HostConfig;
use super::plugin_config::PluginCatalog;
use super::report::Report;
use super::secrets::Secrets;
use super::section::Section;

pub use batch::{BatchDefaults, BatchLimits, BatchOverrides};
pub use dead_letters::{DeadLetterPolicy, OnReject, TopicTemplate};
pub use flush::{FlushLimits, FlushOverrides};
pub use limits::{Isolation, Limits};
pub use policy::{ErrorPolicy, PluginReload, RestartPolicy, RestartWhen, RetryPolicy};
pub use predicate::{ChangeKind, Predicate, TextPattern};
pub use source::{GroupProtocol, OnLostPosition, OnOversizedBatch, SourceDefinition, Start, Subscription};
pub use stage::{PluginUse, TransformDefinition};

/// The context that a connector file is read in.
pub(super) struct LoadContext<'a> {
    pub(super) host: &'a HostConfig,
    pub(super) catalog: &'a dyn PluginCatalog,
    pub(super) environment: &'a Environment,
}

/// What a connector was read from, so that its placeholders can be resolved again.
pub(super) struct Origin {
    /// The parsed file, merged over the defaults.
    pub(super) template: Table,
    pub(super) host: HostConfig,
    pub(super) environment: Environment,
}

/// One connector. Its `Debug` form, and those of its parts, never show a secret.
#[derive(Clone)]
pub struct ConnectorDefinition {
    /// The file's stem; unique in a host. ASCII letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// The file it was read from, as it was given or found.
    pub file: PathBuf,
    /// `description`: for people. Default: none.
    pub description: Option<String>,
    /// `enabled`: whether the host runs it. Default: true.
    pub enabled: bool,
    /// `tasks`: consumers in its group, 1 to 64. Default: 1.
    pub tasks: usize,
    /// `isolation`: where its tasks run.
    pub isolation: Isolation,
    /// `[source]`.
    pub source: SourceDefinition,
    /// `[batch]`, still to be resolved with the sink's own defaults.
    pub batch: BatchOverrides,
    /// `[flush]`, the same; only for sinks that are durable on flush.
    pub flush: FlushOverrides,
    /// `[[transforms]]`, in order. Default: none.
    pub transforms: Vec<TransformDefinition>,
    /// `[sink]`.
    pub sink: PluginUse,
    /// `[errors]`.
    pub errors: ErrorPolicy,
    /// `[restart]`.
    pub restart: RestartPolicy,
    /// `[plugins] reload`.
    pub plugin_reload: PluginReload,
    /// `[limits]`.
    pub limits: Limits,
    /// Every secret of this connector and of the host's file, to be removed from logs and errors.
    pub secrets: Secrets,
    pub(super) origin: Arc<Origin>,
}

impl ConnectorDefinition {
    /// Reads a merged file whose placeholders are filled in: `table`, made of what `origin` has. Findings go to `report`;
    /// `None` if they or a missing part make it unusable.
    pub(super) fn read(
        file: &Path,
        name: &str,
        table: &Table,
        context: &LoadContext<'_>,
        report: &Report,
        origin: Origin,
    ) -> Option<Self> {
        let mut root = Section::root(table, SourceLocation::whole(file), report);
        let tasks = root.integer("tasks", 1..=64).and_then(|tasks| usize::try_from(tasks).ok()).unwrap_or(1);
        let isolation = Isolation::read(&mut root);
        let limits = Limits::read(root.section("limits"), tasks, isolation);
        let task_memory = limits.task_memory(tasks, isolation);
        let batch = BatchOverrides::read(root.section("batch"), task_memory, context);
        let source = SourceDefinition::read(root.section("source"), name, context);
        let transforms = TransformDefinition::read_all(&mut root, context);
        let sink = PluginUse::read_sink(root.section("sink"), context);
        let plugin_reload = PluginReload::read(root.section("plugins"));
        let plugin = sink.as_ref().and_then(|sink| context.catalog.find(&sink.plugin));
        let flushed = plugin.as_ref().map(|plugin| (&*plugin.name, plugin.durable_on_flush));
        let flush = FlushOverrides::read(root.section("flush"), flushed);
        let subscription = source.as_ref().map(|source| &source.subscription);
        let errors = ErrorPolicy::read(root.section("errors"), name, subscription);
        let restart = RestartPolicy::read(root.section("restart"));
        let (description, enabled) = (root.text("description"), root.boolean("enabled").unwrap_or(true));
        // Only the REST API reads its content.
        drop(root.section(GIVEN));
        root.finish();
        if report.has_errors() {
            return None;
        }
        let definition = Self {
            name: name.to_owned(),
            file: file.to_owned(),
            description,
            enabled,
            tasks,
            isolation,
            source: source?,
            batch,
            flush,
            transforms,
            sink: sink?,
            errors,
            restart,
            plugin_reload,
            limits,
            secrets: report.with_secrets(|secrets| secrets.clone()),
            origin: Arc::new(origin),
        };
        Some(definition)
    }
}

impl ConnectorDefinition {
    /// An error at the line that sets the librdkafka property `name`, or, if none does, for the file as a whole.
    #[must_use]
    pub fn property_error(&self, name: Option<&str>, message: String) -> Diagnostic {
        self.source.properties.error(name, &self.file, message)
    }
}

impl fmt::Debug for ConnectorDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write!(text, "{:?}", Fields(self))?;
        f.write_str(&self.secrets.scrub(&text))
    }
}

/// The plain `Debug` form, before secrets are removed from it.
struct Fields<'a>(&'a ConnectorDefinition);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(definition) = self;
        f.debug_struct("ConnectorDefinition")
            .field("name", &definition.name)
            .field("file", &definition.file)
            .field("description", &definition.description)
            .field("enabled", &definition.enabled)
            .field("tasks", &definition.tasks)
            .field("isolation", &definition.isolation)
            .field("source", &definition.source)
            .field("batch", &definition.batch)
            .field("flush", &definition.flush)
            .field("transforms", &definition.transforms)
            .field("sink", &definition.sink)
            .field("errors", &definition.errors)
            .field("restart", &definition.restart)
            .field("limits", &definition.limits)
            .finish()
    }
}
