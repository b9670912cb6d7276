//! The supervisor: one loop over task events, commands, timers and the shutdown signal.

mod history;
mod join_gate;
mod lifecycle;
mod running;
mod slot;
mod task_runtime;
mod trial;
mod until_end;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use self::running::{RunningConnector, TaskId};
use super::{
    connector::Connector,
    deploy::{Deploy, Replacement},
    isolation::Crash,
    status::{ConnectorState, DesiredState, HostStatus, RejectedFile},
};
use crate::pipeline::{MemoryPool, TaskEvent};

/// Interval at which restarts and end conditions are checked.
const TICK: Duration = Duration::from_millis(100);
/// Extra time beyond the connectors' own shutdown deadlines before their threads are abandoned.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// How long to wait for child processes to exit and for their log lines to be written.
const PROCESS_EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// A command to the supervisor. Without a connector name, it applies to all connectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stop reading but stay in the consumer group.
    Pause(Option<String>),
    /// Resume reading, or start stopped and failed tasks.
    Resume(Option<String>),
    /// Close and reopen the plugins between two batches.
    Reopen(Option<String>),
    /// Stop, and do not restart.
    Stop(Option<String>),
    /// Restart one task, and leave the others as they are.
    RestartTask {
        /// Name of the connector.
        connector: String,
        /// Number of the task, from 0.
        task: u32,
    },
}

/// A command cannot be carried out, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub String);

impl From<Stopping> for Rejected {
    fn from(stopping: Stopping) -> Self {
        Self(stopping.to_string())
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    pub status: HostStatus,
    /// Connectors that failed permanently.
    pub failed: Vec<String>,
    /// Every stopped task delivered and committed everything that was in flight.
    pub clean: bool,
}

impl RunOutcome {
    #[must_use]
    pub fn all_failed(&self) -> bool {
        !self.failed.is_empty() && self.failed.len() == self.status.connectors.len()
    }
}

#[derive(Debug)]
enum SupervisorEvent {
    Task(TaskId, TaskEvent),
    /// A connector's child process crashed, and all its tasks with it.
    Crash(Crash),
    /// A connector went back to the library before.
    RolledBack(RolledBack),
}

/// What the supervisor is asked from other threads.
enum Request {
    Status(oneshot::Sender<HostStatus>),
    Command(Command, oneshot::Sender<Result<Vec<String>, Rejected>>),
    /// Answered once the changes have begun.
    Deploy(Vec<Deploy>, oneshot::Sender<()>),
    /// These connector files are not used.
    Reject(Vec<RejectedFile>),
}

/// The host is stopping, so nothing can be changed any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host is stopping")]
pub struct Stopping;

/// A replaced plugin library has failed, and its connector runs with the library before again.
#[derive(Debug)]
pub struct RolledBack {
    /// The connector as it runs again.
    pub now: Box<Connector>,
    /// The connector with the library that has failed.
    pub failed: Box<Connector>,
}

/// Sends commands to a running supervisor.
#[derive(Clone, Debug)]
pub struct SupervisorHandle(mpsc::Sender<Request>);

impl SupervisorHandle {
    /// The status of the host.
    ///
    /// # Errors
    /// When the host is stopping.
    pub async fn status(&self) -> Result<HostStatus, Stopping> {
        self.ask(Request::Status).await
    }

    /// Sends a command. Returns the names of the connectors that it was accepted for; it is being carried out.
    ///
    /// # Errors
    /// When the command cannot be carried out.
    pub async fn command(&self, command: Command) -> Result<Vec<String>, Rejected> {
        self.ask(|answer| Request::Command(command, answer)).await?
    }

    /// Changes what the supervisor runs, and waits until the changes have begun.
    ///
    /// # Errors
    /// When the host is stopping.
    pub async fn deploy(&self, changes: Vec<Deploy>) -> Result<(), Stopping> {
        self.ask(|begun| Request::Deploy(changes, begun)).await
    }

