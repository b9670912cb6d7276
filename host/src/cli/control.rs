//! `tidegate status`, `pause`, `resume`, `restart`, `reopen`, `stop` and `metrics`: control a running host.

use std::process::ExitCode;

use clap::Args;

use super::{HostOptions, output, table};
use crate::{
    api::ask,
    config::Environment,
    supervisor::{Command, Reply},
};

#[derive(Debug, Args)]
pub(super) struct ConnectorArg {
    /// Connector name [default: all connectors]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct StatusOptions {
    /// Connector name [default: all connectors]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn request(host: &HostOptions, command: &Command) -> anyhow::Result<Reply> {
    let config = host.config(&Environment::process())?;
    match ask(&config.state_dir, command)? {
        Reply::Rejected(reason) => anyhow::bail!("{reason}"),
        reply => Ok(reply),
    }
}

pub(super) fn status(host: &HostOptions, options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let Reply::Status(mut status) = request(host, &Command::Status)? else { return unexpected() };
    if let Some(name) = &options.name {
        status.connectors.retain(|connector| connector.name == *name);
        anyhow::ensure!(
            !status.connectors.is_empty(),
            "no connector \"{name}\"; `tidegate status` lists them"
        );
    }
    if options.json {
        output::print_line(serde_json::to_string_pretty(&status)?)?;
    } else {
        output::print(table::status(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tell(
    host: &HostOptions,
    which: ConnectorArg,
    command: fn(Option<String>) -> Command,
) -> anyhow::Result<ExitCode> {
    let Reply::Accepted(names) = request(host, &command(which.name))? else { return unexpected() };
    output::print_line(format_args!("accepted for {}", names.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn metrics(host: &HostOptions) -> anyhow::Result<ExitCode> {
    let Reply::Metrics(text) = request(host, &Command::Metrics)? else { return unexpected() };
    output::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn unexpected() -> anyhow::Result<ExitCode> {
    anyhow::bail!("the running host sent an unexpected reply: it may be another version of tidegate")
}
