//! `tidegate run`: runs all connectors until the host is stopped.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{EXIT_ERROR, EXIT_FAILED, EXIT_INTERRUPTED, HostOptions, output, setup, table};
use crate::{
    api::ControlSocket,
    config::{ConnectorDefinition, Environment, HostConfig, load_connectors},
    kafka::embedded::{EmbeddedBroker, Loader, Options},
    pipeline::MemoryPool,
    plugins::{Prober, Registry},
    supervisor::{Catalog, Connector, HostMemory, Overrides, RunOutcome, Supervisor, check_offline},
    telemetry,
};

#[derive(Debug, Default, Args)]
pub(super) struct RunOptions {
    /// Start a development broker in this process, for connectors that name no brokers
    #[arg(long)]
    embedded_kafka: bool,
    /// Load records from this file into the development broker first; can be repeated
    #[arg(long, value_name = "FILE", requires = "embedded_kafka")]
    load: Vec<PathBuf>,
    /// Number of partitions of the topics that are created for --load
    #[arg(long, value_name = "N", default_value_t = 1, requires = "embedded_kafka")]
    partitions: u32,
    /// Exit once everything is delivered, and print a summary
    #[arg(long)]
    once: bool,
}

pub(super) fn run(host: &HostOptions, options: &RunOptions) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let config = host.config(&environment)?;
    setup::init_logging(&config);
    telemetry::init_metrics();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    // From the first moment: without it, a stop while plugins are found would kill the host, and as process 1 of a container it
    // would not hear it at all.
    let terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate()).context("listening for SIGTERM")?
    };
    let broker = options.embedded_kafka.then(|| start_broker(options)).transpose()?;
    let config = match &broker {
        Some(broker) => {
            let bootstrap_servers = Some(broker.bootstrap_servers().to_owned());
            HostOptions { bootstrap_servers, ..host.clone() }.config(&environment)?
        }
        None => config,
    };
    let registry = find_plugins(&config)?;
    let overrides = Overrides { until_end: options.once };
    let mut connectors = find_connectors(&config, &registry, &environment, overrides)?;
    let mut memory = HostMemory::new(config.memory.clone());
    memory.admit(&mut connectors).map_err(|diagnostic| anyhow::anyhow!("{diagnostic}"))?;

    let outcome = runtime.block_on(supervise(
        &config,
        (connectors, Arc::clone(memory.pool())),
        options.once,
        terminate,
    ));
    // Abandoned threads must not delay the exit of the process.
    runtime.shutdown_timeout(Duration::ZERO);
    outcome
}

fn start_broker(options: &RunOptions) -> anyhow::Result<EmbeddedBroker> {
    let broker = EmbeddedBroker::start(&Options::default()).context("starting the embedded broker")?;
    tracing::info!(servers = broker.bootstrap_servers(), "embedded broker started");
    for file in &options.load {
        let report = Loader::new(&broker).partitions(options.partitions).load(file)?;
        tracing::info!(records = report.records, topics = report.topics.len(), "loaded {}", file.display());
    }
    Ok(broker)
}

fn find_plugins(config: &HostConfig) -> anyhow::Result<Registry> {
    let found = setup::discover(config)?;
    for problem in &found.problems {
        tracing::warn!("plugin library skipped: {problem}");
    }
    tracing::debug!(plugins = found.registry.iter().count(), "plugins found");
    Ok(found.registry)
}

/// Loads the connectors. Logs the errors of invalid ones, which do not affect the others.
fn find_connectors(
    config: &HostConfig,
    registry: &Registry,
    environment: &Environment,
    overrides: Overrides,
) -> anyhow::Result<Vec<Connector>> {
    let loaded = load_connectors(&config.connectors, config, &Catalog(registry), environment);
    for diagnostic in loaded.diagnostics.iter() {
        match diagnostic.severity {
            crate::config::Severity::Error => tracing::error!("{diagnostic}"),
            crate::config::Severity::Warning => tracing::warn!("{diagnostic}"),
        }
    }
    let start = |definition: ConnectorDefinition| {
        telemetry::protect(&definition.secrets);
        Connector::new(definition, registry, overrides)
    };
    let enabled = loaded.valid.into_iter().filter(|definition| definition.enabled);
    let connectors = enabled.map(start).collect::<Result<Vec<_>, _>>()?;
    let connectors = without_invalid(connectors)?;
    if connectors.is_empty() {
        let folders: Vec<String> = config.connectors.iter().map(|path| path.display().to_string()).collect();
        anyhow::bail!(
            "no connector to run in {}; fix the errors above, or add a connector file there",
            folders.join(", ")
        );
    }
    Ok(connectors)
}

/// Leaves out connectors that librdkafka or a plugin would reject, and logs why.
fn without_invalid(connectors: Vec<Connector>) -> anyhow::Result<Vec<Connector>> {
    let errors = check_offline(&connectors, &Prober::of_this_executable()?)?;
    let mut valid = Vec::with_capacity(connectors.len());
    for (connector, errors) in connectors.into_iter().zip(errors) {
        for error in &errors {
            match error.is_invalid {
                true => tracing::error!("{}", error.diagnostic),
                // The missing file may be there when the task is restarted.
                false => tracing::warn!("{}", error.diagnostic),
            }
        }
        let is_valid = !errors.iter().any(|error| error.is_invalid);
        valid.extend(is_valid.then_some(connector));
    }
    Ok(valid)
}

async fn supervise(
    config: &HostConfig,
    (connectors, memory): (Vec<Connector>, Arc<MemoryPool>),
    once: bool,
    mut terminate: Signal,
) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let socket = ControlSocket::open(&config.state_dir)?;
    let count = connectors.len();
    let (supervisor, handle) = Supervisor::new(connectors, &memory, once);
    tracing::info!(connectors = count, version = env!("CARGO_PKG_VERSION"), "tidegate started");

    let (asked, to_stop) = tokio::sync::oneshot::channel::<()>();
    let signals = async {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping: delivering records in flight; send a second signal to exit immediately");
        // The supervisor may have ended in the meantime.
        let _ended = asked.send(()).is_err();
        either(&mut interrupt, &mut terminate).await;
    };
    let shutdown = async {
        if to_stop.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = signals => {
            tracing::warn!("second signal: exiting immediately; records in flight will be read again");
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
        () = socket.serve(handle) => anyhow::bail!("the control socket ended"),
        outcome = supervisor.run(shutdown) => finish(&outcome, once),
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Logs the outcome and returns the exit code.
fn finish(outcome: &RunOutcome, once: bool) -> anyhow::Result<ExitCode> {
    if once {
        output::print(table::summary(&outcome.status))?;
    }
    let failed = &outcome.failed;
    if outcome.all_failed() || (once && !failed.is_empty()) {
        tracing::error!("failed permanently: {}", failed.join(", "));
        return Ok(ExitCode::from(EXIT_FAILED));
    }
    if !outcome.clean {
        tracing::error!("stopped before all records in flight were delivered and committed");
        return Ok(ExitCode::from(EXIT_ERROR));
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
