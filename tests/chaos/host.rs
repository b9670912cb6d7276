//! One host through its lives.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value as Json;
use tidegate_tests::{Finished, Home, Running, wait_for};

use crate::processes;

/// What the log of a host is searched for, and counted.
pub(crate) const TELLING: [&str; 6] = [
    "its thread was abandoned",
    "was claimed by another task",
    "partitions handed over",
    "partitions lost",
    "works again",
    "the last commit failed",
];

/// A host that may run.
pub(crate) struct Host {
    number: usize,
    home: Home,
    servers: String,
    logs: PathBuf,
    running: Option<Running>,
    /// What became of it so far.
    pub(crate) past: Past,
}

/// What became of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// When it was killed, in milliseconds since 1970, and the processes that it was.
    pub(crate) kills: Vec<(i64, Vec<u32>)>,
    /// Lives that have ended.
    pub(crate) lives: usize,
    /// Stops that were asked for and cut work short: exit code 1.
    pub(crate) cut_short: usize,
    /// Connectors that had failed permanently, and were started again by hand.
    pub(crate) revived: usize,
    /// What must not happen to it.
    pub(crate) complaints: Vec<String>,
    /// How often its log had each of [`TELLING`].
    pub(crate) told: [usize; TELLING.len()],
}

impl Host {
    pub(crate) fn new(number: usize, home: Home, servers: String, logs: PathBuf) -> Self {
        Self { number, home, servers, logs, running: None, past: Past::default() }
    }

    /// Its process, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// Starts it, if it does not run.
    pub(crate) fn start(&mut self) {
        if self.running.is_none() {
            self.running = Some(self.home.start_on(&self.servers, &[]));
        }
    }

    /// Kills it. Whatever it has started has to go by itself.
    pub(crate) fn kill(&mut self) {
        let Some(running) = self.running.take() else { return };
        let tree = processes::tree(running.pid());
        self.past.kills.push((now_ms(), tree.clone()));
        running.signal("KILL");
        let finished = running.finish();
        self.bury(&finished);
        let gone = wait_for(|| tree.iter().all(|pid| !processes::is_alive(*pid)).then_some(()));
        if gone.is_err() {
            self.complain(format!("children outlive it: {tree:?}"));
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&mut self) {
        let Some(running) = self.running.take() else { return };
        let finished = running.terminate();
        match finished.code {
            Some(0) => {}
            Some(1) => self.past.cut_short += 1,
            code => self.complain(format!("asked to end, it ended with {code:?}")),
        }
        self.bury(&finished);
    }

    /// Stops it in its tracks, or lets it go on.
    pub(crate) fn freeze(&self, freeze: bool) {
        if let Some(pid) = self.pid() {
            processes::signal(if freeze { "STOP" } else { "CONT" }, &processes::tree(pid));
        }
    }

    /// Tells it something about all its connectors.
    pub(crate) fn tell(&self, command: &str) {
        // It may not listen yet.
        let _code = self.home.run(&[command]).code;
    }

    /// Starts it again should it have ended by itself, and its connectors should they have failed permanently.
    pub(crate) fn look_after(&mut self) {
        let Some(running) = &mut self.running else { return };
        if !running.is_running() {
            let Some(running) = self.running.take() else { return };
            let finished = running.finish();
            self.complain(format!("it ended by itself, with {:?}", finished.code));
            self.bury(&finished);
            return self.start();
        }
        for connector in self.failed() {
            self.past.revived += 1;
            let _code = self.home.run(&["restart", &connector]).code;
        }
    }

    fn failed(&self) -> Vec<String> {
        let finished = self.home.run(&["status", "--json"]);
        let status: Json = serde_json::from_str(&finished.stdout).unwrap_or_default();
        let connectors = status["connectors"].as_array().into_iter().flatten();
        let failed = connectors.filter(|connector| {
            // One task of several may have failed permanently.
            connector["tasks"].as_array().into_iter().flatten().any(|task| task["state"] == "FAILED")
        });
        failed.filter_map(|connector| connector["name"].as_str().map(str::to_owned)).collect()
    }

    /// Keeps the log of a life that is over.
    fn bury(&mut self, finished: &Finished) {
        let file = self.logs.join(format!("host-{}-{}.log", self.number, self.past.lives));
        write(&file, &finished.stderr);
        self.past.lives += 1;
        for (count, text) in self.past.told.iter_mut().zip(TELLING) {
            *count += finished.count_log(text);
        }
    }

    fn complain(&mut self, what: String) {
        self.past.complaints.push(format!("host {}, life {}: {what}", self.number, self.past.lives));
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
