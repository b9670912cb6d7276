//! Kafka's jars, by `tests/kafka/pom.xml`, and other jars from Maven Central.

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{maven, root};

/// Options for a small JVM that starts quickly.
pub(crate) const SMALL: [&str; 4] =
    ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"];

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
        Ok(Self { folder: fetch("kafka", "pom.xml")? })
    }
}

/// The folder with the jars that a file in `tests/kafka` lists, and all that they need. The first call downloads them to the
/// folder `name` in the target folder.
///
/// # Errors
/// If they are not available.
pub(super) fn fetch(name: &str, file: &str) -> Result<PathBuf, String> {
    let pom = root().join("tests/kafka").join(file);
    let text = fs::read_to_string(&pom).map_err(|error| format!("{}: {error}", pom.display()))?;
    maven::folder(name, &text, |maven, fresh| {
        maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime", "--file"]).arg(&pom);
        maven.arg(format!("-DoutputDirectory={}", fresh.display()));
    })
}
