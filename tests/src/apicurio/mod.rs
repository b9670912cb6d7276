//! An Apicurio Registry on loopback, run from its archive on Maven Central.
//!
//! Without Java or Maven, the tests are skipped with a message. With `TIDEGATE_REQUIRE_REGISTRY=1` they fail instead; with
//! `TIDEGATE_REQUIRE_REGISTRY=0` they are always skipped.
//!
//! A registry keeps its port and its schemas over a restart, and ends with the test process, however it ends.

mod schemas;

use std::{
    env,
    fs::{File, read_to_string},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
};

pub use schemas::Ids;

use crate::{kafka::SMALL, maven, ports::address, skipped, wait_for, watchdog::Watchdog};

/// The last version that runs with Java 17.
pub const VERSION: &str = "2.6.13.Final";

/// A registry, which ends when it is dropped or with the process.
#[derive(Debug)]
pub struct Apicurio {
    archive: PathBuf,
    folder: PathBuf,
    /// `host:port`.
    address: String,
    process: Mutex<Option<Child>>,
    watchdog: Watchdog,
}

impl Apicurio {
    /// The registry that the tests of this process share, so they must not stop it and must use their own subjects;
    /// `None`, with a message, without Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Apicurio>> = LazyLock::new(Apicurio::start);
        SHARED.as_ref()
    }

    /// Starts a registry for one test; `None`, with a message, without Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn start() -> Option<Self> {
        let archive = find().inspect_err(|reason| skipped::print_once(reason)).ok()?;
        let folder =
            tempfile::Builder::new().prefix("tidegate-registry-").tempdir().expect("a temporary folder");
        let folder = folder.keep();
        let watchdog = Watchdog::start(&folder);
        let registry = Self { archive, folder, address: address(), process: Mutex::default(), watchdog };
        registry.start_again();
        Some(registry)
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of Confluent's API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address)
    }

    /// The URL of Apicurio's own API.
    #[must_use]
    pub fn own_url(&self) -> String {
        format!("http://{}/apis/registry/v2", self.address)
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self) {
        let mut child = self.process().take().expect("a registry that runs");
        child.kill().expect("a child of ours");
        self.watchdog.forget(child.id());
        child.wait().expect("a child of ours");
    }

    /// Starts it after it was killed, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let log =
            File::options().append(true).create(true).open(self.folder.join("log")).expect("a log file");
        let (host, port) = self.address.split_once(':').expect("a host and a port");
        let database = format!("jdbc:h2:file:{}/registry;WRITE_DELAY=0", self.folder.display());
        let mut java = Command::new("java");
        java.args(SMALL).arg("-Xmx320m").current_dir(&self.folder).stdin(Stdio::null());
        java.arg(format!("-Dquarkus.http.host={host}")).arg(format!("-Dquarkus.http.port={port}"));
        java.arg("-jar").arg(&self.archive).env("REGISTRY_DATASOURCE_URL", database);
        let child =
            java.stdout(log.try_clone().expect("a log file")).stderr(log).spawn().expect("Java starts");
        self.watchdog.watch(child.id());
        *self.process() = Some(child);
        let up = wait_for(|| {
            let ended = self.process().as_mut().and_then(|child| child.try_wait().expect("a child of ours"));
            assert!(ended.is_none(), "the registry ended:\n{}", self.log());
            self.answers().then_some(())
        });
        up.unwrap_or_else(|reason| panic!("the registry: {reason}\n{}", self.log()));
    }

    fn log(&self) -> String {
        read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        self.watchdog.end();
        let _reaped = self.process().take().is_some_and(|mut child| child.wait().is_ok());
    }
}

/// The program, or why there is none.
fn find() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let required = env::var("TIDEGATE_REQUIRE_REGISTRY").unwrap_or_default();
    if required == "0" {
        return Err("TIDEGATE_REQUIRE_REGISTRY=0".to_owned());
    }
    let found = FOUND.get_or_init(fetch).clone();
    found.inspect_err(|reason| assert!(required != "1", "TIDEGATE_REQUIRE_REGISTRY=1, but {reason}"))
}

fn fetch() -> Result<PathBuf, String> {
    let folder = maven::folder("apicurio", VERSION, |maven, fresh| {
        maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack");
        maven.arg(format!("-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"));
        maven.arg(format!("-DoutputDirectory={}", fresh.display()));
    })?;
    Ok(folder.join(format!("apicurio-registry-app-{VERSION}-runner.jar")))
}
