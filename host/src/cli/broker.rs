//! `tidegate broker`: runs the embedded development broker.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;

use super::{HostOptions, output, setup};
use crate::{
    config::Environment,
    kafka::embedded::{EmbeddedBroker, Loader, Options},
};

#[derive(Debug, Args)]
pub(super) struct BrokerOptions {
    /// Address to listen on; must be a loopback address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:19092")]
    listen: SocketAddr,
    /// File with records to load, .jsonl or .jsonl.gz; can be repeated
    #[arg(long, value_name = "FILE")]
    load: Vec<PathBuf>,
    /// Number of partitions of the topics that are created for --load
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u32,
}

pub(super) fn run(host: &HostOptions, options: &BrokerOptions) -> anyhow::Result<ExitCode> {
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let broker = EmbeddedBroker::start(&Options { listen: Some(options.listen), ..Options::default() })
        .context("starting the embedded broker")?;
    for file in &options.load {
        let report = Loader::new(&broker).partitions(options.partitions).load(file)?;
        output::print_line(format_args!(
            "loaded {}: {} into {}",
            file.display(),
            output::count(report.records, "record"),
            output::count(report.topics.len() as u64, "topic")
        ))?;
    }
    output::print_line(format_args!("listening on {}", broker.bootstrap_servers()))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
