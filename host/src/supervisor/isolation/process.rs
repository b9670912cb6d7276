//! The supervisor's handles to a connector's child process and to the tasks in it.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use rustix::process::Pid;
use tokio::{io::AsyncWriteExt, net::unix::OwnedWriteHalf, sync::mpsc, task::JoinHandle};

use super::{
    Crash,
    child_process::spawn,
    child_state::ChildState,
    child_supervisor::{ChildCommand, ChildSupervisor},
    protocol::{Init, ToChild, to_line},
    receive::{StderrTail, receive},
    watchdog::{Heartbeats, ResourceLimits, Watchdog},
};
use crate::{
    config::{ConnectorDefinition, Secrets},
    pipeline::{TaskCommand, TaskEvents, TaskSettings},
    telemetry::{log_options, trace_options},
};

#[derive(Debug, thiserror::Error)]
#[error("its process cannot be started: {0}")]
pub(in crate::supervisor) struct IsolationError(#[from] io::Error);

#[derive(Clone, Debug)]
pub(in crate::supervisor) struct ProcessSpec {
    connector: String,
    limits: ResourceLimits,
    data_limit: u64,
    shutdown: Duration,
}

impl ProcessSpec {
    /// Address space that a child may allocate beyond its memory limit without using it. The watchdog checks memory use
    /// only at intervals; this limit prevents a plugin from exhausting the machine's memory in between.
    const UNUSED: u64 = 256 << 20;
    /// The same, per task: the Kafka client starts a thread with an 8 MiB stack for every broker.
    const UNUSED_PER_TASK: u64 = 512 << 20;

    pub(in crate::supervisor) fn of(definition: &ConnectorDefinition) -> Self {
        let memory = definition.limits.memory as u64;
        Self {
            connector: definition.name.clone(),
            limits: ResourceLimits { memory, cpu: definition.limits.cpu },
            data_limit: memory + Self::UNUSED + Self::UNUSED_PER_TASK * definition.tasks as u64,
            shutdown: definition.limits.shutdown,
        }
    }
}

/// A running child process. Dropping the handle shuts the process down, or kills it if it still has tasks.
#[derive(Debug)]
pub(in crate::supervisor) struct Process {
    number: u64,
    pid: Pid,
    commands: mpsc::UnboundedSender<ChildCommand>,
    supervisor: JoinHandle<()>,
}

/// A task in a child process.
#[derive(Debug)]
pub(in crate::supervisor) struct IsolatedTask {
    task: u32,
    commands: mpsc::UnboundedSender<ChildCommand>,
}

impl Process {
    /// Starts process `number` of a connector on the caller's runtime. If the process ends unexpectedly, `crashed` is
    /// called after the last event of its tasks.
    ///
    /// # Errors
    /// When the system cannot start another process.
    pub(in crate::supervisor) fn start(
        spec: &ProcessSpec,
        number: u64,
        crashed: impl FnOnce(Crash) + Send + 'static,
    ) -> Result<Self, IsolationError> {
        let spawned = spawn(&spec.connector)?;
        let pid = spawned.child.pid();
        let (reading, writing) = spawned.socket.into_split();
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let (send_message, messages) = mpsc::unbounded_channel();
        let (to_child, lines) = mpsc::unbounded_channel();
        let init = Init { log: log_options(), traces: trace_options(), data_limit: spec.data_limit };
        let line = to_line(&ToChild::Init(init)).map_err(io::Error::from)?;
        // The receiver exists in this function, so this cannot fail.
        let _sent = to_child.send(line).is_ok();
        let (heartbeats, stderr) = (Arc::<Heartbeats>::default(), StderrTail::default());
        tokio::spawn(write_all(writing, lines));
        tokio::spawn(receive(reading, spec.connector.clone(), Arc::clone(&heartbeats), send_message));
        let stderr_reader = tokio::spawn(stderr.clone().read(spawned.stderr, spec.connector.clone()));
        let supervisor = ChildSupervisor {
            connector: spec.connector.clone(),
            process: number,
            state: ChildState::new(spec.shutdown),
            watchdog: Watchdog::new(&spec.connector, pid, heartbeats, spec.limits),
            child: spawned.child,
            commands: command_receiver,
            messages,
            to_child,
            stderr,
            stderr_reader,
            calls: None,
            tasks: BTreeMap::new(),
        };
        tracing::debug!(connector = spec.connector, pid = pid.as_raw_nonzero().get(), "process started");
        let run = tokio::spawn(supervisor.run());
        let connector = spec.connector.clone();
        let supervisor = tokio::spawn(async move {
            // A panic in the supervising code fails this connector, not the host. The child was killed by the unwinding.
            let broken = |error| {
                let reason = format!("its process was killed: supervising it failed: {error}");
                Some(Crash { connector, process: number, reason })
            };
            if let Some(crash) = run.await.unwrap_or_else(broken) {
                crashed(crash);
            }
        });
        Ok(Self { number, pid, commands, supervisor })
    }

    /// Starts a task with `secrets`. Its last event is `Stopped` or `Failed`, unless the process crashes.
    pub(in crate::supervisor) fn start_task(
        &self,
        settings: TaskSettings,
        secrets: Secrets,
        events: TaskEvents,
    ) -> IsolatedTask {
        let task = settings.task;
        // If the supervisor of the child has ended, it has reported a crash.
        let _ended = self.commands.send(ChildCommand::Start(Box::new(settings), secrets, events)).is_err();
        IsolatedTask { task, commands: self.commands.clone() }
    }

    /// The sequence number of the process within the connector.
    pub(in crate::supervisor) fn number(&self) -> u64 {
        self.number
    }

    /// The process id.
    pub(in crate::supervisor) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Shuts the process down. The returned handle completes when it has exited.
    pub(in crate::supervisor) fn shut_down(self) -> JoinHandle<()> {
        self.supervisor
    }
}

impl IsolatedTask {
    /// Sends a command; ignored if the task has ended.
    pub(in crate::supervisor) fn send(&self, command: TaskCommand) {
        let _ended = self.commands.send(ChildCommand::Send(self.task, command)).is_err();
    }
}

/// Ends when the child closes its end of the connection, which it does only when it exits.
async fn write_all(mut socket: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = socket.write_all(&line).await {
            tracing::debug!(%error, "cannot send a message to the process");
            return;
        }
    }
}
