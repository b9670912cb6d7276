//! A worker of Kafka Connect, by `tests/kafka/connect.xml`, with Debezium's source, by `tests/kafka/debezium.xml`, or with its JDBC sink,
//! by `tests/kafka/debezium-jdbc.xml`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use super::{Kafka, jars};
use crate::{ports::address, wait_for};

/// The version in `tests/kafka/connect.xml` and `tests/kafka/debezium-jdbc.xml`.
pub const CONNECT_VERSION: &str = "4.1.1";
/// The version in `tests/kafka/debezium-jdbc.xml`.
pub const DEBEZIUM_JDBC_VERSION: &str = "3.5.0.Final";

/// A running worker, which ends when it is dropped, or with the cluster.
#[derive(Debug)]
pub struct Connect<'k> {
    kafka: &'k Kafka,
    process: Child,
    started: Instant,
    folder: tempfile::TempDir,
    url: String,
    client: ureq::Agent,
}

impl Kafka {
    /// Starts a worker with further options of its JVM, further lines of its properties, and connectors by name. Does not
    /// wait until it is ready.
    ///
    /// # Panics
    /// If Maven cannot download Connect, or Java does not start.
    #[must_use]
    pub fn connect(
        &self,
        java: &[&str],
        properties: &[(&str, &str)],
        connectors: &[(String, Json)],
    ) -> Connect<'_> {
        self.standalone("connect", java, properties, connectors)
    }

    /// As [`Kafka::connect`], but the worker has Debezium's JDBC sink instead of Kafka's file connectors.
    ///
    /// # Panics
    /// As [`Kafka::connect`].
    #[must_use]
    pub fn connect_with_jdbc(
        &self,
        java: &[&str],
        properties: &[(&str, &str)],
        connectors: &[(String, Json)],
    ) -> Connect<'_> {
        self.standalone("debezium-jdbc", java, properties, connectors)
    }

    /// A standalone worker with the jars that the file of this name lists.
    fn standalone(
        &self,
        name: &str,
        java: &[&str],
        properties: &[(&str, &str)],
        connectors: &[(String, Json)],
    ) -> Connect<'_> {
        let jars = jars::fetch(name, &format!("{name}.xml")).expect("Kafka Connect from Maven Central");
        let folder =
            tempfile::Builder::new().prefix("tidegate-connect-").tempdir().expect("a temporary folder");
        let address = address();
        let url = format!("http://{address}");
        let offsets = folder.path().join("offsets").display().to_string();
        let servers = self.servers();
        let own = [
            ("bootstrap.servers", servers.as_str()),
            ("listeners", &url),
            ("offset.storage.file.filename", &offsets),
            ("plugin.discovery", "service_load"),
        ];
        let lines = own.iter().chain(properties);
        let mut files = vec![(folder.path().join("worker.properties"), properties_text(lines.copied()))];
        for (name, config) in connectors {
            let config = config.as_object().expect("a table of options");
            let options =
                config.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
            let text = properties_text([("name", name.as_str())].into_iter().chain(options));
            files.push((folder.path().join(format!("{name}.properties")), text));
        }
        let worker = "org.apache.kafka.connect.cli.ConnectStandalone";
        self.run_worker(&jars, java, worker, folder, &files, url.clone())
    }

    /// Starts a distributed worker, and waits until it answers.
    ///
    /// # Panics
    /// If Maven cannot download Connect, or Java does not start.
    #[must_use]
    pub fn distributed_connect(&self) -> Connect<'_> {
        self.distributed("connect", "service_load")
    }

    /// Starts a distributed worker that has Debezium and Apicurio's converters, and waits until it answers.
    ///
    /// # Panics
    /// If Maven cannot download them, or Java does not start.
    #[must_use]
    pub fn debezium(&self) -> Connect<'_> {
        // Not all of these are found as services.
        self.distributed("debezium", "only_scan")
    }

    /// A distributed worker with the jars that the file of this name lists, and with names of its own for its topics.
    fn distributed(&self, name: &str, discovery: &str) -> Connect<'_> {
        let jars = jars::fetch(name, &format!("{name}.xml")).expect("Kafka Connect from Maven Central");
        let folder =
            tempfile::Builder::new().prefix("tidegate-connect-").tempdir().expect("a temporary folder");
        let (url, servers) = (format!("http://{}", address()), self.servers());
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let own = ["cluster", "configs", "offsets", "status"].map(|part| format!("{name}-{part}"));
        let lines = [
            ("bootstrap.servers", servers.as_str()),
            ("listeners", &url),
            ("group.id", &own[0]),
            ("config.storage.topic", &own[1]),
            ("offset.storage.topic", &own[2]),
            ("status.storage.topic", &own[3]),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
            ("offset.flush.interval.ms", "1000"),
            ("plugin.discovery", discovery),
            ("key.converter", json),
            ("value.converter", json),
        ];
        let files = [(folder.path().join("worker.properties"), properties_text(lines))];
        let worker = "org.apache.kafka.connect.cli.ConnectDistributed";
        let connect = self.run_worker(&jars, &[], worker, folder, &files, url);
        let ready = wait_for(|| connect.client.get(format!("{}/connectors", connect.url)).call().ok());
        ready.map(drop).unwrap_or_else(|reason| panic!("the worker: {reason}\n{}", connect.log()));
        connect
    }

    fn run_worker(
        &self,
        jars: &Path,
        java: &[&str],
        class: &str,
        folder: tempfile::TempDir,
        files: &[(PathBuf, String)],
        url: String,
    ) -> Connect<'_> {
        for (path, text) in files {
            fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let log = fs::File::create(folder.path().join("log")).expect("a log file");
        let mut command = Command::new("java");
        command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]).args(java);
        command.args([OsStr::new("-cp"), jars.join("*").as_os_str()]);
        command.arg(class).args(files.iter().map(|(path, _)| path));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log file")).stderr(log);
        let started = Instant::now();
        let process = command.spawn().expect("Java starts");
        self.watchdog.watch(process.id());
        let timeout = Some(Duration::from_secs(60));
        let client = ureq::Agent::config_builder().timeout_global(timeout).build().into();
        Connect { kafka: self, process, started, folder, url, client }
    }
}