    /// Replaces the list of connector files that are not used, which the status shows.
    ///
    /// # Errors
    /// When the host is stopping.
    pub async fn set_rejected(&self, rejected: Vec<RejectedFile>) -> Result<(), Stopping> {
        self.0.send(Request::Reject(rejected)).await.map_err(|_| Stopping)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Stopping> {
        let (answer, answered) = oneshot::channel();
        // If the supervisor has ended, nothing answers.
        let _ended = self.0.send(request(answer)).await.is_err();
        answered.await.map_err(|_| Stopping)
    }
}

/// Runs the connectors of a host.
pub struct Supervisor {
    connectors: BTreeMap<String, RunningConnector>,
    events: mpsc::UnboundedReceiver<SupervisorEvent>,
    requests: mpsc::Receiver<Request>,
    /// For connectors that are added later.
    memory: Arc<MemoryPool>,
    send_event: mpsc::UnboundedSender<SupervisorEvent>,
    rejected: Vec<RejectedFile>,
    rolled_back: mpsc::UnboundedSender<RolledBack>,
    ends: EndsWhen,
    clean: bool,
}

/// When a supervisor ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsWhen {
    /// Once everything is delivered; connectors stop when they have delivered everything.
    Delivered,
    /// When all connectors have failed permanently.
    AllFailed,
    /// Never: a failed connector may be repaired, and others may be added.
    Never,
}

impl Supervisor {
    /// Creates a supervisor for connectors whose tasks share `memory`, a handle to it, and a channel on which it reports that
    /// replaced libraries have failed.
    #[must_use]
    pub fn new(
        connectors: Vec<(Connector, DesiredState)>,
        memory: &Arc<MemoryPool>,
        ends: EndsWhen,
    ) -> (Self, SupervisorHandle, mpsc::UnboundedReceiver<RolledBack>) {
        let (send_event, events) = mpsc::unbounded_channel();
        let (send_request, requests) = mpsc::channel(16);
        let (rolled_back, on_roll_back) = mpsc::unbounded_channel();
        let mut supervisor = Self {
            connectors: BTreeMap::new(),
            events,
            requests,
            memory: Arc::clone(memory),
            send_event,
            rejected: Vec::new(),
            rolled_back,
            ends,
            clean: true,
        };
        for (connector, initial) in connectors {
            supervisor.insert(connector, initial);
        }
        (supervisor, SupervisorHandle(send_request), on_roll_back)
    }

    fn insert(&mut self, connector: Connector, initial: DesiredState) -> &mut RunningConnector {
        let name = connector.name().to_owned();
        let (memory, events) = (Arc::clone(&self.memory), self.send_event.clone());
        let running = RunningConnector::new(connector, initial, memory, events);
        self.connectors.entry(name).or_insert(running)
    }

    /// Starts every connector and runs until `shutdown` completes, or as [`EndsWhen`] says.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> RunOutcome {
        self.connectors.values_mut().for_each(RunningConnector::start);
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        while !self.is_over() {
            tokio::select! {
                () = &mut shutdown => return self.stop_all().await,
                Some(event) = self.events.recv() => self.handle_event(event),
                Some(request) = self.requests.recv() => self.handle_request(request),
                _ = timer.tick() => self.on_tick(),
            }
        }
        self.stop_all().await
    }

    fn is_over(&self) -> bool {
        let mut states = self.connectors.values().map(RunningConnector::state);
        match self.ends {
            EndsWhen::Delivered => {
                states.all(|state| matches!(state, ConnectorState::Failed | ConnectorState::Stopped))
            }
            EndsWhen::AllFailed => {
                !self.connectors.is_empty() && states.all(|state| state == ConnectorState::Failed)
            }
            EndsWhen::Never => false,
        }
    }

    fn handle_request(&mut self, request: Request) {
        // The receiver is gone if the client has disconnected.
        let _gone = match request {
            Request::Status(answer) => answer.send(self.status()).is_err(),
            Request::Command(command, answer) => answer.send(self.answer(command)).is_err(),
            Request::Deploy(changes, begun) => {
                changes.into_iter().for_each(|change| self.deploy(change));
                begun.send(()).is_err()
            }
            Request::Reject(rejected) => {
                self.rejected = rejected;
                false
            }
        };
    }

    fn deploy(&mut self, change: Deploy) {
        match change {
            Deploy::Add(connector, initial) => match self.connectors.get_mut(connector.name()) {
                Some(running) if running.is_leaving() => running.add_again(*connector, initial),
                Some(running) => running.replace(*connector, Replacement::RESTART),
                None => self.insert(*connector, initial).start(),
            },
            Deploy::Replace(connector, how) => {
                if let Some(running) = self.connectors.get_mut(connector.name()) {
                    running.replace(*connector, how);
                }
            }
            Deploy::Restart(connector, how) => {
                if let Some(running) = self.connectors.get_mut(connector.name()) {
                    running.restart_as(*connector, how);
                }
            }
            Deploy::Remove(name) => {
                self.connectors.get_mut(&name).into_iter().for_each(RunningConnector::remove);
                self.drop_gone();
            }
        }
    }

    /// Drops connectors that were removed and have stopped.
    fn drop_gone(&mut self) {
        self.connectors.retain(|connector, running| {
            if running.is_gone() {
                tracing::info!(connector, "connector removed");
                crate::telemetry::forget_connector(connector);
            }
            !running.is_gone()
        });
    }

