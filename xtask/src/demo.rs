//! `cargo demo`: the connectors in `connectors.d/` on the embedded broker, filled with captured change events.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{build, host, summary};

const CAPTURE: &str = "tests/data/shop-string/json.jsonl.gz";
const CONNECTORS: &str = "connectors.d";
/// The folder of the demo's output, which the connector files name as well.
const FOLDER: &str = "target/demo";

/// Builds the host, runs it, and ends with a summary. The exit code is the host's.
///
/// # Errors
/// If something is missing that the build needs, the build fails, or the host cannot be started.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no folder above it")?;
    let target = target_folder()?;
    build::run(root, &root.join(CONNECTORS), &target)?;
    start_afresh(&root.join(FOLDER))?;
    let executable = target.join("debug/tidegate");
    let shown = executable.strip_prefix(root).unwrap_or(&executable).display().to_string();
    eprintln!("Running {CONNECTORS} on an embedded Kafka with captured events; files go to {FOLDER}.");
    eprintln!(
        "Ctrl-C ends it; `cargo demo -- --once` ends by itself. `{shown} status` shows its state meanwhile.\n"
    );
    let arguments: Vec<String> = arguments.collect();
    let mut host = host::command(&executable)?;
    // The default state folder, in which `tidegate status` looks for the host.
    host.current_dir(root)
        .args(["run", "--embedded-kafka", "--load", CAPTURE, "--connectors", CONNECTORS])
        .args(&arguments);
    // The port of the REST API may be that of a running Kafka Connect.
    if !arguments.iter().any(|argument| argument.starts_with("--api")) {
        host.args(["--api", "off"]);
    }
    let status =
        host::run_to_end(&mut host).map_err(|error| format!("running {}: {error}", executable.display()))?;
    eprint!("{}", summary::text(&shown, FOLDER, &root.join(FOLDER)));
    Ok(host::exit_code(status))
}

/// The target folder: `<target>` of the running `<target>/debug/xtask`.
fn target_folder() -> Result<PathBuf, String> {
    let executable =
        env::current_exe().map_err(|error| format!("finding the running executable: {error}"))?;
    let target = executable.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| format!("{} is in no target folder", executable.display()))
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
