//! `tidegate run`: runs every connector until it is told to stop.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{EXIT_ERROR, EXIT_FAILED, EXIT_INTERRUPTED, HostOptions, output, setup, table};
use crate::{
    api::ControlSocket,
    config::{ConnectorDefinition, Environment, HostConfig, load_connectors},
    kafka::embedded::{EmbeddedBroker, Loader, Options},
    plugins::Registry,
    supervisor::{Catalog, Connector, Ending, Overrides, Supervisor},
    telemetry,
};

#[derive(Debug, Default, Args)]
pub(super) struct RunOptions {
    /// Run on a development broker inside this process
    #[arg(long)]
    embedded_kafka: bool,
    /// Fill the development broker with captured events first; may be given several times
    #[arg(long, value_name = "FILE", requires = "embedded_kafka")]
    load: Vec<PathBuf>,
    /// Partitions of the topics that loading creates
    #[arg(long, value_name = "N", default_value_t = 1, requires = "embedded_kafka")]
    partitions: u32,
    /// End by itself once everything is delivered, with a table of what was done
    #[arg(long)]
    once: bool,
}

pub(super) fn run(host: &HostOptions, options: &RunOptions) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let config = host.config(&environment)?;
    setup::init_logging(&config);
    telemetry::init_metrics();
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
    let connectors = find_connectors(&config, &registry, &environment, overrides)?;

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let outcome = runtime.block_on(supervise(&config, connectors, options.once));
    // Whatever is left behind must not hold up the end of the process.
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

/// The connectors that can run. What is wrong with others is told, and does not stop these.
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
    let mut connectors = enabled.map(start).collect::<Result<Vec<_>, _>>()?;
    connectors.retain(|connector| {
        let problem = connector.check();
        problem.iter().for_each(|problem| tracing::error!("{problem}"));
        problem.is_none()
    });
    if connectors.is_empty() {
        let folders: Vec<String> = config.connectors.iter().map(|path| path.display().to_string()).collect();
        anyhow::bail!(
            "no connector to run in {}; see the errors above, or drop a connector file there",
            folders.join(", ")
        );
    }
    Ok(connectors)
}

async fn supervise(config: &HostConfig, connectors: Vec<Connector>, once: bool) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let socket = ControlSocket::open(&config.state_dir)?;
    let count = connectors.len();
    let (supervisor, handle) = Supervisor::new(connectors, once);
    tracing::info!(connectors = count, version = env!("CARGO_PKG_VERSION"), "tidegate started");

    let (asked, to_stop) = tokio::sync::oneshot::channel::<()>();
    let signals = async {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping: delivering what is in flight; a second signal ends at once");
        // The supervisor may have ended by itself at this moment.
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
            tracing::warn!("second signal: ending at once; what is in flight will be read again");
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
        () = socket.serve(handle) => anyhow::bail!("the control socket ended"),
        ending = supervisor.run(shutdown) => conclude(&ending, once),
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Tells how it ended, and turns that into an exit code.
fn conclude(ending: &Ending, once: bool) -> anyhow::Result<ExitCode> {
    if once {
        output::print(table::summary(&ending.status))?;
    }
    let failed = &ending.failed;
    if ending.all_failed() || (once && !failed.is_empty()) {
        tracing::error!("failed for good: {}", failed.join(", "));
        return Ok(ExitCode::from(EXIT_FAILED));
    }
    if !ending.clean {
        tracing::error!("stopped before everything in flight was delivered and committed");
        return Ok(ExitCode::from(EXIT_ERROR));
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
