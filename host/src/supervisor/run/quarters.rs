//! Where the tasks of a connector live: in threads of the host, or in a process.

use tokio::{sync::mpsc, task::JoinHandle};

use super::News;
use crate::{
    pipeline::{Task, TaskCommand, TaskEvents},
    supervisor::{
        connector::Connector,
        isolation::{Crash, IsolatedTask, IsolationError, Process},
    },
};

/// A running task, wherever it runs.
pub(super) enum AnyTask {
    /// In threads of the host.
    Thread(Task),
    /// In a process.
    Process(IsolatedTask),
}

impl AnyTask {
    /// Tells the task something. A task that has ended hears nothing.
    pub(super) fn send(&self, command: TaskCommand) {
        match self {
            Self::Thread(task) => task.send(command),
            Self::Process(task) => task.send(command),
        }
    }
}

/// The quarters of one connector's tasks.
pub(super) struct Quarters {
    /// The process of all its tasks, with `isolation = "process"`.
    process: Option<Process>,
    /// The one before, which is about to end, or has.
    leaving: Option<JoinHandle<()>>,
    /// Processes so far.
    started: u64,
    news: mpsc::UnboundedSender<News>,
}

impl Quarters {
    /// Quarters where nothing runs yet. Crashes are told to `news`.
    pub(super) fn new(news: mpsc::UnboundedSender<News>) -> Self {
        Self { process: None, leaving: None, started: 0, news }
    }

    /// Starts task `number` of the connector; in its process, which is started if it does not run.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn start_task(
        &mut self,
        connector: &Connector,
        number: u32,
        events: TaskEvents,
    ) -> Result<AnyTask, String> {
        let settings = connector.task_settings(number);
        let process = self.process(connector).map_err(|error| error.to_string())?;
        match process {
            None => Task::start(settings, events).map(AnyTask::Thread).map_err(|error| error.to_string()),
            Some(process) => {
                let secrets = connector.definition.secrets.clone();
                Ok(AnyTask::Process(process.start_task(settings, secrets, events)))
            }
        }
    }

    fn process(&mut self, connector: &Connector) -> Result<Option<&Process>, IsolationError> {
        let Some(spec) = connector.process() else { return Ok(None) };
        if self.process.is_none() {
            self.started += 1;
            let news = self.news.clone();
            // The supervisor lives as long as its connectors, except at the very end.
            let crashed = move |crash| drop(news.send(News::Crash(crash)));
            self.process = Some(Process::start(&spec, self.started, crashed)?);
        }
        Ok(self.process.as_ref())
    }

    /// The process' number in the system, if there is one.
    pub(super) fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Forgets the process that has crashed. False if it is not the one that tasks run in.
    pub(super) fn forget(&mut self, crash: &Crash) -> bool {
        self.process.take_if(|process| process.number() == crash.process).is_some()
    }

    /// Lets the process go: nothing runs in it.
    pub(super) fn leave(&mut self) {
        self.leaving = self.end();
    }

    /// Lets the process go, if there is one. What is returned is over when the last one has ended.
    pub(super) fn end(&mut self) -> Option<JoinHandle<()>> {
        self.process.take().map(Process::leave).or_else(|| self.leaving.take())
    }
}
