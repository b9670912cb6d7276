//! `tidegate validate`: checks files without connecting to Kafka.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_ERROR, HostOptions, output, setup};
use crate::{
    config::{Diagnostics, Environment, HostConfig, load_connectors},
    deployment::{Change, Deployment, KeptConnectors, PlannedChange, Sources},
    plugins::{Prober, Registry},
    supervisor::{Catalog, Connector, HostMemory, OfflineError, Overrides, check_offline},
    telemetry,
};

#[derive(Debug, Args)]
pub(super) struct ValidateOptions {
    /// Connector files or folders of connector files [default: those that `run` would use]
    files: Vec<PathBuf>,
    /// Print what the files would change in a running host: start, stop, restart or reopen
    #[arg(long, conflicts_with = "files")]
    diff: bool,
}

pub(super) fn run(host: &HostOptions, options: &ValidateOptions) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let (config, mut diagnostics) = host.read_config(&environment);
    setup::init_logging(&config);
    let registry = setup::inspect_with_warnings(&config)?;
    if options.diff {
        diagnostics.iter().try_for_each(output::print_line)?;
        return print_changes(host, config, environment, registry);
    }
    let paths = if options.files.is_empty() { &config.connectors } else { &options.files };
    let loaded = load_connectors(paths, &config, &Catalog(&registry), &environment);
    diagnostics.extend(loaded.diagnostics);
    let found_valid = loaded.valid.len();
    let connectors = loaded.valid.into_iter().map(|definition| {
        telemetry::protect(&definition.secrets).forever();
        Connector::new(definition, &registry, Overrides::default())
    });
    let mut connectors = connectors.collect::<Result<Vec<_>, _>>()?;
    let invalid = check(&connectors, &mut diagnostics)?;
    connectors.retain(|connector| connector.definition.enabled);
    let admitted = HostMemory::new(config.memory.clone()).admit(&mut connectors);
    diagnostics.extend(admitted.err().map(|error| *error));
    let (valid, rejected) = (found_valid - invalid, loaded.rejected.len() + invalid);
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

/// Prints what the files would change, compared with what the host with this state folder runs.
fn print_changes(
    host: &HostOptions,
    config: HostConfig,
    environment: Environment,
    registry: Registry,
) -> anyhow::Result<ExitCode> {
    let kept = KeptConnectors::of(&config.state_dir);
    let sources = Sources::new(host.host_file(), host.flags(), environment, config);
    let mut deployment = Deployment::new(sources, registry, Prober::of_this_executable()?, None);
    let plan = deployment.plan(&kept)?;
    for PlannedChange { errors, .. } in &plan {
        errors.iter().flatten().try_for_each(output::print_line)?;
    }
    for PlannedChange { name, change, errors } in &plan {
        let change = match change {
            _ if errors.is_some() => "invalid",
            None => "unchanged",
            Some(Change::Start) => "start",
            Some(Change::Stop) => "stop",
            Some(Change::Replace(replacement)) => replacement.name(),
        };
        output::print_line(format_args!("{name}: {change}"))?;
    }
    let is_invalid = plan.iter().any(|planned| planned.errors.is_some());
    Ok(if is_invalid { ExitCode::from(EXIT_ERROR) } else { ExitCode::SUCCESS })
}

/// Checks what only librdkafka and the plugins know. Returns the number of invalid connectors.
fn check(connectors: &[Connector], diagnostics: &mut Diagnostics) -> anyhow::Result<usize> {
    let mut invalid = 0;
    for (connector, errors) in
        connectors.iter().zip(check_offline(connectors, &Prober::of_this_executable()?)?)
    {
        // The machine that a disabled connector is for may have the file or the secret that is missing here.
        let counts = |error: &OfflineError| error.is_invalid || connector.definition.enabled;
        let before = diagnostics.len();
        diagnostics.extend(errors.into_iter().filter(counts).map(|error| error.diagnostic));
        invalid += usize::from(diagnostics.len() > before);
    }
    Ok(invalid)
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
