//! One connector at run time: executes what its [`Lifecycle`] decides.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Rejected, RolledBack, SupervisorEvent,
    lifecycle::{Action, Lifecycle, Shape},
    slot::TaskSlot,
    task_runtime::{TaskHandle, TaskRuntime},
    trial::Trial,
};
use crate::{
    pipeline::{Counts, MemoryPool, Recovery, Reopen, TaskCommand, TaskEvent},
    supervisor::{
        connector::Connector,
        deploy::Replacement,
        isolation::Crash,
        metrics,
        status::{ConnectorState, ConnectorStatus, DesiredState, TaskStatus, add},
    },
    telemetry::{self, scrub},
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
    /// The connector was just replaced: what was checked is started, without resolving its placeholders again.
    is_replaced: bool,
    /// The connector with the library that it had before, while a replaced one is on trial.
    trial: Option<(Trial, Box<Connector>)>,
    lifecycle: Lifecycle,
    /// The running tasks, by their index.
    tasks: Vec<Option<TaskHandle>>,
    runtime: TaskRuntime,
    events: mpsc::UnboundedSender<SupervisorEvent>,
}

impl RunningConnector {
    pub(super) fn new(
        connector: Connector,
        initial: DesiredState,
        memory: Arc<MemoryPool>,
        events: mpsc::UnboundedSender<SupervisorEvent>,
    ) -> Self {
        let shape = shape(&connector);
        Self {
            is_replaced: false,
            trial: None,
            tasks: (0..shape.tasks).map(|_| None).collect(),
            lifecycle: Lifecycle::new(connector.name(), shape, initial, Instant::now()),
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

    /// Starts the connector, unless it is to be stopped.
    pub(super) fn start(&mut self) {
        self.lifecycle.start_if_desired();
        self.execute();
    }

    /// Continues as `connector`, in the way that `how` says.
    pub(super) fn replace(&mut self, connector: Connector, how: Replacement) {
        let before = std::mem::replace(&mut self.connector, connector);
        self.is_replaced = how.restarts;
        if how.is_on_trial {
            let tasks = shape(&self.connector).tasks as usize;
            let slots = &self.lifecycle.slots;
            let runs = (0..tasks).map(|task| slots.get(task).map_or(0, |slot| slot.run));
            // If a library is replaced while another one is on trial, the one that has passed is kept.
            let passed = self.trial.take().map_or_else(|| Box::new(before), |(_, passed)| passed);
            self.trial = Some((Trial::new(runs), passed));
        } else if !before.libraries().eq(self.connector.libraries()) {
            self.trial = None;
        }
        if !how.restarts && self.lifecycle.has_tasks() {
            self.lifecycle.start_failed(Instant::now());
            self.lifecycle.set_restart_policy(&self.connector.definition.restart);
            let plugins = Box::new(self.connector.plugin_settings());
            self.lifecycle.send_all(&TaskCommand::Reopen(Reopen::Changed(plugins)));
        } else {
            self.lifecycle.replace(shape(&self.connector));
        }
        self.execute();
    }

    /// Restarts the connector as `connector`, also if the user has stopped it.
    pub(super) fn restart_as(&mut self, connector: Connector, how: Replacement) {
        self.replace(connector, Replacement { restarts: true, ..how });
        if self.lifecycle.is_stopped() {
            self.lifecycle.restart();
        }
        self.execute();
    }

    /// Stops the connector for good.
    pub(super) fn remove(&mut self) {
        self.trial = None;
        self.lifecycle.remove();
        self.execute();
    }

    /// Starts a connector again that was being removed.
    pub(super) fn add_again(&mut self, connector: Connector, initial: DesiredState) {
        (self.connector, self.is_replaced) = (connector, true);
        self.lifecycle.add_again(shape(&self.connector), initial);
        self.execute();
    }

    /// Whether the connector was removed and its last task has stopped.
    pub(super) fn is_gone(&self) -> bool {
        self.lifecycle.is_gone()
    }

    /// Whether the connector is being removed.
    pub(super) fn is_leaving(&self) -> bool {
        self.lifecycle.is_leaving()
    }

    /// Goes back to the library before, after the one that is on trial has failed for this reason.
    fn roll_back(&mut self, reason: &str) {
        let Some((_, before)) = self.trial.take() else { return };
        let connector = self.name().to_owned();
        tracing::error!(
            connector,
            "a replaced plugin library failed, going back to the one that ran before: {reason}"
        );
        let failed = std::mem::replace(&mut self.connector, *before);
        self.is_replaced = true;
        self.lifecycle.replace(shape(&self.connector));
        let rolled_back = RolledBack { now: Box::new(self.connector.clone()), failed: Box::new(failed) };
        // The supervisor lives as long as its connectors, except at the very end.
        drop(self.events.send(SupervisorEvent::RolledBack(rolled_back)));
    }

    pub(super) fn pause(&mut self) {
        self.lifecycle.pause();
        self.execute();
    }

    pub(super) fn resume(&mut self) {
        self.lifecycle.resume();
        self.execute();
    }

    /// Restarts a task alone.
    ///
    /// # Errors
    /// When the connector has no such task, or is stopped.
    pub(super) fn restart_task(&mut self, number: u32) -> Result<(), Rejected> {
        let name = self.name();
        if self.lifecycle.is_stopped() {
            return Err(Rejected(format!(
                "connector \"{name}\" is stopped, so it has no task {number}: resume it first"
            )));
        }
        let Some(index) = self.lifecycle.slots.iter().position(|slot| slot.number == number) else {
            return Err(Rejected(format!("connector \"{name}\" has no task {number}")));
        };
        self.lifecycle.restart_task(index);
        self.execute();
        Ok(())
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
        self.trial.take_if(|(trial, _)| trial.is_passed(now));
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
        let failure = match &event {
            TaskEvent::Failed { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        let now = Instant::now();
        self.watch_trial(index, id.run, &event, now);
        self.lifecycle.on_event(index, event, now);
        if is_progress {
            let total = self.lifecycle.slots[index].total_counts();
            metrics::record(self.connector.name(), id.task, &total);
        }
        if let Some(reason) = failure {
            metrics::count_failure(self.connector.name(), id.task);
            if self.trial.as_ref().is_some_and(|(trial, _)| trial.concerns(index, id.run)) {
                self.roll_back(&reason);
            }
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
        let slots = &self.lifecycle.slots;
        let is_new = |trial: &Trial| (0..slots.len()).any(|task| trial.concerns(task, slots[task].run));
        let concerns_trial = self.trial.as_ref().is_some_and(|(trial, _)| is_new(trial));
        self.lifecycle.on_crash(&crash.reason, Instant::now());
        if concerns_trial {
            self.roll_back(&crash.reason);
        }
        self.execute();
    }

    fn watch_trial(&mut self, task: usize, run: u64, event: &TaskEvent, now: Instant) {
        let Some((trial, _)) = &mut self.trial else { return };
        let slot = &self.lifecycle.slots[task];
        let earlier = slot.earlier_counts.batches;
        match event {
            TaskEvent::Reopening => trial.on_opening(task),
            TaskEvent::Reopened { batches } => trial.on_open(task, run, earlier + batches, now),
            TaskEvent::ReadyToJoin => trial.on_open(task, run, earlier, now),
            TaskEvent::Progress(counts) => trial.on_progress(task, earlier + counts.batches),
            _ => {}
        }
        if trial.is_passed(now) {
            self.trial = None;
        }
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
        let is_replaced = std::mem::take(&mut self.is_replaced);
        if !is_replaced && indexes.iter().any(|index| self.lifecycle.slots[*index].run > 1) {
            self.connector.refresh();
        }
        for removed in self.lifecycle.slots.len()..self.tasks.len() {
            telemetry::forget_task(self.connector.name(), removed as u32);
        }
        self.tasks.resize_with(self.lifecycle.slots.len(), || None);
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
                self.on_event(
                    &id,
                    TaskEvent::Failed { reason, abandoned: false, recovery: Recovery::Restart },
                );
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

fn shape(connector: &Connector) -> Shape {
    let definition = &connector.definition;
    Shape {
        tasks: definition.tasks.max(1) as u32,
        shutdown: definition.limits.shutdown,
        restart: definition.restart,
    }
}
