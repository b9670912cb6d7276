//! The command line: one file per subcommand.

mod broker;
mod control;
mod dead_letters;
mod output;
mod plugins;
mod run;
mod setup;
mod table;
mod validate;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{plugins::probe_main, supervisor::child_main};

/// Exit code when something is wrong: files that are refused, a host that cannot start, work that was cut short.
pub const EXIT_ERROR: u8 = 1;
/// Exit code when every connector has failed for good; with `--once`, when any has.
pub const EXIT_FAILED: u8 = 3;
/// Exit code after a second signal.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Many Kafka pipelines in one process.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    options: HostOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct HostOptions {
    /// The host's own file [default: tidegate.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Connector files, or folders of them; may be given several times [default: connectors.d]
    #[arg(long, global = true, value_name = "PATH")]
    connectors: Vec<PathBuf>,
    /// Folders of plugin libraries; may be given several times [default: beside this executable]
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Vec<PathBuf>,
    /// Folder for the host's own state: copies of plugins, the control socket [default: state]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Kafka brokers, host:port separated by commas [default: localhost:9092]
    #[arg(long, global = true, value_name = "SERVERS")]
    bootstrap_servers: Option<String>,
    /// human or json [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// error, warning, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every connector (the default command)
    Run(run::RunOptions),
    /// Check connector files without touching Kafka: every error of every file at once
    Validate(validate::ValidateOptions),
    /// List the plugins that were found, or show the configuration of one
    Plugins(plugins::PluginsOptions),
    /// Run the embedded development broker for other processes
    Broker(broker::BrokerOptions),
    /// Show how the connectors of a running host do
    Status(control::StatusOptions),
    /// Stop reading, but stay in the consumer groups
    Pause(control::Which),
    /// Read again, and start again what was stopped or has failed
    Resume(control::Which),
    /// Stop and start connectors
    Restart(control::Which),
    /// Close and open the plugins of connectors between two batches
    Reopen(control::Which),
    /// Stop connectors, and leave their consumer groups
    Stop(control::Which),
    /// Print the metrics of a running host
    Metrics,
    /// List, show and replay the records that connectors refused and keep in dead-letter topics
    DeadLetters(dead_letters::DeadLettersOptions),
    /// Run the tasks of one connector for the host at the other end of standard input
    #[command(hide = true, name = crate::supervisor::ISOLATED_COMMAND)]
    RunIsolated {
        /// The connector, for whoever looks at the list of processes
        connector: String,
    },
    /// Load a plugin library and describe it
    #[command(hide = true, name = crate::plugins::PROBE_COMMAND)]
    ProbePlugin {
        /// The library
        library: PathBuf,
        /// What errors call it
        origin: PathBuf,
    },
}

/// An error with its causes, each said once: some errors name their cause in their own message.
#[must_use]
pub fn describe(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Runs a command.
///
/// # Errors
/// Whatever keeps the command from being done; its message is for the user.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let options = &cli.options;
    match cli.command.unwrap_or(Command::Run(run::RunOptions::default())) {
        Command::Run(run) => run::run(options, &run),
        Command::Validate(validate) => validate::run(options, &validate),
        Command::Plugins(plugins) => plugins::run(options, &plugins),
        Command::Broker(broker) => broker::run(options, &broker),
        Command::Status(status) => control::status(options, &status),
        Command::Pause(which) => control::tell(options, which, crate::supervisor::Command::Pause),
        Command::Resume(which) => control::tell(options, which, crate::supervisor::Command::Resume),
        Command::Restart(which) => control::tell(options, which, crate::supervisor::Command::Restart),
        Command::Reopen(which) => control::tell(options, which, crate::supervisor::Command::Reopen),
        Command::Stop(which) => control::tell(options, which, crate::supervisor::Command::Stop),
        Command::Metrics => control::metrics(options),
        Command::DeadLetters(letters) => dead_letters::run(options, &letters),
        Command::RunIsolated { .. } => Ok(child_main()?),
        Command::ProbePlugin { library, origin } => Ok(probe_main(&library, &origin)),
    }
}
