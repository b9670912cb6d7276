//! `tidegate import connect`: turns the configuration of a Kafka Connect sink into a connector file.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::{EXIT_ERROR, HostOptions, output, setup};
use crate::{
    config::{Environment, Finding, Import, Options, Severity, connector_schema, is_connector_name, to_file},
    supervisor::Catalog,
};

#[derive(Debug, Args)]
pub(super) struct ImportOptions {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// A configuration of a Kafka Connect sink: {"name": .., "config": {..}}, or only the options
    Connect(ConnectOptions),
}

#[derive(Debug, Args)]
struct ConnectOptions {
    /// JSON file
    file: PathBuf,
    /// Name of the connector [default: that in the file]
    #[arg(long)]
    name: Option<String>,
    /// Write the file to the folder of connector files, instead of printing it
    #[arg(long)]
    write: bool,
}

pub(super) fn run(host: &HostOptions, options: &ImportOptions) -> anyhow::Result<ExitCode> {
    let From::Connect(options) = &options.from;
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let registry = setup::inspect_with_warnings(&config)?;
    let (name, given) = read(options)?;
    let import = to_file(&name, &given, None, &connector_schema(&Catalog(&registry), &config));
    report(&import);
    if import.has_errors() {
        return Ok(ExitCode::from(EXIT_ERROR));
    }
    if !options.write {
        output::print(&import.text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = config.connectors.iter().find(|path| path.is_dir());
    let folder = folder.context(
        "there is no folder of connector files: create connectors.d, or name one with --connectors",
    )?;
    let path = folder.join(format!("{name}.toml"));
    write_new(&path, &import.text).with_context(|| format!("writing {}", path.display()))?;
    output::print_line(format_args!("written to {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The name and the options in the file.
fn read(options: &ConnectOptions) -> anyhow::Result<(String, Options)> {
    let file = options.file.display();
    let text = fs::read_to_string(&options.file).with_context(|| format!("reading {file}"))?;
    let mut json: Map<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("{file} is not a JSON object"))?;
    let outer = json.get("name").and_then(Value::as_str).map(str::to_owned);
    if let Some(Value::Object(config)) = json.get_mut("config") {
        json = std::mem::take(config);
    }
    let name = options.name.clone().or(outer).or_else(|| json.get("name")?.as_str().map(str::to_owned));
    let name = name.with_context(|| format!("{file} has no name: set one with --name"))?;
    anyhow::ensure!(
        is_connector_name(&name),
        "{name:?} is not the name of a connector: set one of ASCII letters, digits, \".\", \"_\" and \"-\" with --name"
    );
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    Ok((name, json.into_iter().filter_map(|(option, value)| Some((option, text(value)?))).collect()))
}

/// Findings go to standard error, so that the file can be redirected.
fn report(import: &Import) {
    let print = |kind: &str, finding: &Finding| eprintln!("{kind}: {}", finding.message);
    import.of(Severity::Error).for_each(|finding| print("error", finding));
    import.of(Severity::Warning).for_each(|finding| print("warning", finding));
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
