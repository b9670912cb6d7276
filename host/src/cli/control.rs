//! `tidegate status`, `pause`, `resume`, `restart`, `reopen`, `stop` and `metrics`: control a running host.

use std::process::ExitCode;

use clap::Args;

use super::{HostOptions, output, table};
use crate::{
    api::ask,
    config::Environment,
    supervisor::{Command, HostStatus, Reply},
};

#[derive(Debug, Args)]
pub(super) struct ConnectorArg {
    /// Connector name [default: all connectors]
    name: Option<String>,
}

/// For commands that interrupt delivery: all connectors only if that is said.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ConnectorOrAll {
    /// Connector name
    name: Option<String>,
    /// All connectors
    #[arg(long)]
    all: bool,
}

impl From<ConnectorOrAll> for ConnectorArg {
    fn from(which: ConnectorOrAll) -> Self {
        Self { name: which.name }
    }
}

#[derive(Debug, Args)]
pub(super) struct MetricsOptions {
    /// Connector name [default: the metrics of the host and of all connectors]
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
    let mut status = host_status(host)?;
    if let Some(name) = &options.name {
        status = only(status, name)?;
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
    which: impl Into<ConnectorArg>,
    command: fn(Option<String>) -> Command,
) -> anyhow::Result<ExitCode> {
    let Reply::Accepted(names) = request(host, &command(which.into().name))? else { return unexpected() };
    output::print_line(format_args!("accepted for {}", names.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn metrics(host: &HostOptions, options: &MetricsOptions) -> anyhow::Result<ExitCode> {
    if let Some(name) = &options.name {
        only(host_status(host)?, name)?;
    }
    let Reply::Metrics(text) = request(host, &Command::Metrics)? else { return unexpected() };
    output::print(match &options.name {
        Some(name) => metrics_of(&text, name),
        None => text,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn host_status(host: &HostOptions) -> anyhow::Result<HostStatus> {
    let Reply::Status(status) = request(host, &Command::Status)? else { return unexpected() };
    Ok(status)
}

/// The status of one connector.
fn only(mut status: HostStatus, name: &str) -> anyhow::Result<HostStatus> {
    status.connectors.retain(|connector| connector.name == name);
    anyhow::ensure!(!status.connectors.is_empty(), "no connector \"{name}\"; `tidegate status` lists them");
    Ok(status)
}

/// The series of one connector, with the comments of their metrics, from Prometheus' text format.
fn metrics_of(text: &str, connector: &str) -> String {
    // As the exporter writes it; names of connectors need no escapes.
    let label = format!("connector=\"{connector}\"");
    let has_label = |line: &str| {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        labels.is_some_and(|(labels, _)| labels.split(',').any(|one| one == label))
    };
    let (mut found, mut comments, mut in_comments) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        if !line.starts_with('#') {
            in_comments = false;
            if has_label(line) {
                found.extend(comments.drain(..).chain([line]).flat_map(|line| [line, "\n"]));
            }
            continue;
        }
        if !in_comments {
            comments.clear();
        }
        in_comments = true;
        comments.push(line);
    }
    found
}

fn unexpected<T>() -> anyhow::Result<T> {
    anyhow::bail!("the running host sent an unexpected reply: it may be another version of tidegate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_connector_keep_their_comments() {
        let text = "# HELP read Records\n# TYPE read counter\nread{connector=\"a\",task=\"0\"} 1\nread{connector=\"b\",task=\"0\"} 2\n\n\
                    # TYPE lag gauge\nlag{task=\"0\",connector=\"b\"} 3\nlag{connector=\"bb\"} 4\n# TYPE up gauge\nup 1\n";
        let of_b = "# HELP read Records\n# TYPE read counter\nread{connector=\"b\",task=\"0\"} 2\n# TYPE lag gauge\nlag{task=\"0\",connector=\"b\"} 3\n";
        assert_eq!(metrics_of(text, "b"), of_b);
    }
}
