//! The stand-in as a child process, and its HTTP interface for tests.

use std::{
    io::{BufRead, BufReader},
    ops::Deref,
    process::{Child, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use super::{Rows, python::python, quoted, skip};
use crate::{ProcessStatus, wait_for};

/// The database of the tests. A login creates it.
pub(crate) const DATABASE: &str = "TIDEGATE";
const USER: &str = "LOADER";
const PASSWORD: &str = "not-a-secret";

/// A running stand-in, killed when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    child: Child,
    port: u16,
    agent: ureq::Agent,
}

/// A stand-in without options that no other test uses. The process is reused by later tests, because starting Python
/// with the packages takes two seconds of CPU time.
#[derive(Debug)]
pub struct ExclusiveStandIn(Option<StandIn>);

/// Stand-ins that are not in use. They end with the test process.
static IDLE: Mutex<Vec<StandIn>> = Mutex::new(Vec::new());

impl Deref for ExclusiveStandIn {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        self.0.as_ref().expect("there is one until it is dropped")
    }
}

impl Drop for ExclusiveStandIn {
    fn drop(&mut self) {
        // After a failed test its state is unknown.
        if !thread::panicking() {
            idle().extend(self.0.take());
        }
    }
}

fn idle() -> MutexGuard<'static, Vec<StandIn>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request in the stand-in's log.
#[derive(Clone, Debug, Deserialize)]
pub struct LogEntry {
    /// Number, from 1.
    pub number: usize,
    /// Start time in seconds since 1970.
    pub time: f64,
    /// `MERGE`, `BEGIN`, `LOGIN`, `DETACHED` and so on.
    pub kind: String,
    /// Number of the session.
    pub session: Option<u64>,
    /// User.
    pub user: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Warehouse.
    pub warehouse: Option<String>,
    /// Whether a transaction was open.
    pub in_transaction: bool,
    /// The statement.
    pub sql: Option<String>,
    /// Number of bound values.
    pub binds: usize,
    /// The query tag.
    pub tag: Option<String>,
    /// The fault that was injected.
    pub fault: Option<String>,
    /// The error code; `None` for success.
    pub code: Option<String>,
    /// End time in seconds since 1970; `None` while it runs.
    pub done: Option<f64>,
}

/// A file in a stage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StagedFile {
    /// The full name of the stage, in upper case.
    pub stage: String,
    /// Its path in the store.
    pub path: String,
    /// Its size.
    pub bytes: usize,
}

/// A fault rule, and how often it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fired {
    /// The pattern.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The action.
    pub action: String,
    /// Number of statements that matched.
    pub met: usize,
    /// Number of times that it was applied.
    pub fired: usize,
}

impl StandIn {
    /// Starts a stand-in with options of `python -m stand_in`; `None`, with a message, without Python.
    ///
    /// # Panics
    /// When there is no Python and the environment requires it.
    #[must_use]
    pub fn start(options: &[&str]) -> Option<Self> {
        Self::try_start(options).map_err(|reason| skip(&reason)).ok()
    }

    /// A stand-in without options that no other test uses; `None`, with a message, without Python. It has no faults and
    /// sessions, but its log and its database may contain entries and schemas of earlier tests.
    ///
    /// # Panics
    /// When there is no Python and the environment requires it.
    #[must_use]
    pub fn exclusive() -> Option<ExclusiveStandIn> {
        let Some(stand_in) = idle().pop() else {
            return Self::start(&[]).map(|stand_in| ExclusiveStandIn(Some(stand_in)));
        };
        stand_in.clear_faults();
        stand_in.use_store("s3");
        let _ended = stand_in.end_sessions();
        Some(ExclusiveStandIn(Some(stand_in)))
    }

    /// Runs the stand-in's own tests, which are in Python.
    ///
    /// # Panics
    /// When one fails, or there is no Python and the environment requires it.
    pub fn run_own_tests() {
        let mut command = match python() {
            Ok(command) => command,
            Err(reason) => return skip(&reason),
        };
        let output =
            command.args(["-m", "unittest", "--quiet", "test_stand_in"]).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Applies change events with one statement each, with Snowflake's Python client; returns the duration in seconds.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn run_one_by_one(&self, events: usize) -> f64 {
        let mut command = python().expect("the stand-in runs in it");
        command.args(["one_by_one.py", &self.port.to_string(), PASSWORD, &events.to_string()]);
        let output = command.output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told: Json = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        told["seconds"].as_f64().expect("seconds")
    }

