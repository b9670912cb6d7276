//! Starts the child of a connector, and ends it.

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

/// How often a child that is about to end is looked at.
const TICK: Duration = Duration::from_millis(5);

/// A child that has just been started, and the ways to it.
pub(super) struct Spawned {
    pub(super) body: Body,
    /// Lines of JSON, both ways.
    pub(super) socket: UnixStream,
    /// Its standard error.
    pub(super) stderr: pipe::Receiver,
}

/// Starts a child for `connector`. Its standard input is a socket, its standard output that of the host. It dies with the
/// thread that starts it, which has to live as long as the host: the supervisor's.
///
/// # Errors
/// When the system has no room for another process.
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
        // A terminal's Ctrl-C goes to the whole group of the host: what a task is to do then, the host tells it.
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    let stderr = child.stderr.take().map(OwnedFd::from);
    let body = Body { child, pid, is_buried: false };
    let stderr = stderr.ok_or_else(|| io::Error::other("it has no standard error"))?;
    Ok(Spawned { body, socket: UnixStream::from_std(ours)?, stderr: pipe::Receiver::from_owned_fd(stderr)? })
}

/// The running binary itself, even if another version has taken its place on the disk.
fn executable() -> io::Result<OsString> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map(OsString::from)
}

/// A child process. Dropped, it is killed, and whatever it has started in its process group with it.
#[derive(Debug)]
pub(super) struct Body {
    child: Child,
    pid: Pid,
    is_buried: bool,
}

impl Body {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it has ended. It keeps its number, which nobody else can get meanwhile.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error: there is no such child any more.
        self.is_buried || waitid(WaitId::Pid(self.pid), options).map_or(true, |status| status.is_some())
    }

    /// Waits until it has ended by itself, for `patience` at most.
    pub(super) async fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(TICK).await;
        }
        true
    }

    /// Kills it with its group. What it has started and left behind is killed even if it has ended itself.
    pub(super) fn kill(&self) {
        if self.is_buried {
            return;
        }
        if let Err(error) = kill_process_group(self.pid, Signal::KILL) {
            tracing::debug!(%error, "killing a process group");
        }
    }

    /// How it ended. `None` when the system does not tell, or it does not end although it was killed.
    pub(super) async fn bury(mut self, patience: Duration) -> Option<ExitStatus> {
        if !self.ends_within(patience).await {
            return None;
        }
        self.is_buried = true;
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.kill();
    }
}
