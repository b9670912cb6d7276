//! `cargo demo`: the connectors in `connectors.d/` on the embedded broker, filled with captured change events.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The host and the shipped plugins, listed so that tests and fixtures are not built.
const PACKAGES: [&str; 7] =
    ["tidegate", "basics", "console-sink", "discard-sink", "file-sink", "price-change", "snowflake-sink"];
const CAPTURE: &str = "tests/data/shop-string/json.jsonl.gz";
/// State and output of the demo. The connector files contain this path too.
const FOLDER: &str = "target/demo";

/// Builds the workspace and executes the host in this process, so that the demo has its exit code and gets its signals.
///
/// # Errors
/// Whatever keeps the host from starting; cargo has then told why a build failed.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<Infallible, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no folder above it")?;
    let target = target_folder()?;
    build(root, &target)?;
    start_afresh(&root.join(FOLDER))?;
    eprintln!("Running connectors.d on an embedded Kafka with captured events; files go to {FOLDER}/out.");
    eprintln!("Ctrl-C ends it; `cargo demo -- --once` ends by itself.\n");
    let executable = target.join("debug/tidegate");
    let mut host = Command::new(&executable);
    host.current_dir(root)
        .args(["run", "--embedded-kafka", "--load", CAPTURE, "--connectors", "connectors.d", "--state-dir"])
        .arg(format!("{FOLDER}/state"))
        .args(arguments);
    Err(format!("starting {}: {}", executable.display(), host.exec()))
}

/// The target folder: `<target>` of the running `<target>/debug/xtask`.
fn target_folder() -> Result<PathBuf, String> {
    let executable =
        env::current_exe().map_err(|error| format!("finding the running executable: {error}"))?;
    let target = executable.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| format!("{} is in no target folder", executable.display()))
}

fn build(root: &Path, target: &Path) -> Result<(), String> {
    eprintln!("Building the host and its plugins: some minutes for the first time, seconds later on.");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(root).args(["build", "--locked", "--target-dir"]).arg(target);
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    // Without a terminal, cargo's progress would be hundreds of lines.
    if !io::stderr().is_terminal() {
        cargo.arg("--quiet");
    }
    let status = cargo.status().map_err(|error| format!("starting cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("building failed: cargo ended with {status}")) }
}

/// Every demo has a new broker, whose offsets start at 0. The file sink stores offsets with its files and would skip
/// all events.
fn start_afresh(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("removing {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}
