//! One connector at run time: executes what its [`Lifecycle`] decides.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    SupervisorEvent,
    lifecycle::{Action, Lifecycle},
    slot::TaskSlot,
    task_runtime::{TaskHandle, TaskRuntime},
};
use crate::{
    pipeline::{Counts, MemoryPool, Reopen, TaskCommand, TaskEvent},
    supervisor::{
        connector::Connector,
        isolation::Crash,
        metrics,
        status::{ConnectorState, ConnectorStatus, TaskStatus, add},
    },
    telemetry::scrub,
};

/// Identifies a run of a task. A restarted task has a new run number, so late events of an earlier run can be ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) connector: String,
    task: u32,
    run: u64,
}

pub(super) struct RunningConnector {
    connector: Connector,
    lifecycle: Lifecycle,
    /// The running tasks, by their index.
    tasks: Vec<Option<TaskHandle>>,
    runtime: TaskRuntime,
    events: mpsc::UnboundedSender<SupervisorEvent>,
}

impl RunningConnector {
    pub(super) fn new(
        connector: Connector,
        memory: Arc<MemoryPool>,
        events: mpsc::UnboundedSender<SupervisorEvent>,
    ) -> Self {
        let definition = &connector.definition;
        let tasks = definition.tasks.max(1);
        let (shutdown, restart) = (definition.limits.shutdown, &definition.restart);
        Self {
            lifecycle: Lifecycle::new(connector.name(), tasks as u32, shutdown, restart, Instant::now()),
            tasks: (0..tasks).map(|_| None).collect(),
            runtime: TaskRuntime::new(memory, events.clone()),
            events,
            connector,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.connector.name()
    }

    pub(super) fn shutdown(&self) -> Duration {
        self.connector.definition.limits.shutdown
    }

    pub(super) fn start(&mut self) {
        self.lifecycle.start();
        self.execute();
    }

    pub(super) fn pause(&mut self) {
        self.lifecycle.pause();
        self.execute();
    }

    pub(super) fn resume(&mut self) {
        self.lifecycle.resume();
        self.execute();
    }

    pub(super) fn restart(&mut self) {
        self.lifecycle.restart();
        self.execute();
    }

    pub(super) fn reopen(&mut self) {
        self.lifecycle.send_all(&TaskCommand::Reopen(Reopen::All));
        self.execute();
    }

    /// Stops the connector at the user's request.
    pub(super) fn stop(&mut self) {
        self.lifecycle.stop();
        self.execute();
    }

    /// Stops all running tasks.
    pub(super) fn halt(&mut self) {
        self.lifecycle.halt();
        self.execute();
    }

    /// Does what is due now: restarts failed tasks whose backoff has elapsed, and lets tasks join their group that have waited
    /// for others for long enough.
    pub(super) fn on_timer(&mut self, now: Instant) {
        self.lifecycle.restart_due_tasks(now);
        self.lifecycle.join_due_tasks(now);
        self.execute();
    }

    /// Stops the connector once all its partitions are delivered.
    pub(super) fn stop_at_end(&mut self, now: Instant) {
        self.lifecycle.stop_at_end(now);
        self.execute();
    }

    /// Why the connector cannot execute this command now.
    pub(super) fn rejection(&self, command: &str) -> Option<String> {
        self.lifecycle.rejection(command)
    }

    pub(super) fn on_event(&mut self, id: &TaskId, event: TaskEvent) {
        let Some(index) = self.lifecycle.find(id.task, id.run) else { return };
        if matches!(event, TaskEvent::Stopped { .. } | TaskEvent::Failed { .. }) {
            self.tasks[index] = None;
        }
        let is_progress = matches!(event, TaskEvent::Progress(_));
        if matches!(event, TaskEvent::Failed { .. }) {
            metrics::count_failure(self.connector.name(), id.task);
        }
        self.lifecycle.on_event(index, event, Instant::now());
        if is_progress {
            let total = self.lifecycle.slots[index].total_counts();
            metrics::record(self.connector.name(), id.task, &total);
        }
        self.execute();
    }

    /// The child process exited and its tasks with it.
    pub(super) fn on_crash(&mut self, crash: &Crash) {
        if !self.runtime.forget_crashed(crash) {
            return;
        }
        for (index, task) in self.tasks.iter_mut().enumerate() {
            if task.take().is_some() {
                metrics::count_failure(self.connector.name(), self.lifecycle.slots[index].number);
            }
        }
        self.lifecycle.on_crash(&crash.reason, Instant::now());
        self.execute();
    }

    fn execute(&mut self) {
        // Starting a task may fail, which decides more.
        loop {
            let actions = self.lifecycle.take_actions();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.perform(action));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start(indexes) => self.start_tasks(indexes),
            Action::Send(index, command) => {
                if let Some(task) = &self.tasks[index] {
                    task.send(command);
                }
            }
            Action::StopProcess => self.runtime.stop_process(),
        }
    }

    /// Starts these tasks. Before a restart, placeholders are resolved again, once for all tasks.
    fn start_tasks(&mut self, indexes: Vec<usize>) {
        if indexes.iter().any(|index| self.lifecycle.slots[*index].run > 1) {
            self.connector.refresh();
        }
        indexes.into_iter().for_each(|index| self.start_task(index));
    }

    fn start_task(&mut self, index: usize) {
        let TaskSlot { number, run, .. } = self.lifecycle.slots[index];
        if run > 1 {
            metrics::count_restart(self.connector.name(), number);
        }
        let id = TaskId { connector: self.connector.name().to_owned(), task: number, run };
        let (events, sender) = (self.events.clone(), id.clone());
        // Sending fails only while the host shuts down, when the supervisor is already gone.
        let report = Box::new(move |event| drop(events.send(SupervisorEvent::Task(sender.clone(), event))));
        match self.runtime.start_task(&self.connector, number, report) {
            Ok(task) => self.tasks[index] = Some(task),
            Err(error) => {
                let reason = scrub(&error).into_owned();
                self.on_event(&id, TaskEvent::Failed { reason, abandoned: false, permanent: false });
            }
        }
    }

    /// Shuts the child process down, if there is one. The returned handle completes when it has exited.
    pub(super) fn end_process(&mut self) -> Option<JoinHandle<()>> {
        self.runtime.end_process()
    }

    /// Records the current state of each task and when it was entered.
    pub(super) fn record_states(&mut self) {
        for slot in &mut self.lifecycle.slots {
            let state = slot.state();
            if let Some(before) = slot.history.record_state(state) {
                metrics::record_state(self.connector.name(), slot.number, before, state);
            }
        }
    }

    pub(super) fn has_tasks(&self) -> bool {
        self.lifecycle.has_tasks()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.lifecycle.has_failed()
    }

    pub(super) fn state(&self) -> ConnectorState {
        self.lifecycle.state()
    }

    pub(super) fn status(&self) -> ConnectorStatus {
        let tasks: Vec<TaskStatus> = self.lifecycle.slots.iter().map(TaskSlot::status).collect();
        let definition = &self.connector.definition;
        ConnectorStatus {
            name: definition.name.clone(),
            description: scrub(definition.description.as_deref().unwrap_or_default()).into_owned(),
            state: self.state(),
            isolation: definition.isolation,
            pid: self.runtime.pid(),
            group_id: definition.source.group_id.clone(),
            counts: tasks.iter().map(|task| task.counts).fold(Counts::default(), add),
            tasks,
            seconds: self.lifecycle.duration(Instant::now()).as_secs_f64(),
        }
    }
}
