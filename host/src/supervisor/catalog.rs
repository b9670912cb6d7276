//! The plugins that were found, as the configuration asks for them.

use crate::{
    config::{PluginCatalog, PluginKind, PluginSummary},
    plugins::{self, Registry},
};

/// A [`Registry`], for checking connector files against.
#[derive(Clone, Copy, Debug)]
pub struct Catalog<'r>(pub &'r Registry);

impl PluginCatalog for Catalog<'_> {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        let manifest = &self.0.get(name)?.manifest;
        let kind = match manifest.kind {
            plugins::PluginKind::Transform => PluginKind::Transform,
            plugins::PluginKind::Sink => PluginKind::Sink,
        };
        Some(PluginSummary {
            name: manifest.name.clone(),
            kind,
            config_schema: manifest.config_schema.clone(),
        })
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|plugin| plugin.manifest.name.clone()).collect()
    }
}