impl Connect<'_> {
    /// The URL of its REST API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// When its JVM was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The worker's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Creates a connector.
    ///
    /// # Panics
    /// If the worker rejects it.
    pub fn create(&self, name: &str, config: &Json) {
        let body = json!({"name": name, "config": config}).to_string();
        let request = self.client.post(format!("{}/connectors", self.url));
        let response = request.header("Content-Type", "application/json").send(body);
        response.unwrap_or_else(|error| panic!("connector {name}: {error}\n{}", self.log()));
    }

    /// Deletes a connector.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn delete(&self, name: &str) {
        let response = self.client.delete(format!("{}/connectors/{name}", self.url)).call();
        response.unwrap_or_else(|error| panic!("connector {name}: {error}\n{}", self.log()));
    }

    /// Waits until this number of tasks runs.
    ///
    /// # Panics
    /// If that does not happen.
    pub fn wait_for_tasks(&self, count: usize) {
        let running = wait_for(|| {
            let tasks = self.tasks()?;
            (tasks.iter().filter(|task| task["state"] == "RUNNING").count() == count).then_some(())
        });
        running.unwrap_or_else(|reason| panic!("{count} tasks: {reason}\n{}", self.log()));
    }

    /// Why a task has failed: the trace of the first one; `None` if none has, or the worker does not answer yet.
    #[must_use]
    pub fn failed_task(&self) -> Option<String> {
        let failed = self.tasks()?.into_iter().find(|task| task["state"] == "FAILED")?;
        Some(failed["trace"].as_str().unwrap_or_default().to_owned())
    }

    /// The status of all tasks of all connectors.
    fn tasks(&self) -> Option<Vec<Json>> {
        let mut response = self.client.get(format!("{}/connectors?expand=status", self.url)).call().ok()?;
        let status: Json = serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()?;
        let connectors = status.as_object()?.values();
        Some(connectors.filter_map(|one| one["status"]["tasks"].as_array()).flatten().cloned().collect())
    }

    /// What it has logged: warnings and errors.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Connect<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.process.kill().is_err();
        let _reaped = self.process.wait().is_ok();
        self.kafka.watchdog.forget(self.process.id());
    }
}

fn properties_text<'p>(properties: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    properties.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}
