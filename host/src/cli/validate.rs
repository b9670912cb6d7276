//! `tidegate validate`: checks files without touching Kafka.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_ERROR, HostOptions, setup};
use crate::{
    config::{Diagnostics, Environment, load_connectors},
    supervisor::Catalog,
};

#[derive(Debug, Args)]
pub(super) struct ValidateOptions {
    /// Connector files, or folders of them [default: those that `run` would take]
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
    for diagnostic in diagnostics.iter() {
        println!("{diagnostic}");
    }
    Ok(conclude(&diagnostics, loaded.valid.len(), loaded.refused.len()))
}

fn conclude(diagnostics: &Diagnostics, valid: usize, refused: usize) -> ExitCode {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let fine = format!("{} fine", count(valid, "connector file"));
    if !diagnostics.has_errors() {
        println!("{fine}");
        return ExitCode::SUCCESS;
    }
    let errors = count(diagnostics.errors().count(), "error");
    println!("{errors}: {} refused, {fine}", count(refused, "connector file"));
    ExitCode::from(EXIT_ERROR)
}
