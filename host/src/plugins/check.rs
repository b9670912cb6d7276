//! Checks configurations with the plugins themselves, offline and in a child process, before anything is opened.
#![expect(unsafe_code, reason = "an arena for the configuration")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tidegate_abi::{host::Chunks, raw};

use super::{
    error::PluginError,
    open::json_value,
    probe::{self, Prober},
    registry::Plugin,
};

/// The hidden subcommand that the child runs.
pub const CHECK_COMMAND: &str = "check-plugins";

/// Longest time for one configuration, including loading the library.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// A configuration for a plugin. Not `Debug`: it may hold secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct PluginCheck {
    /// The plugin.
    pub plugin: Plugin,
    /// Its configuration, an object.
    pub config: serde_json::Value,
}

/// An error that a plugin has found in its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigError {
    /// The option, as a JSON Pointer; empty for the configuration as a whole.
    pub option: String,
    /// What is wrong. Secrets are not scrubbed.
    pub message: String,
    /// Whether the option itself is invalid. Otherwise something on this machine is missing, such as a file that the option
    /// names.
    pub is_invalid: bool,
}

impl Prober {
    /// Returns the errors of each check, in order. A plugin that crashes or hangs has one error.
    ///
    /// # Errors
    /// When no child process can be started.
    pub fn check(&self, checks: &[PluginCheck]) -> Result<Vec<Vec<ConfigError>>, PluginError> {
        match self {
            Self::InProcess => Ok(checks.iter().map(check).collect()),
            Self::Child(executable) => check_in_children(executable, checks),
        }
    }
}

/// All checks run in one child. If a plugin crashes or hangs, another child continues with the next check.
fn check_in_children(
    executable: &Path,
    checks: &[PluginCheck],
) -> Result<Vec<Vec<ConfigError>>, PluginError> {
    let mut found = Vec::with_capacity(checks.len());
    while found.len() < checks.len() {
        let mut checker = Checker::start(executable, &checks[found.len()..])?;
        let failure = loop {
            match checker.answers.recv_timeout(CHECK_TIMEOUT) {
                Ok(errors) => found.push(errors),
                Err(RecvTimeoutError::Timeout) => {
                    break format!(
                        "the plugin did not check its options within {} s",
                        CHECK_TIMEOUT.as_secs()
                    );
                }
                Err(RecvTimeoutError::Disconnected) => break checker.crash(executable)?,
            }
            if found.len() == checks.len() {
                return Ok(found);
            }
        };
        found.push(vec![ConfigError { option: String::new(), message: failure, is_invalid: true }]);
    }
    Ok(found)
}

/// A child that checks configurations.
struct Checker {
    child: Child,
    answers: mpsc::Receiver<Vec<ConfigError>>,
}

impl Checker {
    fn start(executable: &Path, checks: &[PluginCheck]) -> Result<Self, PluginError> {
        let starting = |error| PluginError::io("starting", executable)(error);
        let text = serde_json::to_vec(checks).map_err(|error| starting(error.into()))?;
        let mut child = Command::new(executable)
            .arg(CHECK_COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(starting)?;
        if let Some(mut input) = child.stdin.take() {
            // A child that has ended already is noticed by the end of its output.
            let _ended = input.write_all(&text).is_err();
        }
        let (send, answers) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || read_answers(output, &send));
        }
        Ok(Self { child, answers })
    }

    /// How the child ended.
    fn crash(&mut self, executable: &Path) -> Result<String, PluginError> {
        let status = self.child.wait().map_err(PluginError::io("waiting for", executable))?;
        Ok(format!("the plugin {} while it checked its options", probe::describe_exit(status)))
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

fn read_answers(output: ChildStdout, answers: &mpsc::Sender<Vec<ConfigError>>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        // Libraries may print lines of their own.
        let text = String::from_utf8_lossy(&line);
        let Some(answer) = text.strip_prefix(probe::MARKER) else { continue };
        let Ok(errors) = serde_json::from_str(answer) else { return };
        if answers.send(errors).is_err() {
            return;
        }
    }
}

/// The child: reads the checks from standard input, and prints the errors of each.
#[must_use]
pub fn check_main() -> ExitCode {
    if probe::end_with_host().is_err() {
        return ExitCode::FAILURE;
    }
    let mut text = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut text).is_ok();
    let Ok(checks) = serde_json::from_slice::<Vec<PluginCheck>>(&text) else { return ExitCode::FAILURE };
    for checked in checks.iter().map(check) {
        let Ok(answer) = serde_json::to_string(&checked) else { return ExitCode::FAILURE };
        let mut output = std::io::stdout().lock();
        let written = writeln!(output, "\n{}{answer}", probe::MARKER).and_then(|()| output.flush());
        if written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    if read { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Checks a configuration in this process.
fn check(check: &PluginCheck) -> Vec<ConfigError> {
    let entry = match check.plugin.entry_to_check() {
        Ok(entry) => entry,
        Err(error) => {
            return vec![ConfigError { option: String::new(), message: error.to_string(), is_invalid: true }];
        }
    };
    // A plugin that was built before this function existed checks its options when it is opened.
    let Some(check_config) = entry.check_config() else { return vec![] };
    let mut chunks = Chunks::new();
    // SAFETY: the tree is only used in this function, and `chunks` is dropped at its end.
    let arena = unsafe { chunks.arena() };
    let config = json_value(&check.config, arena).node();
    check_config(&config).iter().map(ConfigError::of).collect()
}

impl ConfigError {
    fn of(error: &raw::ConfigError) -> Self {
        Self {
            option: error.option.to_string(),
            message: error.message.to_string(),
            is_invalid: error.class == raw::ErrorClass::CONFIG,
        }
    }
}
