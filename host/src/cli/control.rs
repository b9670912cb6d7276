//! `tidegate status`, `health`, `pause`, `resume`, `restart`, `reopen`, `stop` and `metrics`: control a running host.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{HostOptions, output, table};
use crate::{
    api::{Accepted, ask, request},
    config::Environment,
    supervisor::HostStatus,
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

#[derive(Debug, Args)]
pub(super) struct RestartOptions {
    #[command(flatten)]
    which: ConnectorOrAll,
    /// Restart only this task, without reading the connector's file again
    #[arg(long, value_name = "N", requires = "name")]
    task: Option<u32>,
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

fn state_dir(host: &HostOptions) -> anyhow::Result<PathBuf> {
    Ok(host.config(&Environment::process())?.state_dir)
}

pub(super) fn status(host: &HostOptions, options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let mut status = host_status(host)?;
    if let Some(name) = &options.name {
        status = only(status, name)?;
    }
    if options.json {
        output::print_json(&status)?;
    } else {
        output::print(table::status(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the answer of the host's `/readyz`, for health checks that have no HTTP client.
pub(super) fn health(host: &HostOptions) -> anyhow::Result<ExitCode> {
    output::print_line(request(&state_dir(host)?, Method::GET, "/readyz")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Sends a command, such as `pause`, for one connector or for all.
pub(super) fn tell(
    host: &HostOptions,
    which: impl Into<ConnectorArg>,
    command: &str,
) -> anyhow::Result<ExitCode> {
    let path = match which.into().name {
        Some(name) => {
            let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
            format!("/tidegate/v1/connectors/{name}/{command}")
        }
        None => format!("/tidegate/v1/{command}"),
    };
    let Accepted { accepted } = ask(&state_dir(host)?, Method::POST, &path)?;
    output::print_line(format_args!("accepted for {}", accepted.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restart(host: &HostOptions, options: RestartOptions) -> anyhow::Result<ExitCode> {
    let RestartOptions { which, task } = options;
    let (Some(name), Some(task)) = (&which.name, task) else { return tell(host, which, "restart") };
    let path = format!("/connectors/{}/tasks/{task}/restart", utf8_percent_encode(name, NON_ALPHANUMERIC));
    request(&state_dir(host)?, Method::POST, &path)?;
    output::print_line(format_args!("accepted for {name}[{task}]"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn metrics(host: &HostOptions, options: &MetricsOptions) -> anyhow::Result<ExitCode> {
    if let Some(name) = &options.name {
        only(host_status(host)?, name)?;
    }
    let text = request(&state_dir(host)?, Method::GET, "/metrics")?;
    output::print(match &options.name {
        Some(name) => metrics_of(&text, name),
        None => text,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn host_status(host: &HostOptions) -> anyhow::Result<HostStatus> {
    Ok(ask(&state_dir(host)?, Method::GET, "/tidegate/v1/status")?)
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
