//! `[[transforms]]` and `[sink]`: which plugins a connector uses, and with what configuration.

use std::fmt;

use serde_json::Value;

use super::LoadContext;
use super::predicate::Predicate;
use crate::config::diagnostic::Diagnostic;
use crate::config::plugin_config::{self, PluginKind, WrittenOptions};
use crate::config::secrets::Secrets;
use crate::config::section::Section;

/// A plugin and its configuration, which fits the plugin's schema. Its `Debug` form masks secrets.
#[derive(Clone)]
pub struct PluginUse {
    /// `plugin`: the plugin's name.
    pub plugin: String,
    /// `config`: an object, with placeholders and environment variables filled in. Holds real secrets.
    pub config: Value,
    secrets: Secrets,
    options: WrittenOptions,
}

impl PluginUse {
    pub(super) fn read_sink(mut section: Section<'_>, context: &LoadContext<'_>) -> Option<Self> {
        let sink = Self::read(&mut section, PluginKind::Sink, context);
        section.finish();
        sink
    }

    fn read(section: &mut Section<'_>, kind: PluginKind, context: &LoadContext<'_>) -> Option<Self> {
        let config = section.section("config");
        if !section.has("plugin") {
            let help = format!("add plugin = \"...\": {}", plugin_config::list(context.catalog, kind));
            section.error("plugin", "is missing", Some(help));
        }
        let plugin = section.name("plugin")?;
        let summary = plugin_config::find(section, &plugin, kind, context.catalog)?;
        let (config, options) = plugin_config::read(&config, section, &summary, context.environment);
        let secrets = section.report().with_secrets(|secrets| secrets.clone());
        Some(Self { plugin, config, secrets, options })
    }

    /// An error in the option that a JSON Pointer refers to, at its line.
    #[must_use]
    pub fn option_error(&self, pointer: &str, message: &str) -> Diagnostic {
        self.options.error(pointer, &self.secrets.scrub(message))
    }
}

impl fmt::Debug for PluginUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.secrets.mask_json(&self.config);
        f.debug_struct("PluginUse")
            .field("plugin", &self.plugin)
            .field("config", &format_args!("{config}"))
            .finish()
    }
}

/// One of `[[transforms]]`.
#[derive(Clone, Debug)]
pub struct TransformDefinition {
    /// `name`, for logs and metrics; unique in its connector. Default: the plugin's name.
    pub name: String,
    /// `when`: the records it sees; others are not passed to it. Default: all.
    pub when: Option<Predicate>,
    /// `plugin` and `config`.
    pub plugin: PluginUse,
}

impl TransformDefinition {
    pub(super) fn read_all(root: &mut Section<'_>, context: &LoadContext<'_>) -> Vec<Self> {
        let mut transforms: Vec<Self> = vec![];
        for mut section in root.sections("transforms") {
            let plugin = PluginUse::read(&mut section, PluginKind::Transform, context);
            let name = section.name("name");
            let when = section.has("when").then(|| Predicate::read(section.section("when")));
            if let Some(plugin) = plugin {
                let name = name.unwrap_or_else(|| plugin.plugin.clone());
                if transforms.iter().any(|transform| transform.name == name) {
                    let help = "give each transform a name of its own: name = \"...\"";
                    section.error(
                        "name",
                        format!("there is another transform {name:?}"),
                        Some(help.to_owned()),
                    );
                }
                transforms.push(Self { name, when, plugin });
            }
            section.finish();
        }
        transforms
    }
}
