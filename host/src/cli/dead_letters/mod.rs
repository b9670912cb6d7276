//! `tidegate dead-letters`: lists, shows and replays what connectors refused. Talks to Kafka, not to a running host.

mod list;
mod places;
mod replay;
mod show;

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
    /// Count letters by connector, stage and class
    List(list::ListOptions),
    /// Show letters: where each came from, why it was refused, and what is in it
    Show(show::ShowOptions),
    /// Send the records in letters back to the topics that they came from
    Replay(replay::ReplayOptions),
}

/// Which letters are meant.
#[derive(Debug, Args)]
struct Which {
    /// The connector whose dead-letter topics are meant
    connector: Option<String>,
    /// The dead-letter topic; without a connector it is looked for at the host's own brokers
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only letters for which this holds, FIELD=VALUE or FIELD!=VALUE; may be given several times
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<String>,
}

impl Which {
    /// The conditions; letters of other connectors that share a topic with the one that is meant are not.
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
