//! The child: runs the tasks of one connector for the host that started it, and dies with it.

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
use tokio::signal::unix::{SignalKind, signal};

use super::protocol::{FromChild, LONGEST_LINE, LONGEST_REASON, ToChild, Welcome, to_line};
use crate::{
    pipeline::{Task, TaskEvent, TaskSettings, note_calls_in},
    telemetry,
};

/// How often a sign of life is given, and measurements are handed on.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What `tidegate run-isolated` does. Its standard input is a socket of the host.
///
/// # Errors
/// When nobody is at the other end, or the system refuses what a child needs.
pub fn child_main() -> io::Result<ExitCode> {
    let (mut orders, host) = connect()?;
    detach()?;
    let Some(ToChild::Welcome(welcome)) = next_order(&mut orders)? else {
        return Err(io::Error::other("this command is for a running host, which starts it by itself"));
    };
    settle_in(&welcome, &host)?;
    let mut tasks = HashMap::new();
    while let Some(order) = next_order(&mut orders)? {
        match order {
            ToChild::Welcome(_) => {}
            ToChild::Start { settings, secrets } => {
                telemetry::protect(&secrets);
                let task = settings.task;
                tasks.extend(start(*settings, &host).map(|started| (task, started)));
            }
            ToChild::Tell { task, command } => {
                tasks.get(&task).inspect(|task: &&Task| task.send(command));
            }
            ToChild::Leave => {
                hand_on_metrics(&host);
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    // The host is gone. What runs here must not go on for a moment beside its successor, so nothing is cleaned up.
    kill_process(getpid(), Signal::KILL)?;
    Ok(ExitCode::FAILURE)
}

/// Takes the socket away from standard input, which plugins may read or close.
fn connect() -> io::Result<(BufReader<UnixStream>, Host)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((BufReader::new(socket.try_clone()?), Host(Arc::new(Mutex::new(socket)))))
}

/// Leaves to the host what happens at a signal, and dies with it.
fn detach() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_name(c"tidegate")?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // A handler stays for as long as the process lives, and unlike an ignored signal it is not handed on to what a plugin
    // starts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

fn settle_in(welcome: &Welcome, host: &Host) -> io::Result<()> {
    let limit = Some(welcome.data_limit);
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit })?;
    if let Some(options) = welcome.log {
        let host = host.clone();
        telemetry::log_to(options, Box::new(move |line| host.send(&FromChild::Log(line.to_owned()))));
    }
    note_calls(host)?;
    let measured = host.clone();
    telemetry::collect_metrics(Box::new(move |all| measured.send(&FromChild::Metrics(all))));
    let host = host.clone();
    let beat = move || {
        loop {
            host.send(&FromChild::Alive);
            hand_on_metrics(&host);
            thread::sleep(HEARTBEAT);
        }
    };
    thread::Builder::new().name("heartbeat".to_owned()).spawn(beat).map(drop)
}

/// Notes running calls in memory that the host can open through this process' list of files, even when that has crashed.
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

fn hand_on_metrics(host: &Host) {
    telemetry::take_metrics().into_iter().for_each(|chunk| host.send(&FromChild::Metrics(chunk)));
}

fn start(settings: TaskSettings, host: &Host) -> Option<Task> {
    let (task, events) = (settings.task, host.clone());
    match Task::start(settings, Box::new(move |event| events.event(task, event))) {
        Ok(started) => Some(started),
        Err(error) => {
            let reason = telemetry::scrub(&error.to_string()).into_owned();
            host.event(task, TaskEvent::Failed { reason, abandoned: false });
            None
        }
    }
}

fn next_order(orders: &mut impl BufRead) -> io::Result<Option<ToChild>> {
    let mut line = Vec::new();
    match orders.read_until(b'\n', &mut line) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(serde_json::from_slice(&line)?)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

/// The way to the host. Each message is written at once, so that what was said before a crash is heard.
#[derive(Clone)]
struct Host(Arc<Mutex<UnixStream>>);

impl Host {
    fn send(&self, message: &FromChild) {
        let Some(line) = to_line(message).ok().filter(|line| line.len() <= LONGEST_LINE) else { return };
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A host that is gone takes this process with it.
        let _gone = socket.write_all(&line).is_err();
    }

    fn event(&self, task: u32, mut event: TaskEvent) {
        if let TaskEvent::Failed { reason, .. } = &mut event {
            let end = (0..=LONGEST_REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
            reason.truncate(end.unwrap_or_default());
        }
        self.send(&FromChild::Event { task, event });
    }
}
