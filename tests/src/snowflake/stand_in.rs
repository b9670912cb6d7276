//! The stand-in as a child process, and the routes that it has for tests.

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
use crate::wait_for;

/// The database of the tests; a login creates it.
pub(crate) const DATABASE: &str = "TIDEGATE";
const USER: &str = "LOADER";
const PASSWORD: &str = "not-a-secret";

/// A running stand-in; ended when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    child: Child,
    port: u16,
    agent: ureq::Agent,
}

/// A stand-in without options that no other test uses. The next test gets the same process, because starting Python and its
/// packages takes two seconds of processor time.
#[derive(Debug)]
pub struct ExclusiveStandIn(Option<StandIn>);

/// Processes that no test uses at the moment. They end with the test process.
static IDLE: Mutex<Vec<StandIn>> = Mutex::new(Vec::new());

impl Deref for ExclusiveStandIn {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        self.0.as_ref().expect("there is one until it is dropped")
    }
}

impl Drop for ExclusiveStandIn {
    fn drop(&mut self) {
        // After a failure it may be in any state.
        if !thread::panicking() {
            idle().extend(self.0.take());
        }
    }
}

fn idle() -> MutexGuard<'static, Vec<StandIn>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request, as the stand-in noted it.
#[derive(Clone, Debug, Deserialize)]
pub struct LogEntry {
    /// Number, from 1.
    pub number: usize,
    /// When it came, in seconds since 1970.
    pub time: f64,
    /// `MERGE`, `BEGIN`, `LOGIN`, `DETACHED` and so on.
    pub kind: String,
    /// Number of the session.
    pub session: Option<u64>,
    /// Who.
    pub user: Option<String>,
    /// As whom.
    pub role: Option<String>,
    /// With which warehouse.
    pub warehouse: Option<String>,
    /// Whether a transaction was open before it.
    pub in_transaction: bool,
    /// The statement.
    pub sql: Option<String>,
    /// How many values were bound.
    pub binds: usize,
    /// The query tag.
    pub tag: Option<String>,
    /// The fault that it met.
    pub fault: Option<String>,
    /// The code of the answer; none for success.
    pub code: Option<String>,
    /// When it was done, in seconds since 1970; none while it runs.
    pub done: Option<f64>,
}

/// A rule for faults, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fired {
    /// The pattern.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What it does.
    pub action: String,
    /// How many statements the pattern was found in.
    pub met: usize,
    /// How often it fired.
    pub fired: usize,
}

impl StandIn {
    /// Starts one for a single test, with options of `python -m stand_in`; none, and said so, where Python is missing.
    ///
    /// # Panics
    /// When there is no Python and the environment requires it.
    #[must_use]
    pub fn start(test: &str, options: &[&str]) -> Option<Self> {
        Self::try_start(options).map_err(|reason| skip(test, &reason)).ok()
    }

    /// A stand-in for a single test, without options, faults and sessions; none, and said so, where Python is missing. Its log
    /// may have entries of earlier tests, and its database their schemas.
    ///
    /// # Panics
    /// When there is no Python and the environment requires it.
    #[must_use]
    pub fn exclusive(test: &str) -> Option<ExclusiveStandIn> {
        let Some(stand_in) = idle().pop() else {
            return Self::start(test, &[]).map(|stand_in| ExclusiveStandIn(Some(stand_in)));
        };
        stand_in.clear_faults();
        let _ended = stand_in.end_sessions();
        Some(ExclusiveStandIn(Some(stand_in)))
    }

    /// Runs the stand-in's own tests, which are in Python.
    ///
    /// # Panics
    /// When one fails, or there is no Python and the environment requires it.
    pub fn run_own_tests(test: &str) {
        let mut command = match python() {
            Ok(command) => command,
            Err(reason) => return skip(test, &reason),
        };
        let output =
            command.args(["-m", "unittest", "--quiet", "test_stand_in"]).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Applies change events with one statement each, through Snowflake's own client; returns the seconds that took.
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
        // It prints its port when it listens; what it says after that, if anything, goes nowhere.
        BufReader::new(child.stdout.take().ok_or("a stand-in without output")?)
            .read_line(&mut line)
            .map_err(|error| format!("the stand-in's port: {error}"))?;
        let port = line.trim().parse().map_err(|_| format!("the stand-in has ended: {:?}", child.wait()))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
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

    /// Its memory in use, in kilobytes, where the system tells.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The connector's options: who logs in, where.
    #[must_use]
    pub fn options(&self) -> String {
        format!("{}password = {}\n", self.options_without_password(), quoted(PASSWORD))
    }

    /// As [`StandIn::options`], without a way to prove who it is.
    #[must_use]
    pub fn options_without_password(&self) -> String {
        format!(
            "account = \"acme-one\"\nuser = {}\nwarehouse = \"LOAD_WH\"\ndatabase = {}\nendpoint = {}\n",
            quoted(USER),
            quoted(DATABASE),
            quoted(&self.endpoint())
        )
    }

    /// What was asked of it after the entry of this number; 0 for everything.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn log(&self, since: usize) -> Vec<LogEntry> {
        self.get(&format!("/__log?since={since}"))
    }

    /// The number of the last entry.
    #[must_use]
    pub fn log_end(&self) -> usize {
        self.log(0).last().map_or(0, |entry| entry.number)
    }

    /// Waits until something was asked of it.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn wait_for_entry(&self, since: usize, wanted: impl Fn(&LogEntry) -> bool) -> LogEntry {
        let found = wait_for(|| self.log(since).into_iter().find(|entry| wanted(entry)));
        found.unwrap_or_else(|reason| {
            panic!("an entry in the stand-in's log: {reason}\n{:#?}", self.log(since))
        })
    }

    /// Has the first statement that matches meet a fault; see `tests/snowflake/stand_in/faults.py`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn fault(&self, pattern: &str, action: &str) {
        self.fault_at(pattern, 1, 1, action);
    }

    /// As [`StandIn::fault`]: the `nth` statement that matches, and `times` in all; 0 times for all from there on.
    ///
    /// # Panics
    /// When it is refused.
    pub fn fault_at(&self, pattern: &str, nth: usize, times: usize, action: &str) {
        let rule = json!({ "match": pattern, "nth": nth, "times": times, "action": action });
        let rules: Vec<Fired> = self.post("/__fault", &rule);
        assert!(rules.iter().any(|rule| rule.pattern == pattern), "{rules:?}");
    }

    /// Every rule, and how often it fired.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn fired(&self) -> Vec<Fired> {
        self.get("/__fault")
    }

    /// Forgets all rules.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn clear_faults(&self) {
        let _rules: Vec<Fired> = self.delete("/__fault");
    }

    /// Forgets all sessions, as a service does that starts anew; says how many.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn end_sessions(&self) -> u64 {
        let ended: Json = self.delete("/__sessions");
        ended["ended"].as_u64().expect("a number of sessions")
    }

    /// Runs a statement in a session of its own, past log and faults.
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
        // It may have ended by itself.
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
