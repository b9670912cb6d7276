//! The child process: runs the tasks of one connector for the host that started it, and is killed when the host exits.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use tidegate_abi::printable::beginning;
use tokio::signal::unix::{SignalKind, signal};

use super::protocol::{FromChild, Init, MAX_LINE_BYTES, MAX_REASON_BYTES, ToChild, to_line};
use crate::{
    pipeline::{Recovery, Task, TaskEvent, TaskMemory, TaskSettings, note_calls_in},
    plugins::end_with_host,
    telemetry,
};

/// Interval of heartbeats and of sending metrics.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The main function of `tidegate run-isolated`. Its stdin is a socket to the host.
///
/// # Errors
/// When the socket is not connected, or a system call fails.
pub fn child_main() -> io::Result<ExitCode> {
    let (mut commands, host) = connect()?;
    set_process_attributes()?;
    let Some(ToChild::Init(init)) = next_command(&mut commands)? else {
        return Err(io::Error::other(
            "this command is internal: the host starts it for connectors with isolation = \"process\"",
        ));
    };
    initialize(&init, &host)?;
    let (mut tasks, mut protected) = (HashMap::new(), HashMap::new());
    while let Some(command) = next_command(&mut commands)? {
        match command {
            ToChild::Init(_) => {}
            ToChild::Start { settings, secrets } => {
                let task = settings.task;
                // Those of the task before it are kept for a while: its last lines may not be written yet.
                protected.insert(task, telemetry::protect(&secrets));
                tasks.extend(start(*settings, &host).map(|started| (task, started)));
            }
            ToChild::Command { task, command } => {
                tasks.get(&task).inspect(|task: &&Task| task.send(command));
            }
            ToChild::Exit => {
                forward_metrics(&host);
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    // The host is gone. Exit at once without cleaning up: no task may keep running while a new host starts.
    kill_process(getpid(), Signal::KILL)?;
    Ok(ExitCode::FAILURE)
}

/// Moves the socket away from stdin, which plugins may read or close.
fn connect() -> io::Result<(BufReader<UnixStream>, Host)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((BufReader::new(socket.try_clone()?), Host(Arc::new(Mutex::new(socket)))))
}

/// Ignores signals, which the host handles, and arranges for the child to be killed when the host exits.
fn set_process_attributes() -> io::Result<()> {
    end_with_host()?;
    rustix::thread::set_name(c"tidegate")?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Handlers stay installed for the lifetime of the process. Ignored signals would be inherited by processes that a
    // plugin starts; handlers are not.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

fn initialize(init: &Init, host: &Host) -> io::Result<()> {
    let limit = Some(init.data_limit);
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit })?;
    if let Some(options) = init.log {
        let host = host.clone();
        telemetry::log_to(options, Box::new(move |line| host.send(&FromChild::Log(line.to_owned()))));
    }
    if let Some(traces) = init.traces {
        telemetry::trace_batches(traces);
    }
    note_calls(host)?;
    telemetry::relay_metrics();
    let host = host.clone();
    let beat = move || {
        loop {
            host.send(&FromChild::Heartbeat);
            forward_metrics(&host);
            thread::sleep(HEARTBEAT);
        }
    };
    thread::Builder::new().name("heartbeat".to_owned()).spawn(beat).map(drop)
}

/// Records running plugin calls in memory that the host can open through `/proc/<pid>/fd`, even after a crash.
#[cfg(target_os = "linux")]
fn note_calls(host: &Host) -> io::Result<()> {
    let board = File::from(rustix::fs::memfd_create(c"calls", rustix::fs::MemfdFlags::CLOEXEC)?);
    host.send(&FromChild::Calls { descriptor: board.as_raw_fd() });
    note_calls_in(board);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn note_calls(_: &Host) -> io::Result<()> {
    Ok(())
}

/// Sends metrics and traces.
fn forward_metrics(host: &Host) {
    telemetry::take_metrics().into_iter().for_each(|chunk| host.send(&FromChild::Metrics(chunk)));
    loop {
        let traces = telemetry::take_traces();
        if traces.is_empty() {
            return;
        }
        host.send(&FromChild::Traces(traces));
    }
}

fn start(settings: TaskSettings, host: &Host) -> Option<Task> {
    let (task, events) = (settings.task, host.clone());
    // The limit of the process is divided among its tasks already.
    match Task::start(settings, TaskMemory::default(), Box::new(move |event| events.event(task, event))) {
        Ok(started) => Some(started),
        Err(error) => {
            let reason = telemetry::scrub(&error.to_string()).into_owned();
            host.event(task, TaskEvent::Failed { reason, abandoned: false, recovery: Recovery::Restart });
            None
        }
    }
}

fn next_command(commands: &mut impl BufRead) -> io::Result<Option<ToChild>> {
    let mut line = Vec::new();
    match commands.read_until(b'\n', &mut line) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(serde_json::from_slice(&line)?)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

/// The connection to the host. Messages are written without buffering, so that none is lost in a crash.
#[derive(Clone)]
struct Host(Arc<Mutex<UnixStream>>);

impl Host {
    fn send(&self, message: &FromChild) {
        let Some(line) = to_line(message).ok().filter(|line| line.len() <= MAX_LINE_BYTES) else { return };
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If the host is gone, this process is about to be killed.
        let _gone = socket.write_all(&line).is_err();
    }

    fn event(&self, task: u32, mut event: TaskEvent) {
        if let TaskEvent::Failed { reason, .. } = &mut event {
            reason.truncate(beginning(reason, MAX_REASON_BYTES).len());
        }
        self.send(&FromChild::Event { task, event });
    }
}