    fn handle_event(&mut self, event: SupervisorEvent) {
        match event {
            SupervisorEvent::Task(id, event) => {
                let Some(connector) = self.connectors.get_mut(&id.connector) else { return };
                self.clean &= !matches!(event, TaskEvent::Stopped { clean: false });
                connector.on_event(&id, event);
                connector.record_states();
            }
            SupervisorEvent::Crash(crash) => {
                let connector = self.connectors.get_mut(&crash.connector);
                connector.into_iter().for_each(|connector| {
                    connector.on_crash(&crash);
                    connector.record_states();
                });
            }
            SupervisorEvent::RolledBack(rolled_back) => {
                // Without a deployment, nothing receives it.
                let _unwatched = self.rolled_back.send(rolled_back).is_err();
            }
        }
        self.drop_gone();
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        for connector in self.connectors.values_mut() {
            connector.on_timer(now);
            if self.ends == EndsWhen::Delivered {
                connector.stop_at_end(now);
            }
            connector.record_states();
        }
    }

    fn answer(&mut self, command: Command) -> Result<Vec<String>, Rejected> {
        match command {
            Command::Pause(name) => self.command(name, Some("pause"), RunningConnector::pause),
            Command::Resume(name) => self.command(name, None, RunningConnector::resume),
            Command::Reopen(name) => self.command(name, Some("reopen"), RunningConnector::reopen),
            Command::Stop(name) => self.command(name, None, RunningConnector::stop),
            Command::RestartTask { connector, task } => {
                self.find(&connector)?.restart_task(task)?;
                Ok(vec![connector])
            }
        }
    }

    /// Applies a command to the connector `name`, or to all. `needs_tasks` is the name of a command that requires running
    /// tasks.
    fn command(
        &mut self,
        name: Option<String>,
        needs_tasks: Option<&str>,
        act: fn(&mut RunningConnector),
    ) -> Result<Vec<String>, Rejected> {
        let rejection =
            |connector: &RunningConnector| needs_tasks.and_then(|command| connector.rejection(command));
        let Some(name) = name else {
            let may =
                |connector: &RunningConnector| !connector.is_leaving() && rejection(connector).is_none();
            let accepted = self.connectors.values_mut().filter(|connector| may(connector));
            let names = accepted.map(|connector| {
                act(connector);
                connector.name().to_owned()
            });
            return Ok(names.collect());
        };
        let connector = self.find(&name)?;
        match rejection(connector) {
            Some(reason) => Err(Rejected(reason)),
            None => {
                act(connector);
                Ok(vec![name])
            }
        }
    }

    fn find(&mut self, name: &str) -> Result<&mut RunningConnector, Rejected> {
        if !self.connectors.contains_key(name) {
            let known: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
            return Err(Rejected(format!("no connector \"{name}\"; there are: {}", known.join(", "))));
        }
        let connector = self.connectors.get_mut(name).filter(|connector| !connector.is_leaving());
        connector.ok_or_else(|| Rejected(format!("connector \"{name}\" is being removed")))
    }

    fn status(&self) -> HostStatus {
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connectors: self.connectors.values().map(RunningConnector::status).collect(),
            rejected: self.rejected.clone(),
        }
    }

    /// Stops every task and waits for them.
    async fn stop_all(mut self) -> RunOutcome {
        self.connectors.values_mut().for_each(RunningConnector::halt);
        let longest = self.connectors.values().map(RunningConnector::shutdown).max().unwrap_or_default();
        let deadline = tokio::time::Instant::now() + longest + STOP_GRACE;
        while self.connectors.values().any(RunningConnector::has_tasks) {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => {
                    // A task that fails now still had records in flight.
                    self.clean &= !matches!(
                        event,
                        SupervisorEvent::Task(_, TaskEvent::Failed { .. }) | SupervisorEvent::Crash(_)
                    );
                    self.handle_event(event);
                }
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!("some tasks did not stop in time and were abandoned");
                    self.clean = false;
                    break;
                }
            }
        }
        self.end_processes().await;
        let failed = self
            .connectors
            .values()
            .filter(|connector| connector.has_failed())
            .map(|connector| connector.name().to_owned());
        RunOutcome { failed: failed.collect(), clean: self.clean, status: self.status() }
    }

    /// Waits until the child processes have exited and their log lines are written. A child that does not exit is killed
    /// when the host exits.
    async fn end_processes(&mut self) {
        let exiting: Vec<_> =
            self.connectors.values_mut().filter_map(RunningConnector::end_process).collect();
        if exiting.is_empty() {
            return;
        }
        let all = async {
            for process in exiting {
                // A task that panicked has ended as well.
                let _over = process.await.is_ok();
            }
        };
        if tokio::time::timeout(PROCESS_EXIT_TIMEOUT, all).await.is_err() {
            tracing::warn!("some connector processes did not exit in time");
        }
        crate::telemetry::log_relay().flush(PROCESS_EXIT_TIMEOUT).await;
    }
}
