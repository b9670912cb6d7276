//! Kills processes of a test, such as brokers, when the test process ends, however it ends.
//!
//! Statics are never dropped, and a killed process cleans up nothing. So a shell waits on a pipe that closes with the
//! process, kills the processes whose pids it has read from the pipe, and removes their folder.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
pids=
while read -r verb pid; do
    kept=
    for each in $pids; do [ "$each" = "$pid" ] || kept="$kept $each"; done
    case $verb in watch) pids="$kept $pid" ;; *) pids=$kept ;; esac
done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
tries=0
until rm -rf "$1" 2>/dev/null || [ "$tries" -ge 50 ]; do tries=$((tries + 1)); sleep 0.1; done
"#;

#[derive(Debug)]
pub(crate) struct Watchdog(Mutex<Child>);

impl Watchdog {
    /// Starts it for the folder of the processes.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(Mutex::new(command.spawn().expect("a shell")))
    }

    /// Adds a process.
    pub(crate) fn watch(&self, pid: u32) {
        self.tell("watch", pid);
    }

    /// Removes a process that was reaped, because its pid can be reused.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell("forget", pid);
    }

    /// Makes it clean up, and waits.
    pub(crate) fn end(&self) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        let _reaped = shell.wait().is_ok();
    }

    fn tell(&self, verb: &str, pid: u32) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = shell.stdin.as_mut().expect("the watchdog runs");
        writeln!(pipe, "{verb} {pid}").expect("the watchdog listens");
    }
}
