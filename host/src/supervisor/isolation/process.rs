//! The supervisor's handle of a connector's process, and of the tasks in it.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use rustix::process::Pid;
use tokio::{io::AsyncWriteExt, net::unix::OwnedWriteHalf, sync::mpsc, task::JoinHandle};

use super::{
    Crash,
    keeper::{Keeper, Order},
    listen::{Printed, listen},
    protocol::{ToChild, Welcome, to_line},
    spawn::spawn,
    watch::{Bounds, Pulse, Watch},
};
use crate::{
    config::{ConnectorDefinition, Secrets},
    pipeline::{TaskCommand, TaskEvents, TaskSettings},
    telemetry::log_options,
};

/// A connector's process cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("its process cannot be started: {0}")]
pub(in crate::supervisor) struct IsolationError(#[from] io::Error);

/// What a process is started with.
#[derive(Clone, Debug)]
pub(in crate::supervisor) struct Spec {
    connector: String,
    bounds: Bounds,
    data_limit: u64,
    shutdown: Duration,
}

impl Spec {
    /// What a child may ask the system for beyond its limit, as long as it does not use it. The watch over what it uses
    /// looks only now and then: this is what keeps a plugin from taking the machine's memory in between.
    const UNUSED: u64 = 256 << 20;
    /// The same, per task: the Kafka client has a thread with a stack of 8 MiB for every broker.
    const UNUSED_PER_TASK: u64 = 512 << 20;

    /// The process of a connector.
    pub(in crate::supervisor) fn of(definition: &ConnectorDefinition) -> Self {
        let memory = definition.limits.memory as u64;
        Self {
            connector: definition.name.clone(),
            bounds: Bounds { memory, cpu: definition.limits.cpu },
            data_limit: memory + Self::UNUSED + Self::UNUSED_PER_TASK * definition.tasks as u64,
            shutdown: definition.limits.shutdown,
        }
    }
}

/// A running process. When this handle is dropped, the process ends, and is killed if it has tasks.
#[derive(Debug)]
pub(in crate::supervisor) struct Process {
    number: u64,
    pid: Pid,
    orders: mpsc::UnboundedSender<Order>,
    keeper: JoinHandle<()>,
}

/// A task in a process.
#[derive(Debug)]
pub(in crate::supervisor) struct IsolatedTask {
    task: u32,
    orders: mpsc::UnboundedSender<Order>,
}

impl Process {
    /// Starts process `number` of a connector, on the runtime of the caller. Should it end without being told to,
    /// `crashed` is called, after the last event of its tasks.
    ///
    /// # Errors
    /// When the system has no room for another process.
    pub(in crate::supervisor) fn start(
        spec: &Spec,
        number: u64,
        crashed: impl FnOnce(Crash) + Send + 'static,
    ) -> Result<Self, IsolationError> {
        let spawned = spawn(&spec.connector)?;
        let pid = spawned.body.pid();
        let (reading, writing) = spawned.socket.into_split();
        let (orders, to_keep) = mpsc::unbounded_channel();
        let (hear, heard) = mpsc::unbounded_channel();
        let (to_child, lines) = mpsc::unbounded_channel();
        let welcome = Welcome { log: log_options(), data_limit: spec.data_limit };
        let line = to_line(&ToChild::Welcome(welcome)).map_err(io::Error::from)?;
        // The other end is there, in this function.
        let _sent = to_child.send(line).is_ok();
        let (pulse, printed) = (Arc::<Pulse>::default(), Printed::default());
        tokio::spawn(write_all(writing, lines));
        tokio::spawn(listen(reading, spec.connector.clone(), Arc::clone(&pulse), hear));
        let printing = tokio::spawn(printed.clone().listen(spawned.stderr, spec.connector.clone()));
        let keeper = Keeper {
            connector: spec.connector.clone(),
            process: number,
            shutdown: spec.shutdown,
            watch: Watch::new(pid, pulse, spec.bounds),
            body: spawned.body,
            orders: to_keep,
            heard,
            to_child,
            printed,
            printing,
            calls: None,
            tasks: BTreeMap::new(),
            deadline: None,
            is_leaving: false,
            condemned: None,
        };
        tracing::debug!(connector = spec.connector, pid = pid.as_raw_nonzero().get(), "process started");
        let kept = tokio::spawn(keeper.run());
        let connector = spec.connector.clone();
        let keeper = tokio::spawn(async move {
            // A panic in the host's own code fails the connector, whose process was killed by it, and not the host.
            let broken = |error| {
                let reason = format!("its process was killed: the host failed to keep it: {error}");
                Some(Crash { connector, process: number, reason })
            };
            if let Some(crash) = kept.await.unwrap_or_else(broken) {
                crashed(crash);
            }
        });
        Ok(Self { number, pid, orders, keeper })
    }

    /// Starts a task that has `secrets`. Its last event is `Stopped` or `Failed`, unless the process crashes.
    pub(in crate::supervisor) fn start_task(
        &self,
        settings: TaskSettings,
        secrets: Secrets,
        events: TaskEvents,
    ) -> IsolatedTask {
        let task = settings.task;
        // A keeper that is over has told of a crash.
        let _over = self.orders.send(Order::Start(Box::new(settings), secrets, events)).is_err();
        IsolatedTask { task, orders: self.orders.clone() }
    }

    /// Which process of the connector it is.
    pub(in crate::supervisor) fn number(&self) -> u64 {
        self.number
    }

    /// Its number in the system.
    pub(in crate::supervisor) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Tells it to end. The task that is returned is over when it has.
    pub(in crate::supervisor) fn leave(self) -> JoinHandle<()> {
        self.keeper
    }
}

impl IsolatedTask {
    /// Tells the task something. A task that has ended hears nothing.
    pub(in crate::supervisor) fn send(&self, command: TaskCommand) {
        let _over = self.orders.send(Order::Tell(self.task, command)).is_err();
    }
}

/// A child that does not listen any more is about to end.
async fn write_all(mut socket: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = socket.write_all(&line).await {
            tracing::debug!(%error, "telling a process something");
            return;
        }
    }
}
