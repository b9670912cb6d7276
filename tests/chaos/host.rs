//! A host, and its restarts.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value as Json;
use tidegate_tests::{Finished, Home, Running, wait_for};

use crate::processes;

/// Texts whose occurrences in the logs are counted.
pub(crate) const COUNTED_TEXTS: [&str; 6] = [
    "its thread was abandoned",
    "was claimed by another task",
    "partitions handed over",
    "partitions lost",
    "works again",
    "the last commit failed",
];

/// A host, running or not.
pub(crate) struct Host {
    number: usize,
    home: Home,
    servers: String,
    logs: PathBuf,
    running: Option<Running>,
    /// What happened to it so far.
    pub(crate) past: Past,
}

/// What happened to a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// The times of its kills in milliseconds since 1970, and the pids of its processes.
    pub(crate) kills: Vec<(i64, Vec<u32>)>,
    /// Number of runs that have ended.
    pub(crate) runs: usize,
    /// Number of stops with exit code 1, in which a plugin was abandoned.
    pub(crate) cut_short: usize,
    /// Number of restarts of connectors that had failed for good.
    pub(crate) connector_restarts: usize,
    /// Unexpected events.
    pub(crate) unexpected: Vec<String>,
    /// Number of occurrences of each of [`COUNTED_TEXTS`] in its logs.
    pub(crate) text_counts: [usize; COUNTED_TEXTS.len()],
}

impl Host {
    pub(crate) fn new(number: usize, home: Home, servers: String, logs: PathBuf) -> Self {
        Self { number, home, servers, logs, running: None, past: Past::default() }
    }

    /// Its pid, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// Starts it, if it does not run.
    pub(crate) fn start(&mut self) {
        if self.running.is_none() {
            self.running = Some(self.home.start_on(&self.servers, &[]));
        }
    }

    /// Kills it. Its children must end by themselves.
    pub(crate) fn kill(&mut self) {
        let Some(running) = self.running.take() else { return };
        let tree = processes::tree(running.pid());
        self.past.kills.push((now_ms(), tree.clone()));
        running.signal("KILL");
        let finished = running.finish();
        self.store_log(&finished);
        let gone = wait_for(|| tree.iter().all(|pid| !processes::is_alive(*pid)).then_some(()));
        if gone.is_err() {
            self.report_unexpected(format!("children outlive it: {tree:?}"));
        }
    }

    /// Sends SIGTERM, and waits.
    pub(crate) fn terminate(&mut self) {
        let Some(running) = self.running.take() else { return };
        let finished = running.terminate();
        match finished.code {
            Some(0) => {}
            Some(1) => self.past.cut_short += 1,
            code => self.report_unexpected(format!("asked to end, it ended with {code:?}")),
        }
        self.store_log(&finished);
    }

    /// Suspends or resumes it.
    pub(crate) fn freeze(&self, freeze: bool) {
        if let Some(pid) = self.pid() {
            processes::signal(if freeze { "STOP" } else { "CONT" }, &processes::tree(pid));
        }
    }

    /// Sends a command for all connectors.
    pub(crate) fn send_command(&self, command: &[&str]) {
        // The control socket may not exist yet.
        let _code = self.home.run(command).code;
    }

    /// Replaces a library of its plugins by one with other content.
    pub(crate) fn replace_library(&self, name: &str, mark: &[u8]) {
        self.home.replace_library(name, mark);
    }

    /// Restarts the host if it has ended, and its connectors if they have failed for good.
    pub(crate) fn check(&mut self) {
        let Some(running) = &mut self.running else { return };
        if !running.is_running() {
            let Some(running) = self.running.take() else { return };
            let finished = running.finish();
            self.report_unexpected(format!("it ended by itself, with {:?}", finished.code));
            self.store_log(&finished);
            return self.start();
        }
        for connector in self.failed() {
            self.past.connector_restarts += 1;
            let _code = self.home.run(&["restart", &connector]).code;
        }
    }

    fn failed(&self) -> Vec<String> {
        let finished = self.home.run(&["status", "--json"]);
        let status: Json = serde_json::from_str(&finished.stdout).unwrap_or_default();
        let connectors = status["connectors"].as_array().into_iter().flatten();
        let failed = connectors.filter(|connector| {
            // One task of several may have failed.
            connector["tasks"].as_array().into_iter().flatten().any(|task| task["state"] == "FAILED")
        });
        failed.filter_map(|connector| connector["name"].as_str().map(str::to_owned)).collect()
    }

    /// Stores the log of a run that has ended.
    fn store_log(&mut self, finished: &Finished) {
        let file = self.logs.join(format!("host-{}-{}.log", self.number, self.past.runs));
        write(&file, &finished.stderr);
        self.past.runs += 1;
        for (count, text) in self.past.text_counts.iter_mut().zip(COUNTED_TEXTS) {
            *count += finished.count_log(text);
        }
    }

    /// Adds an unexpected event.
    pub(crate) fn report_unexpected(&mut self, what: String) {
        self.past.unexpected.push(format!("host {}, run {}: {what}", self.number, self.past.runs));
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
