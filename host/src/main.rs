//! The `tidegate` command: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use tidegate::{
    cli::{self, Cli, EXIT_ERROR},
    telemetry,
};

fn main() -> ExitCode {
    let outcome = cli::run(Cli::parse());
    telemetry::flush_log();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", telemetry::scrub(&cli::describe(&error)));
            ExitCode::from(EXIT_ERROR)
        }
    }
}
