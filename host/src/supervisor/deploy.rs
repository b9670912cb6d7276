//! What a running supervisor is told to run.

use serde_json::Value;

use super::{connector::Connector, status::DesiredState};
use crate::{
    config::{Isolation, PluginReload},
    pipeline::PluginSettings,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replacement {
    /// Only options of plugins have changed: plugins are opened again between two batches.
    Reopen,
    /// The tasks are restarted.
    Restart,
    /// Libraries of plugins were replaced: as [`Replacement::Reopen`], and if the new ones fail within their first batches, the
    /// connector goes back to the libraries before.
    ReopenOnTrial,
    /// As [`Replacement::Restart`], with the same way back.
    RestartOnTrial,
}

impl Replacement {
    /// Its name in logs and in `tidegate validate --diff`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reopen | Self::ReopenOnTrial => "reopen",
            Self::Restart | Self::RestartOnTrial => "restart",
        }
    }

    /// The same with a restart of the tasks.
    #[must_use]
    pub fn as_restart(self) -> Self {
        match self {
            Self::Reopen | Self::Restart => Self::Restart,
            Self::ReopenOnTrial | Self::RestartOnTrial => Self::RestartOnTrial,
        }
    }

    pub(super) fn reopens(self) -> bool {
        matches!(self, Self::Reopen | Self::ReopenOnTrial)
    }

    pub(super) fn is_on_trial(self) -> bool {
        matches!(self, Self::ReopenOnTrial | Self::RestartOnTrial)
    }
}

impl Connector {
    /// How this connector, which runs, is replaced by `next`; `None` if they do not differ. With `keeps_libraries`, `next` keeps the
    /// libraries of this connector if its file says that they are not to be reloaded.
    pub fn replacement(&self, next: &mut Self, keeps_libraries: bool) -> Option<Replacement> {
        if keeps_libraries && next.definition.plugin_reload == PluginReload::Never {
            next.keep_libraries_of(self);
        }
        let (before, after) = (self.plugin_settings(), next.plugin_settings());
        let is_on_trial = has_other_libraries(&before, &after);
        let restarts = before.sink_name != after.sink_name
            || before.sink.manifest.name != after.sink.manifest.name
            // The memory of a batch depends on whether written records are kept for a flush.
            || before.flush.is_some() != after.flush.is_some()
            || self.settings_apart_from_plugins() != next.settings_apart_from_plugins();
        let in_process = next.definition.isolation == Isolation::Process;
        let asked = is_on_trial && next.definition.plugin_reload == PluginReload::Restart;
        match (restarts || ((in_process || asked) && before != after), is_on_trial) {
            (true, true) => Some(Replacement::RestartOnTrial),
            (true, false) => Some(Replacement::Restart),
            (false, true) => Some(Replacement::ReopenOnTrial),
            (false, false) if before != after => Some(Replacement::Reopen),
            (false, false) => self.differs_otherwise(next).then_some(Replacement::Reopen),
        }
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

/// Whether a plugin that both have is from another library.
fn has_other_libraries(before: &PluginSettings, after: &PluginSettings) -> bool {
    let plugins = |settings: &PluginSettings| -> Vec<Plugin> {
        let transforms = settings.transforms.iter().map(|transform| transform.plugin.clone());
        transforms.chain([settings.sink.clone()]).collect()
    };
    let before = plugins(before);
    plugins(after).iter().any(|after| {
        before.iter().any(|before| before.manifest.name == after.manifest.name && before != after)
    })
}
