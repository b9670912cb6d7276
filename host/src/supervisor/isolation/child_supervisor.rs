//! Supervises a child process: one tokio task per child that sends commands to it, watches it and ends it.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Crash,
    child_process::ChildProcess,
    child_state::{ChildAction, ChildState, KillReason, Next},
    exit_status,
    protocol::{ToChild, to_line},
    receive::{ChildMessage, StderrTail},
    watchdog::Watchdog,
};
use crate::{
    config::Secrets,
    pipeline::{Recovery, TaskCommand, TaskEvent, TaskEvents, TaskSettings, read_calls},
};

/// How long to wait for the exit of a child that closed its connection or was killed.
const REAP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait for the remaining messages and stderr output of a child that has exited. Processes that it started may
/// hold its pipes open.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// A command to a [`ChildSupervisor`].
pub(super) enum ChildCommand {
    /// Start a task with these secrets, and pass its events to the callback.
    Start(Box<TaskSettings>, Secrets, TaskEvents),
    /// Send a command to a task.
    Send(u32, TaskCommand),
}

pub(super) struct ChildSupervisor {
    pub(super) connector: String,
    /// Number of the process.
    pub(super) process: u64,
    pub(super) state: ChildState,
    pub(super) child: ChildProcess,
    pub(super) watchdog: Watchdog,
    /// When this channel closes, the child is shut down.
    pub(super) commands: mpsc::UnboundedReceiver<ChildCommand>,
    pub(super) messages: mpsc::UnboundedReceiver<ChildMessage>,
    /// Lines to be sent to the child.
    pub(super) to_child: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) stderr: StderrTail,
    pub(super) stderr_reader: JoinHandle<()>,
    /// The memory in which the child records its running plugin calls.
    pub(super) calls: Option<File>,
    /// The tasks that run in the child.
    pub(super) tasks: BTreeMap<u32, TaskEvents>,
}

impl ChildSupervisor {
    /// Supervises the child until it exits. Returns the crash, unless the child was asked to exit.
    pub(super) async fn run(mut self) -> Option<Crash> {
        let kill = loop {
            let check = self.watchdog.next();
            let check = self.state.deadline().map_or(check, |deadline| deadline.min(check));
            let next = tokio::select! {
                message = self.messages.recv() => self.on_message(message),
                command = self.commands.recv(), if !self.state.is_exiting() => self.on_command(command),
                () = tokio::time::sleep_until(check.into()) => self.check(),
            };
            self.execute();
            if let ControlFlow::Break(kill) = next {
                break kill;
            }
        };
        self.finish(kill).await
    }

    fn on_message(&mut self, message: Option<ChildMessage>) -> Next {
        match message {
            None => return ControlFlow::Break(None),
            Some(ChildMessage::Malformed(error)) => {
                return ControlFlow::Break(Some(format!("it sent a malformed message: {error}")));
            }
            // Only the first one counts: it is sent before any plugin runs that could forge it.
            Some(ChildMessage::Calls(descriptor)) if self.calls.is_none() => {
                let path = format!("/proc/{}/fd/{descriptor}", self.child.pid());
                self.calls = File::open(path).ok();
            }
            Some(ChildMessage::Calls(_)) => {}
            Some(ChildMessage::Event(task, event)) => self.on_event(task, event),
        }
        self.state.after_message()
    }

    fn on_event(&mut self, task: u32, event: TaskEvent) {
        let is_last = matches!(event, TaskEvent::Stopped { .. } | TaskEvent::Failed { .. });
        if self.state.on_event(task, &event, Instant::now()) {
            self.tasks.get(&task).inspect(|report| report(event));
        }
        if is_last {
            self.tasks.remove(&task);
        }
    }

    fn on_command(&mut self, command: Option<ChildCommand>) -> Next {
        match command {
            Some(ChildCommand::Start(settings, secrets, events)) => self.start(settings, secrets, events),
            Some(ChildCommand::Send(task, command)) => self.state.send(task, command, Instant::now()),
            None => return self.state.shut_down(Instant::now()),
        }
        ControlFlow::Continue(())
    }

    fn start(&mut self, settings: Box<TaskSettings>, secrets: Secrets, events: TaskEvents) {
        let task = settings.task;
        if !self.state.start(task) {
            return;
        }
        match to_line(&ToChild::Start { settings, secrets }) {
            Ok(line) => {
                self.tasks.insert(task, events);
                self.send_line(line);
            }
            Err(error) => {
                self.state.forget(task);
                let reason = format!("cannot send its settings to the process: {error}");
                events(TaskEvent::Failed { reason, abandoned: false, recovery: Recovery::Restart });
            }
        }
    }

    fn execute(&mut self) {
        for action in self.state.take_actions() {
            match action {
                ChildAction::Send(task, command) => self.send(&ToChild::Command { task, command }),
                ChildAction::Exit => self.send(&ToChild::Exit),
            }
        }
    }

    fn send(&self, message: &ToChild) {
        match to_line(message) {
            Ok(line) => self.send_line(line),
            Err(error) => {
                tracing::error!(connector = self.connector, %error, "cannot send a message to the process")
            }
        }
    }

    /// Sending fails only when the child has exited, which [`Self::on_message`] reports.
    fn send_line(&self, line: Vec<u8>) {
        let _exited = self.to_child.send(line).is_err();
    }

    fn check(&mut self) -> Next {
        let now = Instant::now();
        self.state.check(now)?;
        if self.child.has_ended() {
            return ControlFlow::Break(None);
        }
        match self.watchdog.check(now) {
            Some(reason) => ControlFlow::Break(Some(reason)),
            None => ControlFlow::Continue(()),
        }
    }

    /// Kills the child if necessary, drains its messages and reaps it.
    async fn finish(mut self, kill: Option<KillReason>) -> Option<Crash> {
        let ended = kill.is_none() && self.child.ends_within(REAP_TIMEOUT).await;
        self.child.kill();
        while let Ok(Some(message)) = tokio::time::timeout(DRAIN_TIMEOUT, self.messages.recv()).await {
            let _done = self.on_message(Some(message)).is_break();
        }
        let status = self.child.reap(REAP_TIMEOUT).await;
        if tokio::time::timeout(DRAIN_TIMEOUT, self.stderr_reader).await.is_err() {
            tracing::debug!(connector = self.connector, "another process holds the child's stderr open");
        }
        if self.state.is_exiting() {
            return None;
        }
        let (connector, process) = (self.connector, self.process);
        let crash = |reason| Crash { connector, process, reason };
        if let Some(reason) = self.state.pending_kill() {
            return Some(crash(format!("its process was killed: {reason}")));
        }
        let mut reason = match kill {
            Some(reason) => format!("its process was killed: {reason}"),
            None if ended => format!("its process {}", exit_status::describe(status)),
            None => "its process was killed: it closed its connection to the host".to_owned(),
        };
        if let Some(calls) = self.calls.as_ref().and_then(running_calls) {
            reason = format!("{reason}, while {calls}");
        }
        if let Some(lines) = self.stderr.last_lines() {
            reason = format!("{reason}; last lines of its stderr: {lines}");
        }
        Some(crash(reason))
    }
}

/// Describes the plugin calls that were running, for example `task 0 was in sink "x"`.
fn running_calls(board: &File) -> Option<String> {
    let calls: Vec<String> =
        read_calls(board).iter().map(|(task, stage)| format!("task {task} was in {stage}")).collect();
    (!calls.is_empty()).then(|| calls.join(" and "))
}
