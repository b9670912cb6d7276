//! The supervisor: one loop over task events, commands, timers and the wish to stop.

mod history;
mod quarters;
mod running;
mod slot;

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use self::running::{Running, TaskId};
use super::{
    connector::Connector,
    isolation::Crash,
    status::{ConnectorState, HostStatus},
};
use crate::pipeline::{TaskCommand, TaskEvent};

/// How often timers are looked after.
const TICK: Duration = Duration::from_millis(100);
/// What stopping may take beyond the connectors' own deadlines, before threads are left behind.
const GRACE: Duration = Duration::from_secs(3);
/// How long processes without tasks, and what they have logged, are waited for.
const LEAVE: Duration = Duration::from_secs(3);

/// What the supervisor is asked. A connector is named, or all are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// How things stand.
    Status,
    /// Stop reading, stay in the group.
    Pause(Option<String>),
    /// Read again, or start again what was stopped.
    Resume(Option<String>),
    /// Stop and start.
    Restart(Option<String>),
    /// Close and open the plugins between two batches.
    Reopen(Option<String>),
    /// Stop, and stay stopped.
    Stop(Option<String>),
    /// All metrics, in Prometheus' text format.
    Metrics,
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How things stand.
    Status(HostStatus),
    /// It is under way for these connectors.
    Accepted(Vec<String>),
    /// Metrics.
    Metrics(String),
    /// It cannot be done, and why.
    Refused(String),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The last status.
    pub status: HostStatus,
    /// Connectors that failed for good.
    pub failed: Vec<String>,
    /// Everything in flight was delivered and committed, wherever a task was told to stop.
    pub clean: bool,
}

impl Ending {
    /// Whether every connector has failed for good.
    #[must_use]
    pub fn all_failed(&self) -> bool {
        !self.failed.is_empty() && self.failed.len() == self.status.connectors.len()
    }
}

/// What the supervisor hears.
#[derive(Debug)]
enum News {
    /// From a task.
    Task(TaskId, TaskEvent),
    /// The process of a connector has crashed, with all of its tasks.
    Crash(Crash),
}

type Request = (Command, oneshot::Sender<Reply>);

/// Talks to a running supervisor.
#[derive(Clone, Debug)]
pub struct SupervisorHandle(mpsc::Sender<Request>);

impl SupervisorHandle {
    /// Asks, and waits for the answer.
    pub async fn ask(&self, command: Command) -> Reply {
        let (answer, answered) = oneshot::channel();
        if self.0.send((command, answer)).await.is_err() {
            return Reply::Refused("the host is stopping".to_owned());
        }
        answered.await.unwrap_or_else(|_| Reply::Refused("the host is stopping".to_owned()))
    }
}

/// Runs the connectors of a host.
pub struct Supervisor {
    connectors: BTreeMap<String, Running>,
    news: mpsc::UnboundedReceiver<News>,
    requests: mpsc::Receiver<Request>,
    until_end: bool,
    clean: bool,
}

impl Supervisor {
    /// A supervisor of `connectors`, and the handle to it. With `until_end`, connectors end once everything is
    /// delivered.
    #[must_use]
    pub fn new(connectors: Vec<Connector>, until_end: bool) -> (Self, SupervisorHandle) {
        let (send_news, news) = mpsc::unbounded_channel();
        let (send_request, requests) = mpsc::channel(16);
        let running =
            |connector: Connector| (connector.name().to_owned(), Running::new(connector, send_news.clone()));
        let connectors = connectors.into_iter().map(running).collect();
        let supervisor = Self { connectors, news, requests, until_end, clean: true };
        (supervisor, SupervisorHandle(send_request))
    }

