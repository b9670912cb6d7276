//! `cargo xtask peers`: compares Tidegate with other programs. The comparison itself is a benchmark of the tests, which starts a real
//! Kafka: this program stays small, because `cargo demo` builds it.

use std::{env, path::Path, process::ExitCode};

use crate::{host, prerequisites};

/// Builds and runs the comparison with these arguments. The exit code is its own.
///
/// # Errors
/// If something is missing that the build needs, or cargo cannot be started.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    prerequisites::check(env::var_os("PATH").as_deref())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no folder above it")?;
    let mut cargo = nested_cargo::cargo();
    // The whole workspace: with --package, cargo selects other features and builds most dependencies again.
    cargo
        .current_dir(root)
        .args(["bench", "--workspace", "--bench", "peers", "--locked", "--"])
        .args(arguments);
    let status = cargo.status().map_err(|error| format!("starting cargo: {error}"))?;
    Ok(host::exit_code(status))
}
