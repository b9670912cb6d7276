//! `tidegate plugins`: lists plugins and shows their options.

use std::process::ExitCode;

use clap::Args;

use super::{HostOptions, output, plugin_options, setup, table};
use crate::{
    config::Environment,
    plugins::{Plugin, Registry},
};

#[derive(Debug, Args)]
pub(super) struct PluginsOptions {
    /// Plugin whose options are shown
    name: Option<String>,
    /// Print the JSON Schema of its options
    #[arg(long, requires = "name")]
    schema: bool,
}

pub(super) fn run(host: &HostOptions, options: &PluginsOptions) -> anyhow::Result<ExitCode> {
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let registry = setup::inspect_with_warnings(&config)?;
    match &options.name {
        None => list(&registry)?,
        Some(name) => {
            let plugin = registry.get(name).ok_or_else(|| registry.unknown(name))?;
            show(plugin, options.schema)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(registry: &Registry) -> std::io::Result<()> {
    let lines = registry.iter().map(|plugin| {
        let manifest = &plugin.manifest;
        [manifest.name.as_str(), manifest.kind.name(), plugin.version(), manifest.description.as_str()]
    });
    output::print(table::plugins(lines))
}

fn show(plugin: &Plugin, schema: bool) -> anyhow::Result<()> {
    let manifest = &plugin.manifest;
    if schema {
        output::print_json(&manifest.config_schema)?;
        return Ok(());
    }
    output::print_line(format_args!("{} ({}) {}", manifest.name, manifest.kind.name(), plugin.version()))?;
    output::print_line(&manifest.description)?;
    output::print_line(format_args!(
        "library: {}, built with {}",
        plugin.origin().display(),
        plugin.build()
    ))?;
    output::print(plugin_options::text(&manifest.config_schema))?;
    Ok(())
}