    pub(crate) fn try_start(options: &[&str]) -> Result<Self, String> {
        let mut command = python()?;
        command.args(["-m", "stand_in", "--password", &format!("{USER}={PASSWORD}")]).args(options);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting the stand-in: {error}"))?;
        let mut line = String::new();
        // It prints its port once it listens. Later output is ignored.
        BufReader::new(child.stdout.take().ok_or("a stand-in without output")?)
            .read_line(&mut line)
            .map_err(|error| format!("the stand-in's port: {error}"))?;
        let port = line.trim().parse().map_err(|_| format!("the stand-in has ended: {:?}", child.wait()))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            // uvicorn closes connections that are idle for 5 s, and would reset one that is used again at that moment.
            .max_idle_age(Duration::from_secs(2))
            .build()
            .into();
        Ok(Self { child, port, agent })
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its memory in use in kilobytes, if the system reports it.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        ProcessStatus::of(self.child.id())?.number("VmRSS")
    }

    /// The sink's options for the login.
    #[must_use]
    pub fn options(&self) -> String {
        format!("{}password = {}\n", self.options_without_password(), quoted(PASSWORD))
    }

    /// Like [`StandIn::options`], without a secret.
    #[must_use]
    pub fn options_without_password(&self) -> String {
        format!(
            "account = \"acme-one\"\nuser = {}\nwarehouse = \"LOAD_WH\"\ndatabase = {}\nendpoint = {}\n",
            quoted(USER),
            quoted(DATABASE),
            quoted(&self.endpoint())
        )
    }

    /// The log entries after this number; 0 for all.
    ///
    /// # Panics
    /// If it does not respond.
    #[must_use]
    pub fn log(&self, since: usize) -> Vec<LogEntry> {
        self.get(&format!("/__log?since={since}"))
    }

    /// The number of the last log entry.
    #[must_use]
    pub fn log_end(&self) -> usize {
        self.log(0).last().map_or(0, |entry| entry.number)
    }

    /// Waits for a log entry.
    ///
    /// # Panics
    /// If that does not happen.
    #[track_caller]
    pub fn wait_for_entry(&self, since: usize, wanted: impl Fn(&LogEntry) -> bool) -> LogEntry {
        let found = wait_for(|| self.log(since).into_iter().find(|entry| wanted(entry)));
        found.unwrap_or_else(|reason| {
            panic!("an entry in the stand-in's log: {reason}\n{:#?}", self.log(since))
        })
    }

    /// Injects a fault into the first statement that matches; see `tests/snowflake/stand_in/faults.py`.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn fault(&self, pattern: &str, action: &str) {
        self.fault_at(pattern, 1, 1, action);
    }

    /// Like [`StandIn::fault`], from the `nth` matching statement on, `times` times; 0 for no limit.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn fault_at(&self, pattern: &str, nth: usize, times: usize, action: &str) {
        let rule = json!({ "match": pattern, "nth": nth, "times": times, "action": action });
        let rules: Vec<Fired> = self.post("/__fault", &rule);
        assert!(rules.iter().any(|rule| rule.pattern == pattern), "{rules:?}");
    }

    /// All fault rules.
    ///
    /// # Panics
    /// If it does not respond.
    #[must_use]
    pub fn fired(&self) -> Vec<Fired> {
        self.get("/__fault")
    }

    /// Removes all fault rules.
    ///
    /// # Panics
    /// If it does not respond.
    pub fn clear_faults(&self) {
        let _rules: Vec<Fired> = self.delete("/__fault");
    }

    /// Ends all sessions, as a restart of the service would; returns their number.
    ///
    /// # Panics
    /// If it does not respond.
    pub fn end_sessions(&self) -> u64 {
        let ended: Json = self.delete("/__sessions");
        ended["ended"].as_u64().expect("a number of sessions")
    }

    /// The files of all stages.
    ///
    /// # Panics
    /// If it does not respond.
    #[must_use]
    pub fn staged_files(&self) -> Vec<StagedFile> {
        self.get("/__stages")
    }

    /// Chooses where the files of stages are uploaded to: `s3`, `azure`, `gcs` or `gcs-token`.
    ///
    /// # Panics
    /// If it does not respond.
    pub fn use_store(&self, store: &str) {
        let _files: Vec<StagedFile> = self.post("/__stages", &json!({ "store": store }));
    }

    /// Stores a file in a stage. `location` is the quoted name of the stage, a slash, and the path.
    ///
    /// # Panics
    /// If there is no such stage.
    pub fn add_staged(&self, location: &str, content: &str) {
        let _files: Vec<StagedFile> =
            self.post("/__stages", &json!({ "location": location, "content": content }));
    }

    /// Runs a statement in a new session, without log and faults.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn query(&self, schema: &str, sql: &str) -> Rows {
        self.post("/__sql", &json!({ "sql": sql, "database": DATABASE, "schema": schema }))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        answer(path, self.agent.get(self.url(path)).call())
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> T {
        answer(path, self.agent.delete(self.url(path)).call())
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &Json) -> T {
        answer(path, self.agent.post(self.url(path)).send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill().is_err();
        let _reaped = self.child.wait().is_ok();
    }
}

#[track_caller]
fn answer<T: DeserializeOwned>(
    path: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> T {
    let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string().expect("an answer of text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}
