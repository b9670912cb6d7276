//! A Prometheus on loopback that scrapes running hosts, and its tool `promtool`, as in Debian's package `prometheus`.
//!
//! Where they are not installed, the tests are skipped with a message. With `TIDEGATE_REQUIRE_PROMETHEUS=1` they fail instead.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{Home, ports::address, skipped, wait_for};

/// A running Prometheus, which ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    address: String,
    folder: TempDir,
}

/// What `promtool` has printed, and whether it is content.
#[derive(Debug)]
pub struct Checked {
    /// It has found nothing.
    pub success: bool,
    /// Its output.
    pub output: String,
}

impl Prometheus {
    /// Starts it, with these rules and this target, `host:port`, under the job `tidegate`. `None`, with a message, where it is not
    /// installed.
    ///
    /// # Panics
    /// When it does not start, or is not installed and the environment requires it.
    #[must_use]
    pub fn start(rules: &Path, target: &str) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("tidegate-prometheus-").tempdir().expect("a folder");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: tidegate\n    static_configs: [{{ targets: [{target:?}] }}]\n"
        );
        fs::write(&config, text).expect("a new file");
        let address = address();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a new file"))
            .spawn()
            .expect("prometheus is installed");
        let prometheus = Self { process, address, folder };
        if let Err(reason) = wait_for(|| prometheus.get("/-/ready", &[])) {
            let log = fs::read_to_string(prometheus.folder.path().join("log")).unwrap_or_default();
            panic!("prometheus: {reason}\n{log}");
        }
        Some(prometheus)
    }

    /// The result of a query: a list of samples.
    ///
    /// # Errors
    /// What is wrong with the query.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn query(&self, query: &str) -> Result<Vec<Json>, String> {
        let answer = self.get("/api/v1/query", &[("query", query)]).expect("an answer");
        let answer: Json = serde_json::from_str(&answer).expect("JSON");
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"].as_array().expect("samples").clone())
    }

    /// The alert rules that it has loaded: name, health and error.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn rules(&self) -> Vec<Json> {
        let answer = self.get("/api/v1/rules", &[]).expect("an answer");
        let answer: Json = serde_json::from_str(&answer).expect("JSON");
        let groups = answer["data"]["groups"].as_array().expect("groups").clone();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<String> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.get(format!("http://{}{path}", self.address));
        let request = request.query_pairs(parameters.iter().copied());
        let mut answer = request.call().ok()?;
        let is_ready = answer.status() != 503;
        answer.body_mut().read_to_string().ok().filter(|_| is_ready)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.process.kill().is_err();
        let _reaped = self.process.wait().is_ok();
    }
}

/// Runs `promtool` with standard input; `None`, with a message, where it is not installed.
///
/// # Panics
/// When it is not installed and the environment requires it.
#[must_use]
pub fn promtool(arguments: &[&str], input: &str) -> Option<Checked> {
    if !is_installed() {
        return None;
    }
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("promtool reads");
    let done = child.wait_with_output().expect("promtool ends");
    let output = [done.stdout, done.stderr].concat();
    Some(Checked { success: done.status.success(), output: String::from_utf8_lossy(&output).into_owned() })
}

/// Serves the metrics of the host that runs in `home` to Prometheus, until the process ends. Returns `host:port`.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn serve_metrics(home: &Home) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut command = home.command();
    command.arg("metrics");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Prometheus may give up a request.
            let _gone = answer(stream, &mut command).is_err();
        }
    });
    address
}

fn answer(stream: TcpStream, command: &mut Command) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let body = command.output()?.stdout;
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

fn is_installed() -> bool {
    let required = env::var("TIDEGATE_REQUIRE_PROMETHEUS").unwrap_or_default();
    let runs = |program: &str| {
        let mut version = Command::new(program);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    let found = required != "0" && runs("prometheus") && runs("promtool");
    if !found {
        assert_ne!(required, "1", "TIDEGATE_REQUIRE_PROMETHEUS=1, but prometheus is not installed");
        skipped::print_once("prometheus and promtool are not installed");
    }
    found
}
