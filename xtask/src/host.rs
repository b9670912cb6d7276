//! Runs the host as a child process that gets this process' signals and does not outlive it.

use std::{
    env, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, ExitCode, ExitStatus},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// Argument with which this program becomes the host, see [`command`].
pub(crate) const COMMAND: &str = "become-host";

/// Starts the host by way of this program: only the child itself can ask for a signal when its parent dies, without
/// which a demo that is killed would leave a running host behind.
pub(crate) fn command(executable: &Path) -> Result<Command, String> {
    let this = env::current_exe().map_err(|error| format!("finding the running executable: {error}"))?;
    let mut command = Command::new(this);
    command.arg(COMMAND).arg(executable);
    Ok(command)
}

/// Becomes the host: the first argument is its executable, the others are its own.
pub(crate) fn become_host(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let executable = arguments.next().ok_or("the executable of the host is missing")?;
    let failed = |error: io::Error| format!("starting {executable}: {error}");
    // It is kept by the program that this process becomes.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| failed(error.into()))?;
    let error = Command::new(&executable).args(arguments).exec();
    Err(failed(error))
}

/// Runs the host to its end. It is in a process group of its own and gets every signal from here, once: in the terminal's
/// group it would get a Ctrl-C twice, and a second signal ends it without delivering what is in flight.
pub(crate) fn run_to_end(host: &mut Command) -> io::Result<ExitStatus> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let handle = signals.handle();
    let mut child = host.process_group(0).spawn()?;
    let pid = Pid::from_child(&child);
    let forwarder = thread::spawn(move || signals.forever().for_each(|signal| forward(signal, pid)));
    let status = child.wait();
    handle.close();
    // It ends when its signals are closed.
    let _panicked = forwarder.join().is_err();
    status
}

fn forward(signal: i32, pid: Pid) {
    let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
    if let Err(error) = kill_process(pid, signal) {
        eprintln!("stopping the host: {error}");
    }
}

/// As a shell reports it: a process that a signal has ended has 128 and the signal's number.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
