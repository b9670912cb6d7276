//! The host as process 1 of a container. The kernel gives process 1 every orphan of the container, and nobody else collects the
//! exit status of those that end. The host waits for its own children by their ids, so process 1 is a second, small process that
//! starts the host, passes signals on to it, and collects whatever ends.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a host that a signal has ended, less the number of the signal: as a shell reports it.
const ENDED_BY_SIGNAL: i32 = 128;

/// Whether this process is process 1, and so has to collect orphans.
pub(super) fn is_needed() -> bool {
    getpid().is_init()
}

/// Starts this command again as a child, passes SIGTERM and SIGINT on to it, and collects all processes that end. Returns the
/// exit code of the child.
///
/// # Errors
/// When signals cannot be listened for, or the child cannot be started.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting the runtime")?.block_on(start_and_collect())
}

async fn start_and_collect() -> anyhow::Result<ExitCode> {
    // Before the child is started, so that neither its end nor a signal to stop is missed.
    let mut ended = signal(SignalKind::child()).context("listening for SIGCHLD")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let host = start()?;
    loop {
        let passed_on = tokio::select! {
            _ = terminate.recv() => Some(Signal::TERM),
            _ = interrupt.recv() => Some(Signal::INT),
            _ = ended.recv() => None,
        };
        if let Some(signal) = passed_on {
            // It may have ended, which is collected next.
            let _gone = kill_process(host, signal).is_err();
        }
        if let Some(code) = collect(host) {
            return Ok(ExitCode::from(code));
        }
    }
}

fn start() -> anyhow::Result<Pid> {
    let executable = env::current_exe().context("finding the running executable")?;
    let child = Command::new(executable).args(env::args_os().skip(1)).spawn().context("starting the host")?;
    Ok(Pid::from_child(&child))
}

/// Collects all processes that have ended; the exit code of the host, if it is one of them.
fn collect(host: Pid) -> Option<u8> {
    let mut code = None;
    // Ends with `None` while the others run, and with an error once there is no other.
    while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
        if process == host {
            code = Some(exit_code(status));
        }
    }
    code
}

fn exit_code(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| ENDED_BY_SIGNAL + signal);
    let code = status.exit_status().or(signal).unwrap_or(i32::from(super::EXIT_ERROR));
    u8::try_from(code).unwrap_or(super::EXIT_ERROR)
}
