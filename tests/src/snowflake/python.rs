//! The virtual environment of the stand-in and of Snowflake's Python client.
//!
//! It is created once in the target folder, under a hash of the requirements. Concurrent test processes wait for each
//! other.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use crate::{artifacts::target, root};

/// Names of the Python executable.
const CANDIDATES: [&str; 5] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];

/// fakesnow needs Python 3.11.
const IS_NEW_ENOUGH: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/// The folder of the stand-in.
pub(crate) fn folder() -> PathBuf {
    root().join("tests/snowflake")
}

/// The Python of the virtual environment, which the first call creates.
///
/// # Errors
/// If it is not available.
pub(crate) fn python() -> Result<Command, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let path = PYTHON.get_or_init(prepare).as_ref().map_err(Clone::clone)?;
    let mut command = Command::new(path);
    // Write no bytecode into the repository, and hide fakesnow's warnings.
    command.args(["-W", "ignore", "-B"]).current_dir(folder());
    Ok(command)
}

fn prepare() -> Result<PathBuf, String> {
    let requirements = folder().join("requirements.txt");
    let text = fs::read_to_string(&requirements).map_err(|error| format!("{requirements:?}: {error}"))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let parent = target().0.join("snowflake-stand-in");
    let home = parent.join(format!("{:016x}", hasher.finish()));
    fs::create_dir_all(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    let lock = File::create(parent.join("lock")).map_err(|error| format!("the lock file: {error}"))?;
    lock.lock().map_err(|error| format!("the lock file: {error}"))?;
    let ready = home.join("ready");
    if !ready.exists() {
        install(&home, &requirements)?;
        fs::write(&ready, "").map_err(|error| format!("{}: {error}", ready.display()))?;
    }
    Ok(home.join("bin/python"))
}

fn install(home: &Path, requirements: &Path) -> Result<(), String> {
    let is_usable = |name: &&str| {
        let found = Command::new(name).args(["-c", IS_NEW_ENOUGH]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let base = CANDIDATES.into_iter().find(is_usable);
    let base = base.ok_or("there is no Python 3.11 or newer with venv: install python3 and python3-venv")?;
    run(Command::new(base).args(["-m", "venv", "--clear"]).arg(home), "making a virtual environment")?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(requirements), "installing packages from the registry")
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let Output { status, stderr, .. } = command.output().map_err(|error| format!("{what}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&stderr);
    Err(format!("{what} failed: {}", text.lines().last().unwrap_or_default()))
}
