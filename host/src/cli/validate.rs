//! `tidegate validate`: checks files without connecting to Kafka.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_ERROR, HostOptions, output, setup};
use crate::{
    config::{Diagnostics, Environment, load_connectors},
    supervisor::{Catalog, Connector, Overrides},
    telemetry,
};

#[derive(Debug, Args)]
pub(super) struct ValidateOptions {
    /// Connector files or folders of connector files [default: those that `run` would use]
    files: Vec<PathBuf>,
}

pub(super) fn run(host: &HostOptions, options: &ValidateOptions) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let (config, mut diagnostics) = host.read_config(&environment);
    setup::init_logging(&config);
    let found = setup::discover(&config)?;
    for problem in &found.problems {
        eprintln!("warning: plugin library skipped: {problem}");
    }
    let paths = if options.files.is_empty() { &config.connectors } else { &options.files };
    let loaded = load_connectors(paths, &config, &Catalog(&found.registry), &environment);
    diagnostics.extend(loaded.diagnostics);
    let (mut valid, mut rejected) = (loaded.valid.len(), loaded.rejected.len());
    for definition in loaded.valid {
        telemetry::protect(&definition.secrets);
        if let Some(problem) = Connector::new(definition, &found.registry, Overrides::default())?.check() {
            diagnostics.extend([problem]);
            (valid, rejected) = (valid - 1, rejected + 1);
        }
    }
    for diagnostic in diagnostics.iter() {
        output::print_line(diagnostic)?;
    }
    for (file, plugin) in &loaded.unchecked {
        let file = file.display();
        output::print_line(format_args!(
            "{file}: not checked: it is off, and its plugin {plugin:?} is not installed"
        ))?;
    }
    conclude(&diagnostics, valid, rejected)
}

fn conclude(diagnostics: &Diagnostics, valid: usize, rejected: usize) -> anyhow::Result<ExitCode> {
    let count = |number: usize, what: &str| output::count(number as u64, what);
    let fine = format!("{} fine", count(valid, "connector file"));
    if !diagnostics.has_errors() {
        output::print_line(fine)?;
        return Ok(ExitCode::SUCCESS);
    }
    let errors = count(diagnostics.errors().count(), "error");
    output::print_line(format_args!("{errors}: {} rejected, {fine}", count(rejected, "connector file")))?;
    Ok(ExitCode::from(EXIT_ERROR))
}
