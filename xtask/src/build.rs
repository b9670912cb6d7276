//! Builds the host and the plugins that the enabled connectors use, and nothing else.

use std::{
    collections::BTreeSet,
    env,
    io::{self, IsTerminal},
    path::Path,
    process::Command,
};

use crate::{connectors, prerequisites};

/// Builds what the connectors in `folder` need.
///
/// # Errors
/// If something that the build needs is missing, or the build fails; cargo has then printed why.
pub(crate) fn run(root: &Path, folder: &Path, target: &Path) -> Result<(), String> {
    prerequisites::check(env::var_os("PATH").as_deref())?;
    let packages = connectors::packages(root, folder)?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    eprintln!(
        "Building the host and {}: some minutes for the first time, seconds later on.",
        names.join(", ")
    );
    let mut cargo = command(root, target, &packages);
    // Cargo's progress is for people; elsewhere it would be hundreds of lines.
    if !io::stderr().is_terminal() {
        cargo.arg("--quiet");
    }
    let status = cargo.status().map_err(|error| format!("starting cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("building failed: cargo ended with {status}")) }
}

fn command(root: &Path, target: &Path, plugins: &BTreeSet<String>) -> Command {
    let mut cargo = nested_cargo::cargo();
    cargo.current_dir(root).args(["build", "--locked", "--package", "tidegate", "--target-dir"]).arg(target);
    cargo.args(plugins.iter().flat_map(|package| ["--package", package]));
    cargo
}
