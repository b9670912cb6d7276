//! The virtual environment that the stand-in and Snowflake's own client run in.
//!
//! It lies under the target folder, by the hash of what is installed, and is made once; tests that run at the same time
//! wait for each other.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use crate::{artifacts::target, root};

/// Names that Python goes by.
const CANDIDATES: [&str; 5] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];

/// What fakesnow needs.
const IS_NEW_ENOUGH: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/// The folder of the stand-in.
pub(crate) fn folder() -> PathBuf {
    root().join("tests/snowflake")
}

/// A Python that has the stand-in's packages; made on the first call.
///
/// # Errors
/// Why there is none.
pub(crate) fn python() -> Result<Command, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let path = PYTHON.get_or_init(prepare).as_ref().map_err(Clone::clone)?;
    let mut command = Command::new(path);
    // No caches in the checkout, no warnings about what fakesnow does in the log.
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
