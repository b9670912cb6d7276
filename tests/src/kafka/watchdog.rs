//! Sees to it that no broker outlives the test process, however that ends.
//!
//! Statics are never dropped and a killed process cleans up nothing, so a shell does: it waits at a pipe that closes when the
//! process is gone, kills the brokers it was told of, and removes the cluster's folder.

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
pub(super) struct Watchdog(Mutex<Child>);

impl Watchdog {
    /// Starts it for a cluster's folder.
    pub(super) fn start(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(Mutex::new(command.spawn().expect("a shell")))
    }

    /// A process has been started.
    pub(super) fn watch(&self, pid: u32) {
        self.tell("watch", pid);
    }

    /// A process has been reaped: its number may soon be another's.
    pub(super) fn forget(&self, pid: u32) {
        self.tell("forget", pid);
    }

    /// Has it clean up, and waits for that.
    pub(super) fn end(&self) {
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
