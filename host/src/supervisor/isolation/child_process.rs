//! Starts and kills the child process of a connector.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdStream, process::CommandExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::net::{UnixStream, unix::pipe};

use super::ISOLATED_COMMAND;
use crate::telemetry::output_for_a_child;

/// Poll interval while waiting for a child to exit.
const TICK: Duration = Duration::from_millis(5);

/// A child that has just been started, and the connections to it.
pub(super) struct Spawned {
    pub(super) child: ChildProcess,
    /// JSON lines in both directions.
    pub(super) socket: UnixStream,
    pub(super) stderr: pipe::Receiver,
}

/// Starts a child for `connector`. Its stdin is a socket and its stdout is that of the host. The system kills the child
/// when the thread that started it ends, so it must be started from a thread that lives as long as the host: the
/// supervisor's.
///
/// # Errors
/// When the system cannot start another process.
pub(super) fn spawn(connector: &str) -> io::Result<Spawned> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut child = Command::new(executable()?)
        .arg0(env!("CARGO_PKG_NAME"))
        .arg(ISOLATED_COMMAND)
        .arg(connector)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(output_for_a_child().map_or_else(Stdio::null, Stdio::from))
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal signals the host's whole process group. The child must not receive it: the host stops its
        // tasks.
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    let stderr = child.stderr.take().map(OwnedFd::from);
    let child = ChildProcess { child, pid, is_reaped: false };
    let stderr = stderr.ok_or_else(|| io::Error::other("the child has no stderr"))?;
    Ok(Spawned { child, socket: UnixStream::from_std(ours)?, stderr: pipe::Receiver::from_owned_fd(stderr)? })
}

/// The running binary, even if the file on disk has been replaced by another version.
fn executable() -> io::Result<OsString> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map(OsString::from)
}

/// A child process. Dropping it kills its whole process group.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    pid: Pid,
    is_reaped: bool,
}

impl ChildProcess {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the process has exited. It is not reaped here, so its process id is not reused.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error means that the child no longer exists.
        self.is_reaped || waitid(WaitId::Pid(self.pid), options).map_or(true, |status| status.is_some())
    }

    /// Waits up to `timeout` for the process to exit. Returns whether it did.
    pub(super) async fn ends_within(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(TICK).await;
        }
        true
    }

    /// Kills the whole process group, including processes that the child started and left behind.
    pub(super) fn kill(&self) {
        if self.is_reaped {
            return;
        }
        if let Err(error) = kill_process_group(self.pid, Signal::KILL) {
            tracing::debug!(%error, "killing a process group");
        }
    }

    /// Collects the exit status. `None` when it is not available or the process does not exit although it was killed.
    pub(super) async fn reap(mut self, timeout: Duration) -> Option<ExitStatus> {
        if !self.ends_within(timeout).await {
            return None;
        }
        self.is_reaped = true;
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
