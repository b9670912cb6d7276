//! Probing: an unknown library is loaded in a child process first, so that a crash while it loads stays there.

use std::{
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    error::PluginError,
    load::{self, Copies},
    manifest::{self, LibraryManifest},
};

/// The hidden subcommand that the child runs.
pub const PROBE_COMMAND: &str = "probe-plugin";

/// Prefix of the child's answer: a library may also print to stdout while it loads.
pub(super) const MARKER: &str = "tidegate-probe:";

const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait for the answer after the child has exited.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Where unknown libraries are probed.
#[derive(Clone, Debug)]
pub enum Prober {
    /// In a child process of this executable, which must be `tidegate`.
    Child(PathBuf),
    /// In this process: for benchmarks and tests with trusted plugins.
    InProcess,
}

impl Prober {
    /// A child of the running executable.
    ///
    /// # Errors
    /// When the path of the running executable is unknown.
    pub fn of_this_executable() -> Result<Self, PluginError> {
        std::env::current_exe().map(Self::Child).map_err(PluginError::io("finding", "the running executable"))
    }

    pub(super) fn probe(&self, library: &Path, origin: &Path) -> Result<LibraryManifest, PluginError> {
        let failed = |reason: String| PluginError::Probe { path: origin.to_owned(), reason };
        match self {
            Self::InProcess => manifest::describe(load::load(library, origin, Copies::Any)?).map_err(failed),
            Self::Child(executable) => probe_in_child(executable, library, origin),
        }
    }
}

fn probe_in_child(executable: &Path, library: &Path, origin: &Path) -> Result<LibraryManifest, PluginError> {
    let failed = |reason: String| PluginError::Probe { path: origin.to_owned(), reason };
    let mut child = Command::new(executable)
        .arg(PROBE_COMMAND)
        .arg(library)
        .arg(origin)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(PluginError::io("starting", executable))?;
    let output = child.stdout.take().map(find_answer);
    let Some(status) = wait(&mut child, PROBE_TIMEOUT).map_err(PluginError::io("waiting for", executable))?
    else {
        return Err(failed(format!("it did not finish loading within {} seconds", PROBE_TIMEOUT.as_secs())));
    };
    // A process that the library started may keep the pipe open, so the end of the pipe is not awaited.
    let answer = output.and_then(|answer| answer.recv_timeout(ANSWER_TIMEOUT).ok());
    let Some(answer) = answer else {
        return Err(failed(format!("it {} while loading", describe_exit(status))));
    };
    let answer: Result<LibraryManifest, String> = serde_json::from_str(&answer)
        .map_err(|error| failed(format!("its answer cannot be read: {error}")))?;
    answer.map_err(|reason| failed(without_path(&reason, origin).to_owned()))
}

/// Has this process killed when the thread that started it ends, at the latest with the host. Linux only.
///
/// # Errors
/// When the system refuses.
pub(crate) fn end_with_host() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// Removes the file name, which the child's message already contains.
fn without_path<'r>(reason: &'r str, origin: &Path) -> &'r str {
    let path = origin.display().to_string();
    let rest = reason.strip_prefix("loading ").unwrap_or(reason);
    rest.strip_prefix(path.as_str()).map_or(reason, |rest| rest.trim_start_matches([':', ' ']))
}

/// Reads the pipe to its end, and sends the answer as soon as it comes.
fn find_answer(pipe: ChildStdout) -> mpsc::Receiver<String> {
    let (answer, found) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            if let Some(text) = text.strip_prefix(MARKER) {
                let _given_up = answer.send(text.to_owned()).is_err();
            }
        }
    });
    found
}

/// Waits for the child, and kills it after `timeout`.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

pub(super) fn describe_exit(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("crashed with signal {signal}"),
        (None, Some(code)) => format!("ended the process with exit code {code}"),
        (None, None) => "ended the process".to_owned(),
    }
}

/// The child's main function: loads the library, and prints its manifest or the error.
#[must_use]
pub fn probe_main(library: &Path, origin: &Path) -> ExitCode {
    // A library may hang while it loads.
    if end_with_host().is_err() {
        return ExitCode::FAILURE;
    }
    let loaded = load::load(library, origin, Copies::Any).map_err(|error| error.to_string());
    let answer = loaded.and_then(manifest::describe);
    match serde_json::to_string(&answer) {
        Ok(answer) => {
            println!("\n{MARKER}{answer}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
