//! Kafka's jars, which Maven copies into the target folder, once for each version of `tests/kafka/pom.xml`.

use std::{
    ffi::OsStr,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{artifacts::target, root};

/// Options for a small JVM that starts quickly.
const SMALL: [&str; 4] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"];

/// The command line of Kafka.
#[derive(Debug)]
pub(super) struct Jars {
    folder: PathBuf,
}

impl Jars {
    /// The jars. The first call downloads them.
    ///
    /// # Errors
    /// If they are not available.
    pub(super) fn get() -> Result<&'static Self, String> {
        static JARS: OnceLock<Result<Jars, String>> = OnceLock::new();
        JARS.get_or_init(Self::fetch).as_ref().map_err(Clone::clone)
    }

    /// A command that runs a class of Kafka, with an empty stdin.
    pub(super) fn command<O: AsRef<OsStr>>(
        &self,
        options: impl IntoIterator<Item = O>,
        class: &str,
    ) -> Command {
        let mut command = Command::new("java");
        command.args(SMALL).args(options);
        command.args(["-cp", &format!("{}/*", self.folder.display()), class]).stdin(Stdio::null());
        command
    }

    fn fetch() -> Result<Self, String> {
        require("java", "-version", "a Java runtime of version 17 or newer")?;
        let pom = root().join("tests/kafka/pom.xml");
        let text = fs::read_to_string(&pom).map_err(|error| format!("{}: {error}", pom.display()))?;
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let parent = target().0.join("kafka");
        let folder = parent.join(format!("{:016x}", hasher.finish()));
        fs::create_dir_all(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        // Concurrent test processes wait for each other.
        let lock = File::create(parent.join("lock")).map_err(|error| format!("the lock file: {error}"))?;
        lock.lock().map_err(|error| format!("the lock file: {error}"))?;
        if !folder.exists() {
            require("mvn", "--version", "Maven")?;
            let fresh = parent.join("fetching");
            let mut maven = Command::new("mvn");
            maven.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
            maven.arg("--file").arg(&pom).arg(format!("-DoutputDirectory={}", fresh.display()));
            let output = maven.output().map_err(|error| format!("Maven: {error}"))?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stdout);
                return Err(format!(
                    "Maven does not fetch Kafka: {}",
                    text.lines().next().unwrap_or_default()
                ));
            }
            fs::rename(&fresh, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(Self { folder })
    }
}

fn require(program: &str, argument: &str, what: &str) -> Result<(), String> {
    let ran = Command::new(program).arg(argument).output();
    if ran.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(format!("{program} is missing: install {what}"))
}
