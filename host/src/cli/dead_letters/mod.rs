//! `tidegate dead-letters`: lists, shows and replays rejected records. Connects to Kafka, not to a running host.

mod list;
mod replay;
mod show;
mod topics;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::HostOptions;
use crate::dead_letters::Filter;

#[derive(Debug, Args)]
pub(super) struct DeadLettersOptions {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// Count dead-letter records by connector, stage and class
    List(list::ListOptions),
    /// Show dead-letter records with their source, the reason of the rejection and their content
    Show(show::ShowOptions),
    /// Send rejected records back to their source topics
    Replay(replay::ReplayOptions),
}

/// Selects dead-letter records.
#[derive(Debug, Args)]
struct Selection {
    /// Connector whose dead-letter topics are read
    connector: Option<String>,
    /// Dead-letter topic; without a connector, on the host's brokers
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only records that match FIELD=VALUE or FIELD!=VALUE; can be repeated
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<String>,
}

impl Selection {
    /// The filter. It excludes records of other connectors that share the dead-letter topic.
    fn filter(&self) -> anyhow::Result<Filter> {
        let mut conditions = self.filter.clone();
        if let (Some(connector), None) = (&self.connector, &self.topic) {
            conditions.push(format!("connector={connector}"));
        }
        Ok(Filter::parse(&conditions)?)
    }
}

pub(super) fn run(host: &HostOptions, options: &DeadLettersOptions) -> anyhow::Result<ExitCode> {
    match &options.command {
        DeadLettersCommand::List(options) => list::run(host, options),
        DeadLettersCommand::Show(options) => show::run(host, options),
        DeadLettersCommand::Replay(options) => replay::run(host, options),
    }
}
