//! The command line: one file per subcommand.

mod broker;
mod control;
mod dead_letters;
mod import;
mod init;
mod manual;
mod output;
mod permissions;
mod plugin_options;
mod plugins;
mod produce;
mod run;
mod schema;
mod service;
mod setup;
mod state_folder;
mod table;
mod validate;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    plugins::{check_main, probe_main},
    supervisor::child_main,
};

/// Exit code for errors: invalid files, a host that cannot start, a stop that was cut short.
pub const EXIT_ERROR: u8 = 1;
/// Exit code when every connector has failed permanently; with `--once`, when any has.
pub const EXIT_FAILED: u8 = 3;
/// Exit code after a second signal.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Runs many Kafka sink pipelines in one process.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    options: HostOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command. `-h` leaves them out and `--help` lists them last, so that those of the command itself are
/// seen first.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct HostOptions {
    /// Host file [default: tidegate.toml, if it exists]
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Connector file or folder of connector files; can be repeated [default: connectors.d]
    #[arg(long, global = true, hide_short_help = true, value_name = "PATH")]
    connectors: Vec<PathBuf>,
    /// Folder of plugin libraries; can be repeated [default: the folder of this executable]
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    plugins: Vec<PathBuf>,
    /// Folder for the state of a running host: copies of plugins and the control socket [default: state]
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Brokers of connectors that name none, as host:port, separated by commas [default: localhost:9092]
    #[arg(long, global = true, hide_short_help = true, value_name = "SERVERS")]
    bootstrap_servers: Option<String>,
    /// Address of the REST API, or off [default: 127.0.0.1:8083]
    #[arg(long, global = true, hide_short_help = true, value_name = "ADDRESS")]
    api: Option<String>,
    /// Log format: human or json [default: human]
    #[arg(long, global = true, hide_short_help = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Log level: error, warning, info, debug or trace [default: info]
    #[arg(long, global = true, hide_short_help = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every connector (the default command)
    Run(run::RunOptions),
    /// Check connector files without connecting to Kafka, and print all errors
    Validate(validate::ValidateOptions),
    /// List the available plugins, or show the options of one
    Plugins(plugins::PluginsOptions),
    /// Print the JSON Schema of connector files, with the options of every plugin
    Schema(schema::SchemaOptions),
    /// Turn a configuration of Kafka Connect into a connector file
    Import(import::ImportOptions),
    /// Run the embedded development broker
    Broker(broker::BrokerOptions),
    /// Write lines to a topic, each as a record, like `kcat -P`
    Produce(produce::ProduceOptions),
    /// Show the status of the connectors of a running host
    Status(control::StatusOptions),
    /// Ask a running host whether all its connectors have been started: exit code 0 if so, else 1
    Health,
    /// Pause connectors: stop reading, but stay in the consumer groups
    Pause(control::ConnectorOrAll),
    /// Resume paused connectors, and start stopped and failed ones
    Resume(control::ConnectorArg),
    /// Stop and start connectors, or one task of a connector
    Restart(control::RestartOptions),
    /// Close and reopen the plugins of connectors between two batches
    Reopen(control::ConnectorArg),
    /// Stop connectors and leave their consumer groups
    Stop(control::ConnectorOrAll),
    /// Print the metrics of a running host
    Metrics(control::MetricsOptions),
    /// List, show and replay rejected records in dead-letter topics
    DeadLetters(dead_letters::DeadLettersOptions),
    /// Print the script that completes commands in a shell
    Completions {
        /// Shell: bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Write a man page for each command to a folder
    ManPages {
        /// Folder, which is created
        folder: PathBuf,
    },
    /// Run the tasks of one connector for the host at the other end of standard input
    #[command(hide = true, name = crate::supervisor::ISOLATED_COMMAND)]
    RunIsolated {
        /// Name of the connector, shown in the process list
        connector: String,
    },
    /// Check the options of plugins, which are read from standard input
    #[command(hide = true, name = crate::plugins::CHECK_COMMAND)]
    CheckPlugins,
    /// Delete committed offsets, as read from standard input
    #[command(hide = true, name = crate::kafka::DELETE_OFFSETS_COMMAND)]
    DeleteOffsets,
    /// Load a plugin library and describe it
    #[command(hide = true, name = crate::plugins::PROBE_COMMAND)]
    ProbePlugin {
        /// The library
        library: PathBuf,
        /// Path of the library in error messages
        origin: PathBuf,
    },
}

/// Formats an error with its causes. A cause that is already part of the message is not repeated.
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
/// When the command fails; the message is shown to the user.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let options = &cli.options;
    match cli.command.unwrap_or(Command::Run(run::RunOptions::default())) {
        Command::Run(_) if init::is_needed() => init::run(),
        Command::Run(run) => run::run(options, &run),
        Command::Validate(validate) => validate::run(options, &validate),
        Command::Plugins(plugins) => plugins::run(options, &plugins),
        Command::Schema(schema) => schema::run(options, &schema),
        Command::Import(import) => import::run(options, &import),
        Command::Broker(broker) => broker::run(options, &broker),
        Command::Produce(produce) => produce::run(options, &produce),
        Command::Status(status) => control::status(options, &status),
        Command::Health => control::health(options),
        Command::Pause(which) => control::tell(options, which, "pause"),
        Command::Resume(which) => control::tell(options, which, "resume"),
        Command::Restart(restart) => control::restart(options, restart),
        Command::Reopen(which) => control::tell(options, which, "reopen"),
        Command::Stop(which) => control::tell(options, which, "stop"),
        Command::Metrics(metrics) => control::metrics(options, &metrics),
        Command::DeadLetters(letters) => dead_letters::run(options, &letters),
        Command::Completions { shell } => manual::completions(shell),
        Command::ManPages { folder } => manual::man_pages(&folder),
        Command::RunIsolated { .. } => Ok(child_main()?),
        Command::CheckPlugins => Ok(check_main()),
        Command::DeleteOffsets => {
            crate::kafka::delete_offsets_main()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ProbePlugin { library, origin } => Ok(probe_main(&library, &origin)),
    }
}
