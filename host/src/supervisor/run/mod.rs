//! The supervisor: one loop over task events, commands, timers and the shutdown signal.

mod history;
mod join_gate;
mod lifecycle;
mod running;
mod slot;
mod task_runtime;
mod until_end;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use self::running::{RunningConnector, TaskId};
use super::{
    connector::Connector,
    isolation::Crash,
    status::{ConnectorState, HostStatus},
};
use crate::pipeline::{MemoryPool, TaskEvent};

/// Interval at which restarts and end conditions are checked.
const TICK: Duration = Duration::from_millis(100);
/// Extra time beyond the connectors' own shutdown deadlines before their threads are abandoned.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// How long to wait for child processes to exit and for their log lines to be written.
const PROCESS_EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// A request to the supervisor. Commands without a connector name apply to all connectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Status,
    /// Stop reading but stay in the consumer group.
    Pause(Option<String>),
    /// Resume reading, or start stopped and failed tasks.
    Resume(Option<String>),
    Restart(Option<String>),
    /// Close and reopen the plugins between two batches.
    Reopen(Option<String>),
    /// Stop, and do not restart.
    Stop(Option<String>),
    /// All metrics in the Prometheus text format.
    Metrics,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Status(HostStatus),
    /// The command was accepted for these connectors and is being carried out.
    Accepted(Vec<String>),
    Metrics(String),
    /// The command cannot be carried out, with the reason.
    Rejected(String),
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
}

type Request = (Command, oneshot::Sender<Reply>);

/// Sends commands to a running supervisor.
#[derive(Clone, Debug)]
pub struct SupervisorHandle(mpsc::Sender<Request>);

impl SupervisorHandle {
    /// Sends a command and waits for the reply.
    pub async fn ask(&self, command: Command) -> Reply {
        let (answer, answered) = oneshot::channel();
        if self.0.send((command, answer)).await.is_err() {
            return Reply::Rejected("the host is stopping".to_owned());
        }
        answered.await.unwrap_or_else(|_| Reply::Rejected("the host is stopping".to_owned()))
    }
}

/// Runs the connectors of a host.
pub struct Supervisor {
    connectors: BTreeMap<String, RunningConnector>,
    events: mpsc::UnboundedReceiver<SupervisorEvent>,
    requests: mpsc::Receiver<Request>,
    until_end: bool,
    clean: bool,
}

impl Supervisor {
    /// Creates a supervisor for `connectors`, whose tasks share `memory`, and a handle to it. With `until_end`, connectors stop
    /// once everything is delivered.
    #[must_use]
    pub fn new(
        connectors: Vec<Connector>,
        memory: &Arc<MemoryPool>,
        until_end: bool,
    ) -> (Self, SupervisorHandle) {
        let (send_event, events) = mpsc::unbounded_channel();
        let (send_request, requests) = mpsc::channel(16);
        let running = |connector: Connector| {
            (
                connector.name().to_owned(),
                RunningConnector::new(connector, Arc::clone(memory), send_event.clone()),
            )
        };
        let connectors = connectors.into_iter().map(running).collect();
        let supervisor = Self { connectors, events, requests, until_end, clean: true };
        (supervisor, SupervisorHandle(send_request))
    }

    /// Starts every connector and runs until `shutdown` completes, all connectors have failed permanently or, with
    /// `until_end`, all have ended.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> RunOutcome {
        self.connectors.values_mut().for_each(RunningConnector::start);
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        while !self.is_over() {
            tokio::select! {
                () = &mut shutdown => return self.stop_all().await,
                Some(event) = self.events.recv() => self.handle_event(event),
                Some((command, answer)) = self.requests.recv() => {
                    // The client may have disconnected.
                    let _gone = answer.send(self.answer(command)).is_err();
                }
                _ = timer.tick() => self.on_tick(),
            }
        }
        self.stop_all().await
    }

    /// True when all connectors have failed permanently or, with `until_end`, have stopped or failed.
    fn is_over(&self) -> bool {
        let mut states = self.connectors.values().map(RunningConnector::state);
        if self.until_end {
            return states.all(|state| matches!(state, ConnectorState::Failed | ConnectorState::Stopped));
        }
        states.all(|state| state == ConnectorState::Failed)
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
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        for connector in self.connectors.values_mut() {
            connector.on_timer(now);
            if self.until_end {
                connector.stop_at_end(now);
            }
            connector.record_states();
        }
    }

    fn answer(&mut self, command: Command) -> Reply {
        match command {
            Command::Status => Reply::Status(self.status()),
            Command::Metrics => Reply::Metrics(crate::telemetry::render_metrics()),
            Command::Pause(name) => self.command(name, Some("pause"), RunningConnector::pause),
            Command::Resume(name) => self.command(name, None, RunningConnector::resume),
            Command::Restart(name) => self.command(name, None, RunningConnector::restart),
            Command::Reopen(name) => self.command(name, Some("reopen"), RunningConnector::reopen),
            Command::Stop(name) => self.command(name, None, RunningConnector::stop),
        }
    }

    /// Applies a command to the connector `name`, or to all. `needs_tasks` is the name of a command that requires running
    /// tasks.
    fn command(
        &mut self,
        name: Option<String>,
        needs_tasks: Option<&str>,
        act: fn(&mut RunningConnector),
    ) -> Reply {
        let rejection =
            |connector: &RunningConnector| needs_tasks.and_then(|command| connector.rejection(command));
        let Some(name) = name else {
            let accepted = self.connectors.values_mut().filter(|connector| rejection(connector).is_none());
            let names = accepted.map(|connector| {
                act(connector);
                connector.name().to_owned()
            });
            return Reply::Accepted(names.collect());
        };
        match self.connectors.get_mut(&name) {
            None => {
                let known: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
                Reply::Rejected(format!("no connector \"{name}\"; there are: {}", known.join(", ")))
            }
            Some(connector) => match rejection(connector) {
                Some(reason) => Reply::Rejected(reason),
                None => {
                    act(connector);
                    Reply::Accepted(vec![name])
                }
            },
        }
    }

    fn status(&self) -> HostStatus {
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            connectors: self.connectors.values().map(RunningConnector::status).collect(),
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
