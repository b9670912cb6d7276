//! `tidegate run`: runs all connectors until the host is stopped.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    EXIT_ERROR, EXIT_FAILED, EXIT_INTERRUPTED, HostOptions, output, permissions, service, setup,
    state_folder, table,
};
use crate::{
    api::{self, ApiListener, ControlSocket},
    config::{Environment, HostConfig},
    deployment::{Deployer, Deployment, KeptConnectors, Sources},
    kafka::embedded::{EmbeddedBroker, Loader, Options},
    plugins::{Prober, Registry},
    supervisor::{Connector, DesiredState, EndsWhen, Overrides, RunOutcome, Supervisor},
    telemetry,
};

/// How long the last metrics and traces may take to be exported.
const LAST_EXPORT: Duration = Duration::from_secs(3);
/// How long the host may take to end by itself after the second signal.
const SECOND_SIGNAL_GRACE: Duration = Duration::from_secs(5);

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
    setup::init_metrics(&config);
    setup::start_otlp(&config);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    // From the first moment: without it, a stop while plugins are found would kill the host, and as process 1 of a container it
    // would not hear it at all.
    let signals = Signals::listen(&runtime)?;
    exit_at_second_signal()?;
    state_folder::prepare(&config.state_dir)?;
    permissions::warn_of_writable(&config, host.host_file().as_deref());
    let broker = options.embedded_kafka.then(|| start_broker(options)).transpose()?;
    let (host, config) = match &broker {
        Some(broker) => {
            let bootstrap_servers = Some(broker.bootstrap_servers().to_owned());
            let host = HostOptions { bootstrap_servers, ..host.clone() };
            let config = host.config(&environment)?;
            (host, config)
        }
        None => (host.clone(), config),
    };
    let registry = find_plugins(&config)?;
    let mode = Mode { once: options.once, watches: config.watch && !options.once };
    // A run to the end leaves nothing behind: it neither stays paused nor goes on with a file of an earlier run.
    let kept = (!mode.once).then(|| KeptConnectors::of(&config.state_dir));
    let sources = Sources {
        overrides: Overrides { until_end: mode.once },
        ..Sources::new(host.host_file(), host.flags(), environment, config.clone())
    };
    let deployment = Deployment::new(sources, registry, Prober::of_this_executable()?, kept);

    let outcome = runtime.block_on(supervise(deployment, config, mode, signals));
    // Abandoned threads must not delay the exit of the process.
    runtime.shutdown_timeout(Duration::ZERO);
    telemetry::stop_otlp(LAST_EXPORT);
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

/// Reads the connectors. Errors of invalid ones are logged, and do not affect the others.
fn find_connectors(
    deployment: &mut Deployment,
    config: &HostConfig,
    stays: bool,
) -> anyhow::Result<Vec<(Connector, DesiredState)>> {
    let connectors = deployment.start()?;
    if !connectors.is_empty() {
        return Ok(connectors);
    }
    let folders: Vec<String> = config.connectors.iter().map(|path| path.display().to_string()).collect();
    let folders = folders.join(", ");
    if !stays {
        anyhow::bail!(
            "no connector to run in {folders}; fix the errors above, or add a connector file there"
        );
    }
    tracing::warn!("no connector to run in {folders} yet; a connector file that is added there is started");
    Ok(connectors)
}

/// How the host runs.
struct Mode {
    /// It ends once everything is delivered.
    once: bool,
    /// It follows changes of files.
    watches: bool,
}

impl Mode {
    fn ends(&self) -> EndsWhen {
        match self {
            Self { once: true, .. } => EndsWhen::Delivered,
            Self { watches: true, .. } => EndsWhen::Never,
            Self { .. } => EndsWhen::AllFailed,
        }
    }
}

async fn supervise(
    mut deployment: Deployment,
    config: HostConfig,
    mode: Mode,
    mut received: Signals,
) -> anyhow::Result<ExitCode> {
    let connectors = find_connectors(&mut deployment, &config, mode.watches)?;
    let count = connectors.len();
    let memory = Arc::clone(deployment.memory().pool());
    let socket = ControlSocket::open(&config.state_dir)?;
    // A run to the end is a command, not a service.
    let listener = if mode.once { None } else { ApiListener::bind(&config.api).await? };
    if let Some((scheme, address)) = listener.as_ref().and_then(|one| Some((one.scheme(), one.address()?))) {
        tracing::info!("REST API: {scheme}://{address}");
    }
    let (supervisor, handle, rolled_back) = Supervisor::new(connectors, &memory, mode.ends());
    let deployer = Deployer::start(deployment, handle, rolled_back, mode.watches);
    tracing::info!(connectors = count, version = env!("CARGO_PKG_VERSION"), "tidegate started");
    service::ready(count);

    let (asked, to_stop) = tokio::sync::oneshot::channel::<()>();
    let signals = async {
        received.next().await;
        tracing::info!("stopping: delivering records in flight; send a second signal to exit immediately");
        service::stopping();
        // The supervisor may have ended in the meantime.
        let _ended = asked.send(()).is_err();
        received.next().await;
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
        () = service::keep_alive(&deployer) => anyhow::bail!("the watchdog ended"),
        () = api::serve(deployer.clone(), config.api, &socket, listener) => anyhow::bail!("the REST API ended"),
        outcome = supervisor.run(shutdown) => finish(&outcome, mode.once),
    }
}

/// The signals that end the host.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Signals that arrive from now on, while `runtime` runs.
    fn listen(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Self> {
        let _entered = runtime.enter();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends the process a while after the second signal if it has not ended by then, because the thread of the runtime is blocked.
fn exit_at_second_signal() -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let mut signals = Signals::listen(&runtime)?;
    let wait = move || {
        runtime.block_on(async {
            signals.next().await;
            signals.next().await;
            tokio::time::sleep(SECOND_SIGNAL_GRACE).await;
        });
        tracing::warn!(
            "second signal: exiting although the host does not react; records in flight will be read again"
        );
        exit()
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context("starting the thread for signals")?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the main thread is blocked, so it cannot return"
)]
fn exit() -> ! {
    std::process::exit(EXIT_INTERRUPTED.into())
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
