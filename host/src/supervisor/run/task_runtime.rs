//! Where the tasks of a connector run: in threads of the host, or in a child process.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};

use super::SupervisorEvent;
use crate::{
    pipeline::{MemoryPool, Task, TaskCommand, TaskEvents, TaskMemory},
    supervisor::{
        connector::Connector,
        isolation::{Crash, IsolatedTask, IsolationError, Process},
    },
};

/// A running task.
pub(super) enum TaskHandle {
    Thread(Task),
    Process(IsolatedTask),
}

impl TaskHandle {
    /// Sends a command; ignored if the task has ended.
    pub(super) fn send(&self, command: TaskCommand) {
        match self {
            Self::Thread(task) => task.send(command),
            Self::Process(task) => task.send(command),
        }
    }
}

/// Runs the tasks of one connector.
pub(super) struct TaskRuntime {
    /// The child process that runs all tasks, with `isolation = "process"`.
    process: Option<Process>,
    /// The previous process, which is exiting or has exited.
    exiting: Option<JoinHandle<()>>,
    /// Number of processes started so far.
    started: u64,
    /// What all tasks in threads share.
    memory: Arc<MemoryPool>,
    events: mpsc::UnboundedSender<SupervisorEvent>,
}

impl TaskRuntime {
    /// Tasks in threads take the memory of their batches from `memory`. Crashes of the child process are sent to `events`.
    pub(super) fn new(memory: Arc<MemoryPool>, events: mpsc::UnboundedSender<SupervisorEvent>) -> Self {
        Self { process: None, exiting: None, started: 0, memory, events }
    }

    /// Starts task `number` of the connector. With process isolation, also starts the child process if it is not running.
    ///
    /// # Errors
    /// The reason as text when the task or its process cannot be started.
    pub(super) fn start_task(
        &mut self,
        connector: &Connector,
        number: u32,
        events: TaskEvents,
    ) -> Result<TaskHandle, String> {
        let settings = connector.task_settings(number);
        let memory = TaskMemory::of(&self.memory);
        let process = self.process(connector).map_err(|error| error.to_string())?;
        match process {
            None => Task::start(settings, memory, events)
                .map(TaskHandle::Thread)
                .map_err(|error| error.to_string()),
            Some(process) => {
                let secrets = connector.definition.secrets.clone();
                Ok(TaskHandle::Process(process.start_task(settings, secrets, events)))
            }
        }
    }

    fn process(&mut self, connector: &Connector) -> Result<Option<&Process>, IsolationError> {
        let Some(spec) = connector.process() else { return Ok(None) };
        if self.process.is_none() {
            self.started += 1;
            let events = self.events.clone();
            // The supervisor lives as long as its connectors, except at the very end.
            let crashed = move |crash| drop(events.send(SupervisorEvent::Crash(crash)));
            self.process = Some(Process::start(&spec, self.started, crashed)?);
        }
        Ok(self.process.as_ref())
    }

    /// The process id of the child, if there is one.
    pub(super) fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Drops the crashed process. Returns false if it is not the current one.
    pub(super) fn forget_crashed(&mut self, crash: &Crash) -> bool {
        self.process.take_if(|process| process.number() == crash.process).is_some()
    }

    /// Shuts the process down; no task runs in it any more.
    pub(super) fn stop_process(&mut self) {
        self.exiting = self.end_process();
    }

    /// Shuts the process down, if there is one. The returned handle completes when the last process has exited.
    pub(super) fn end_process(&mut self) -> Option<JoinHandle<()>> {
        self.process.take().map(Process::shut_down).or_else(|| self.exiting.take())
    }
}
