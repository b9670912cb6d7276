//! A child process whose output is read as it comes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use crate::wait_for;

/// A running `tidegate`; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// Exit code and output of a process.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: the log.
    pub stderr: String,
}

/// An output of the child. A thread reads it, so that the child never blocks on a full pipe.
#[derive(Debug)]
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.text()
    }
}

impl Running {
    /// Starts a command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// As [`Running::start`], with something on standard input, which then ends.
    ///
    /// # Panics
    /// When it cannot be started, or ends without reading.
    #[must_use]
    pub fn start_with_input(command: &mut Command, input: &[u8]) -> Self {
        let mut running = Self::spawn(command.stdin(Stdio::piped()));
        let mut stdin = running.child.stdin.take().expect("piped");
        stdin.write_all(input).expect("a reader of standard input");
        running
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Stream::read(child.stdout.take().expect("piped"));
        let stderr = Stream::read(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr }
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits until a line of the log contains `text`, and returns the line.
    ///
    /// # Panics
    /// If there is no such line before the process ends.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) -> String {
        self.wait_until(&format!("a log line with {text:?}"), |running| {
            running.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// Waits until `poll` returns a value.
    ///
    /// # Panics
    /// If it never does, or the process ends before.
    #[track_caller]
    pub fn wait_until<T>(&mut self, what: &str, mut poll: impl FnMut(&Self) -> Option<T>) -> T {
        let found = wait_for(|| {
            let ended = self.child.try_wait().ok().flatten();
            match (poll(self), ended) {
                (Some(found), _) => Some(Ok(found)),
                (None, Some(status)) => Some(Err(format!("the process ended: {status}"))),
                (None, None) => None,
            }
        });
        match found.and_then(|found| found) {
            Ok(found) => found,
            Err(reason) => panic!("{what}: {reason}\n{}", self.transcript()),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is running.
    ///
    /// # Panics
    /// If the process cannot be queried.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the system knows its children").is_none()
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, name: &str) {
        // `kill` is a shell builtin, so no other tool is needed.
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(status.success(), "{command}: {status}\n{}", self.transcript());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        match wait_for(|| self.child.try_wait().ok().flatten()) {
            Ok(status) => self.finished(status),
            Err(reason) => panic!("the end of the process: {reason}\n{}", self.transcript()),
        }
    }

    /// Sends SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn terminate(self) -> Finished {
        self.signal("TERM");
        self.finish()
    }

    fn finished(mut self, status: ExitStatus) -> Finished {
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
        }
    }

    fn transcript(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.log())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill().is_err();
        let _reaped = self.child.wait().is_ok();
    }
}

impl Finished {
    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Self { signal, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "signal {signal:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// Checks that a line of the log contains `text`, and returns the line.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn expect_log(&self, text: &str) -> &str {
        let found = self.stderr.lines().find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no log line with {text:?} in\n{}", self.stderr))
    }

    /// The number of log lines that contain `text`.
    #[must_use]
    pub fn count_log(&self, text: &str) -> usize {
        self.stderr.lines().filter(|line| line.contains(text)).count()
    }
}
