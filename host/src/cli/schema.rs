//! `tidegate schema`: prints the JSON Schema of connector files, for editors.

use std::process::ExitCode;

use clap::Args;

use super::{HostOptions, output, setup};
use crate::{
    config::{Environment, connector_schema, host_file_schema},
    supervisor::Catalog,
};

#[derive(Debug, Args)]
pub(super) struct SchemaOptions {
    /// Print the schema of the host file instead
    #[arg(long)]
    host_file: bool,
}

pub(super) fn run(host: &HostOptions, options: &SchemaOptions) -> anyhow::Result<ExitCode> {
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let registry = setup::inspect_with_warnings(&config)?;
    let catalog = Catalog(&registry);
    let schema =
        if options.host_file { host_file_schema(&catalog) } else { connector_schema(&catalog, &config) };
    output::print_json(&schema)?;
    Ok(ExitCode::SUCCESS)
}
