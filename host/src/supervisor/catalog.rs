//! Makes the discovered plugins available to the configuration.

use std::path::PathBuf;

use crate::{
    config::{PluginCatalog, PluginKind, PluginSummary},
    plugins::{self, PluginManifest, Registry},
};

/// A [`Registry`] as the plugin catalog that connector files are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Catalog<'r>(pub &'r Registry);

impl PluginCatalog for Catalog<'_> {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        self.0.get(name).map(|plugin| summary(&plugin.manifest))
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|plugin| plugin.manifest.name.clone()).collect()
    }

    fn folders(&self) -> &[PathBuf] {
        self.0.folders()
    }
}

pub(super) fn summary(manifest: &PluginManifest) -> PluginSummary {
    let kind = match manifest.kind {
        plugins::PluginKind::Transform => PluginKind::Transform,
        plugins::PluginKind::Sink => PluginKind::Sink,
    };
    PluginSummary {
        name: manifest.name.clone(),
        kind,
        config_schema: manifest.config_schema.clone(),
        durable_on_flush: manifest.durable_on_flush,
    }
}
