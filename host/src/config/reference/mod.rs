//! The reference of all keys: the tables in `docs/connector-files.md` and the JSON Schemas for editors.
//!
//! Which keys there are and what they may be is recorded while the readers run on a sample, so it cannot differ from what
//! they accept. Descriptions and defaults are in `connector_text.rs` and `host_text.rs`; tests compare them with the readers
//! and with the document.

mod connector_text;
mod host_text;
#[cfg(test)]
mod markdown;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::connector::{ConnectorDefinition, LoadContext, Origin};
use super::document::Table;
use super::environment::Environment;
use super::host_file::{HostConfig, HostFlags};
use super::keys::{Keys, Shape};
use super::plugin_config::{PluginCatalog, PluginSummary};
use super::report::Report;

pub use schema::{connector_schema, host_file_schema};

/// A table of the reference.
struct Group {
    /// Name of its place in the document.
    #[cfg_attr(not(test), expect(dead_code, reason = "the document is only compared in a test"))]
    name: &'static str,
    /// Path of the table in the file.
    path: &'static str,
    entries: &'static [Entry],
}

/// What the reference says about a key.
struct Entry {
    key: &'static str,
    /// A value as in TOML, between backticks, or a description; empty if there is none.
    default: &'static str,
    /// Markdown.
    about: &'static str,
}

/// Connector files that make the readers ask for every key.
const SAMPLES: [&str; 2] = [
    r#"
source.topics = ["t"]
[[transforms]]
plugin = "p"
when = { operation = "insert", not = { topic = "t" } }
[sink]
plugin = "p"
"#,
    r#"
source.topics_regex = "^t"
[[transforms]]
plugin = "p"
when = { topic = "t", not = true }
[sink]
plugin = "p"
"#,
];

/// The conditions in `not` are those of `when`.
const NESTED: &str = "transforms[].when.not.";

/// The keys of a connector file.
fn connector_keys() -> Keys {
    let environment = Environment::default();
    let (host, _) = HostConfig::read(None, &HostFlags::default(), &environment);
    let context = LoadContext { host: &host, catalog: &NoPlugins, environment: &environment };
    let mut keys = Keys::default();
    for sample in SAMPLES {
        let (file, report) = (Path::new("sample.toml"), Report::recording());
        if let Some(table) = Table::parse(sample, file, &report) {
            let (host, environment) = (host.clone(), environment.clone());
            let origin = Origin { template: table.clone(), host, environment };
            // It is not usable: there is no such plugin.
            let _none = ConnectorDefinition::read(file, "sample", &table, &context, &report, origin);
        }
        keys.merge(report.into_keys());
    }
    keys.without(|path| path.starts_with(NESTED))
}

/// The keys of the host's file.
fn host_keys() -> Keys {
    let report = Report::recording();
    HostConfig::read_nothing(&report);
    let mut keys = report.into_keys();
    // Taken out of the file before it is read.
    keys.add("defaults", Shape::Table);
    keys
}

/// The samples use no plugin that exists: options of plugins have schemas of their own.
struct NoPlugins;

impl PluginCatalog for NoPlugins {
    fn find(&self, _: &str) -> Option<PluginSummary> {
        None
    }

    fn names(&self) -> Vec<String> {
        vec![]
    }
}
