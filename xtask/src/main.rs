//! Tasks of the workspace: `cargo demo` builds the host and the plugins that its connectors use, and runs them with captured events;
//! `cargo xtask peers` compares the host with other programs; `cargo xtask sbom` lists what is shipped, for packages.

mod build;
mod connectors;
mod demo;
mod host;
mod licence_texts;
mod peers;
mod prerequisites;
mod sbom;
mod shipped;
mod summary;

use std::{env, process::ExitCode};

const USAGE: &str = "usage: cargo xtask demo [-- ARGUMENTS OF `tidegate run`]
       cargo xtask peers connect|postgres [--quick]
       cargo xtask sbom FOLDER PACKAGE...

`cargo demo -- --once` ends by itself";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        // `--` is optional before arguments of the host.
        Some("demo") => demo::run(arguments.skip_while(|argument| argument == "--")),
        Some("peers") => peers::run(arguments),
        Some("sbom") => sbom::run(arguments),
        Some(host::COMMAND) => host::become_host(arguments),
        _ => Err(USAGE.to_owned()),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("{message}");
        ExitCode::FAILURE
    })
}
