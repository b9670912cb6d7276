//! Changes of what a running supervisor runs, and how one version of a connector is replaced by another.

use serde_json::Value;

use super::{connector::Connector, status::DesiredState};
use crate::{
    config::{Isolation, PluginReload},
    plugins::Plugin,
};

/// A change of what the supervisor runs.
pub enum Deploy {
    /// Run this connector.
    Add(Box<Connector>, DesiredState),
    /// Continue a connector as this one, which has the same name.
    Replace(Box<Connector>, Replacement),
    /// Restart a connector as this one, which has the same name, also if the user has stopped it.
    Restart(Box<Connector>, Replacement),
    /// Deliver what is in flight, and stop the connector with this name for good.
    Remove(String),
}

/// How a running connector is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The tasks are restarted. Otherwise only plugins are opened again, between two batches.
    pub restarts: bool,
    /// Libraries of plugins were replaced: if the new ones fail within their first batches, the connector goes back to those before.
    pub is_on_trial: bool,
}

impl Replacement {
    /// A restart with the same libraries.
    pub const RESTART: Self = Self { restarts: true, is_on_trial: false };

    /// Its name in logs and in `tidegate validate --diff`.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self.restarts { "restart" } else { "reopen" }
    }
}

impl Connector {
    /// How this connector, which runs, is replaced by `next`; `None` if they do not differ. With `keeps_libraries`, `next` keeps the
    /// libraries of this connector if its file says that they are not to be reloaded.
    pub fn replacement(&self, next: &mut Self, keeps_libraries: bool) -> Option<Replacement> {
        if keeps_libraries && next.definition.plugin_reload == PluginReload::Never {
            next.keep_libraries_of(self, |_| true);
        }
        let (before, after) = (self.plugin_settings(), next.plugin_settings());
        let has_other_plugins = before != after;
        let is_on_trial = self.has_other_libraries(next);
        let is_asked = is_on_trial && next.definition.plugin_reload == PluginReload::Restart;
        let restarts = before.sink_name != after.sink_name
            || before.sink.manifest.name != after.sink.manifest.name
            // The memory of a batch depends on whether written records are kept for a flush.
            || before.flush.is_some() != after.flush.is_some()
            || self.settings_apart_from_plugins() != next.settings_apart_from_plugins()
            || (has_other_plugins && (is_asked || next.definition.isolation == Isolation::Process));
        let differs = restarts || has_other_plugins || self.differs_otherwise(next);
        differs.then_some(Replacement { restarts, is_on_trial })
    }

    /// Whether a plugin that both have is from another library.
    fn has_other_libraries(&self, next: &Self) -> bool {
        let is_other =
            |plugin: &Plugin, next: &Plugin| plugin.manifest.name == next.manifest.name && plugin != next;
        next.plugins().any(|next| self.plugins().any(|plugin| is_other(plugin, next)))
    }

    /// Everything that a task cannot change while it runs.
    fn settings_apart_from_plugins(&self) -> Value {
        let definition = &self.definition;
        let mut settings = serde_json::to_value(self.with_own_queue().task_settings(0)).unwrap_or_default();
        if let Some(settings) = settings.as_object_mut() {
            settings.remove("plugins");
        }
        serde_json::json!([settings, definition.tasks, definition.isolation, definition.limits.cpu])
    }

    /// Whether something differs that has no effect on running tasks.
    fn differs_otherwise(&self, next: &Self) -> bool {
        let parts =
            |connector: &Self| (connector.definition.description.clone(), connector.definition.restart);
        parts(self) != parts(next)
    }
}
