//! Files from Maven Central, which Maven copies into the target folder, once for each version.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::artifacts::target;

/// The folder of `name` in the target folder, which is filled by Maven the first time. `version` stands for the content:
/// another one is another folder. `goal` adds arguments to Maven's command line, given the folder to fill.
///
/// # Errors
/// If Java or Maven are missing, or Maven fails.
pub(crate) fn folder(
    name: &str,
    version: &str,
    goal: impl FnOnce(&mut Command, &Path),
) -> Result<PathBuf, String> {
    require("java", "-version", "a Java runtime of version 17 or newer")?;
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    let parent = target().0.join(name);
    let folder = parent.join(format!("{:016x}", hasher.finish()));
    fs::create_dir_all(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    // Concurrent test processes wait for each other.
    let lock = File::create(parent.join("lock")).map_err(|error| format!("the lock file: {error}"))?;
    lock.lock().map_err(|error| format!("the lock file: {error}"))?;
    if !folder.exists() {
        require("mvn", "--version", "Maven")?;
        let fresh = parent.join("fetching");
        let mut maven = Command::new("mvn");
        // Without a project, Maven leaves files of its own in the current folder.
        maven.args(["--quiet", "--batch-mode"]).current_dir(&parent);
        goal(&mut maven, &fresh);
        let output = maven.output().map_err(|error| format!("Maven: {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            return Err(format!("Maven does not fetch {name}: {}", text.lines().next().unwrap_or_default()));
        }
        fs::rename(&fresh, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(folder)
}

fn require(program: &str, argument: &str, what: &str) -> Result<(), String> {
    let ran = Command::new(program).arg(argument).output();
    if ran.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(format!("{program} is missing: install {what}"))
}