    /// Starts every connector and runs them until `shutdown` is ready, all have failed for good or, with `until_end`,
    /// all have ended.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Ending {
        self.connectors.values_mut().for_each(Running::start);
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        while !self.is_over() {
            tokio::select! {
                () = &mut shutdown => return self.stop_all().await,
                Some(news) = self.news.recv() => self.on_news(news),
                Some((command, answer)) = self.requests.recv() => {
                    // Whoever asked may have gone away meanwhile.
                    let _gone = answer.send(self.answer(command)).is_err();
                }
                _ = timer.tick() => self.on_tick(),
            }
        }
        self.stop_all().await
    }

    /// All have failed for good or, with `until_end`, have ended one way or the other.
    fn is_over(&self) -> bool {
        let mut states = self.connectors.values().map(Running::state);
        if self.until_end {
            return states.all(|state| matches!(state, ConnectorState::Failed | ConnectorState::Stopped));
        }
        states.all(|state| state == ConnectorState::Failed)
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Task(id, event) => {
                let Some(connector) = self.connectors.get_mut(&id.connector) else { return };
                self.clean &= !matches!(event, TaskEvent::Stopped { clean: false });
                connector.on_event(&id, event);
                connector.note_states();
            }
            News::Crash(crash) => {
                let connector = self.connectors.get_mut(&crash.connector);
                connector.into_iter().for_each(|connector| {
                    connector.on_crash(&crash);
                    connector.note_states();
                });
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        for connector in self.connectors.values_mut() {
            connector.restart_due(now);
            if self.until_end {
                connector.stop_at_end(now);
            }
            connector.note_states();
        }
    }

    fn answer(&mut self, command: Command) -> Reply {
        match command {
            Command::Status => Reply::Status(self.status()),
            Command::Metrics => Reply::Metrics(crate::telemetry::render_metrics()),
            Command::Pause(name) => self.tell(name, Some("pause"), Running::pause),
            Command::Resume(name) => self.tell(name, None, Running::resume),
            Command::Restart(name) => self.tell(name, None, Running::restart),
            Command::Reopen(name) => {
                self.tell(name, Some("reopen"), |connector| connector.tell(&TaskCommand::Reopen))
            }
            Command::Stop(name) => self.tell(name, None, Running::stop),
        }
    }

    /// Tells the connector called `name` something, or all. `needs_tasks` names a command that needs running tasks.
    fn tell(&mut self, name: Option<String>, needs_tasks: Option<&str>, act: fn(&mut Running)) -> Reply {
        let refusal = |connector: &Running| needs_tasks.and_then(|command| connector.refusal(command));
        let Some(name) = name else {
            let told = self.connectors.values_mut().filter(|connector| refusal(connector).is_none());
            let names = told.map(|connector| {
                act(connector);
                connector.name().to_owned()
            });
            return Reply::Accepted(names.collect());
        };
        match self.connectors.get_mut(&name) {
            None => {
                let known: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
                Reply::Refused(format!("no connector \"{name}\"; there are: {}", known.join(", ")))
            }
            Some(connector) => match refusal(connector) {
                Some(reason) => Reply::Refused(reason),
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
            connectors: self.connectors.values().map(Running::status).collect(),
        }
    }

    /// Tells every task to stop, and waits for them.
    async fn stop_all(mut self) -> Ending {
        self.connectors.values_mut().for_each(Running::halt);
        let longest = self.connectors.values().map(Running::shutdown).max().unwrap_or_default();
        let deadline = tokio::time::Instant::now() + longest + GRACE;
        while self.connectors.values().any(Running::has_tasks) {
            match tokio::time::timeout_at(deadline, self.news.recv()).await {
                Ok(Some(news)) => {
                    // What a task fails with now was in flight.
                    self.clean &= !matches!(news, News::Task(_, TaskEvent::Failed { .. }) | News::Crash(_));
                    self.on_news(news);
                }
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!("some tasks did not stop in time; leaving them behind");
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
        Ending { failed: failed.collect(), clean: self.clean, status: self.status() }
    }

    /// Waits until the processes have ended, and what they said is in the log. What does not end is killed with the host.
    async fn end_processes(&mut self) {
        let leaving: Vec<_> = self.connectors.values_mut().filter_map(Running::end_process).collect();
        if leaving.is_empty() {
            return;
        }
        let all = async {
            for process in leaving {
                // One that has panicked has ended, too.
                let _over = process.await.is_ok();
            }
        };
        if tokio::time::timeout(LEAVE, all).await.is_err() {
            tracing::warn!("some processes of connectors did not end in time");
        }
        crate::telemetry::log_relay().flush(LEAVE).await;
    }
}
