//! Chores of the workspace: `cargo demo` builds the host and the plugins it needs, and runs them on captured events.

mod build;
mod connectors;
mod demo;
mod host;
mod prerequisites;
mod summary;

use std::{env, process::ExitCode};

const USAGE: &str =
    "usage: cargo xtask demo [-- ARGUMENTS OF `tidegate run`]\n\n`cargo demo -- --once` ends by itself";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        // Without its own `--` an argument such as `--once` is meant for the host as well.
        Some("demo") => demo::run(arguments.skip_while(|argument| argument == "--")),
        Some(host::COMMAND) => host::become_host(arguments),
        _ => Err(USAGE.to_owned()),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("{message}");
        ExitCode::FAILURE
    })
}
