//! The `tidegate` command: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{self, Cli, EXIT_ERROR};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", tidegate::telemetry::scrub(&cli::describe(&error)));
            ExitCode::from(EXIT_ERROR)
        }
    }
}
