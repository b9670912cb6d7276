//! Tasks of the workspace: `cargo demo` builds the host and the shipped plugins, and runs them with captured events.

mod demo;

use std::{env, process::ExitCode};

const USAGE: &str =
    "usage: cargo xtask demo [-- ARGUMENTS OF `tidegate run`]\n\n`cargo demo -- --once` ends by itself";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        // `--` is optional before arguments of the host.
        Some("demo") => demo::run(arguments.skip_while(|argument| argument == "--")),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(never) => match never {},
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
