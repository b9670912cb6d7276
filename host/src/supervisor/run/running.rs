//! One connector at run time: its tasks, its desired state and its current state.

use std::time::{Duration, Instant};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{SupervisorEvent, slot::TaskSlot, task_runtime::TaskRuntime};
use crate::{
    pipeline::{Counts, TaskCommand, TaskEvent, TaskState},
    supervisor::{
        connector::Connector,
        isolation::Crash,
        metrics,
        restart::Restarts,
        status::{ConnectorState, ConnectorStatus, TaskStatus, add},
    },
    telemetry::scrub,
};

/// With `until_end`: how long to wait for a source that cannot be read. Longer than the session timeout of a group member
/// that died.
const STALLED_TIMEOUT: Duration = Duration::from_secs(60);

/// Identifies a run of a task. A restarted task has a new run number, so late events of an earlier run can be ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) connector: String,
    task: u32,
    run: u64,
}

/// The state that the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DesiredState {
    Run,
    Pause,
    Stop,
    /// Stop, then start again; paused if it was paused before.
    Restart {
        paused: bool,
    },
}

pub(super) struct RunningConnector {
    connector: Connector,
    desired: DesiredState,
    slots: Vec<TaskSlot>,
    runtime: TaskRuntime,
    /// Restart counter for crashes of the child process. A crash counts once, however many tasks were running.
    crashes: Restarts,
    events: mpsc::UnboundedSender<SupervisorEvent>,
    started: Instant,
    ended: Option<Instant>,
}

impl RunningConnector {
    pub(super) fn new(connector: Connector, events: mpsc::UnboundedSender<SupervisorEvent>) -> Self {
        let slots = (0..connector.definition.tasks.max(1) as u32)
            .map(|number| TaskSlot::new(number, &connector.definition.restart))
            .collect();
        let started = Instant::now();
        Self {
            desired: DesiredState::Run,
            slots,
            runtime: TaskRuntime::new(events.clone()),
            crashes: Restarts::new(&connector.definition.restart),
            events,
            started,
            ended: None,
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
        self.ended = None;
        let idle = (0..self.slots.len()).filter(|index| self.slots[*index].task.is_none()).collect();
        self.start_tasks(idle);
    }

    /// Starts these tasks. Before a restart, placeholders are resolved again, once for all tasks.
    fn start_tasks(&mut self, indexes: Vec<usize>) {
        if indexes.iter().any(|index| self.slots[*index].run > 0) {
            self.connector.refresh();
        }
        indexes.into_iter().for_each(|index| self.start_task(index));
    }

    fn start_task(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.run += 1;
        slot.earlier_counts = add(slot.earlier_counts, std::mem::take(&mut slot.counts));
        (slot.state, slot.failed, slot.restart_at) = (TaskState::Starting, false, None);
        let id = TaskId { connector: self.connector.name().to_owned(), task: slot.number, run: slot.run };
        let (events, sender) = (self.events.clone(), id.clone());
        // Sending fails only while the host shuts down, when the supervisor is already gone.
        let tell = Box::new(move |event| drop(events.send(SupervisorEvent::Task(sender.clone(), event))));
        match self.runtime.start_task(&self.connector, slot.number, tell) {
            Ok(task) => {
                if self.desired == DesiredState::Pause {
                    task.send(TaskCommand::Pause);
                }
                slot.task = Some(task);
            }
            Err(error) => {
                let reason = scrub(&error).into_owned();
                self.on_event(&id, TaskEvent::Failed { reason, abandoned: false });
            }
        }
    }

    /// Shuts the child process down, if there is one. The returned handle completes when it has exited.
    pub(super) fn end_process(&mut self) -> Option<JoinHandle<()>> {
        self.runtime.end_process()
    }

    pub(super) fn send_all(&mut self, command: &TaskCommand) {
        self.slots.iter().filter_map(|slot| slot.task.as_ref()).for_each(|task| task.send(command.clone()));
    }

    pub(super) fn pause(&mut self) {
        self.desired = DesiredState::Pause;
        self.send_all(&TaskCommand::Pause);
    }

    pub(super) fn resume(&mut self) {
        // A stopping task cannot be cancelled, so it is restarted once it has stopped.
        if matches!(self.desired, DesiredState::Stop | DesiredState::Restart { .. }) && self.has_tasks() {
            self.desired = DesiredState::Restart { paused: false };
            return self.reset_failures();
        }
        self.desired = DesiredState::Run;
        self.send_all(&TaskCommand::Resume);
        self.reset_failures();
        self.start();
    }

    pub(super) fn restart(&mut self) {
        let paused = matches!(self.desired, DesiredState::Pause | DesiredState::Restart { paused: true });
        self.reset_failures();
        // Tasks that wait for their own restart start together with the others.
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        if self.has_tasks() {
            self.desired = DesiredState::Restart { paused };
            self.send_all(&TaskCommand::Stop { within: self.shutdown() });
        } else {
            self.desired = if paused { DesiredState::Pause } else { DesiredState::Run };
            self.start();
        }
    }

    /// Why the connector cannot execute this command now: it has no running task.
    pub(super) fn rejection(&self, command: &str) -> Option<String> {
        if self.has_tasks() || self.slots.iter().any(|slot| slot.restart_at.is_some()) {
            return None;
        }
        let name = self.name();
        let what = if self.has_failed() { "has failed" } else { "is stopped" };
        Some(format!(
            "connector \"{name}\" {what}, so it cannot {command}: start it with `tidegate restart {name}`"
        ))
    }

    /// Stops the connector at the user's request. This also clears the FAILED state.
    pub(super) fn stop(&mut self) {
        self.slots.iter_mut().filter(|slot| slot.task.is_none()).for_each(|slot| slot.failed = false);
        self.halt();
    }

    /// Stops all running tasks.
    pub(super) fn halt(&mut self) {
        self.desired = DesiredState::Stop;
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        self.send_all(&TaskCommand::Stop { within: self.shutdown() });
    }

    fn reset_failures(&mut self) {
        for slot in &mut self.slots {
            slot.restarts.reset();
            slot.reason.clear();
        }
        self.crashes.reset();
    }

    pub(super) fn on_event(&mut self, id: &TaskId, event: TaskEvent) {
        let Some(index) = self.slots.iter().position(|slot| slot.number == id.task && slot.run == id.run)
        else {
            return;
        };
        let slot = &mut self.slots[index];
        match event {
            TaskEvent::Progress(counts) => {
                slot.counts = counts;
                let total = Counts { lag: counts.lag, ..add(slot.earlier_counts, counts) };
                metrics::record(&id.connector, id.task, &total);
            }
            TaskEvent::State(state) => {
                let stalled = matches!(state, TaskState::Stalled(_));
                slot.stalled_since = stalled.then(|| slot.stalled_since.unwrap_or_else(Instant::now));
                slot.state = state;
            }
            TaskEvent::Stopped { .. } => slot.task = None,
            TaskEvent::Failed { reason, abandoned } => {
                slot.clear_task();
                self.on_failure(index, reason, abandoned);
            }
        }
        self.after_task_end();
    }

    /// The child process exited and its tasks with it. They are restarted together.
    pub(super) fn on_crash(&mut self, crash: &Crash) {
        if !self.runtime.forget_crashed(crash) {
            return;
        }
        let failed: Vec<usize> =
            (0..self.slots.len()).filter(|index| self.slots[*index].clear_task()).collect();
        if failed.is_empty() {
            let connector = self.connector.name();
            tracing::warn!(connector, "the process ended while no task was running: {}", crash.reason);
        } else {
            let wait = self.should_run().then(|| self.crashes.after_failure(Instant::now(), false)).flatten();
            for index in failed {
                self.fail(index, crash.reason.clone(), wait);
            }
        }
        self.after_task_end();
    }

    /// Called after any event that may have ended a task.
    fn after_task_end(&mut self) {
        if self.has_tasks() {
            return;
        }
        if let DesiredState::Restart { paused } = self.desired {
            self.runtime.stop_process();
            self.desired = if paused { DesiredState::Pause } else { DesiredState::Run };
            return self.start();
        }
        // The process is kept while a task waits for its restart, because plugin libraries keep state in it.
        if self.slots.iter().all(|slot| slot.restart_at.is_none()) {
            self.runtime.stop_process();
            self.ended.get_or_insert_with(Instant::now);
        }
    }

    fn should_run(&self) -> bool {
        matches!(self.desired, DesiredState::Run | DesiredState::Pause)
    }

    fn on_failure(&mut self, index: usize, mut reason: String, abandoned: bool) {
        if abandoned {
            reason.push_str("; its thread was abandoned");
        }
        let should_run = self.should_run();
        let restarts = &mut self.slots[index].restarts;
        let wait = should_run.then(|| restarts.after_failure(Instant::now(), abandoned)).flatten();
        self.fail(index, reason, wait);
    }

    /// Records a failure. The task is restarted after `wait`; with `None` it stays failed.
    fn fail(&mut self, index: usize, reason: String, wait: Option<Duration>) {
        let slot = &mut self.slots[index];
        slot.restart_at = wait.map(|wait| Instant::now() + wait);
        slot.failed = true;
        slot.stalled_since = None;
        let (connector, task) = (self.connector.name(), slot.number);
        match wait {
            Some(wait) => {
                let restart_in_ms = wait.as_millis() as u64;
                tracing::error!(connector, task, restart_in_ms, "task failed: {reason}");
            }
            None => tracing::error!(connector, task, "task failed permanently: {reason}"),
        }
        slot.history.record_failure(&reason);
        slot.reason = reason;
    }

    /// Records the current state of each task and when it was entered.
    pub(super) fn record_states(&mut self) {
        for slot in &mut self.slots {
            let state = slot.state();
            slot.history.record_state(state);
        }
    }

    /// Restarts failed tasks whose backoff has elapsed.
    pub(super) fn restart_due_tasks(&mut self, now: Instant) {
        let is_due = |slot: &TaskSlot| slot.restart_at.is_some_and(|at| now >= at);
        let due: Vec<usize> = (0..self.slots.len()).filter(|index| is_due(&self.slots[*index])).collect();
        due.iter().for_each(|index| self.slots[*index].restarts.started());
        self.start_tasks(due);
    }

    /// Stops the connector once all its partitions are delivered, or when they could not be read for too long.
    pub(super) fn stop_at_end(&mut self, now: Instant) {
        if self.desired != DesiredState::Run || !self.has_tasks() {
            return;
        }
        let stalled = |slot: &TaskSlot| {
            slot.stalled_since.is_some_and(|since| now.duration_since(since) > STALLED_TIMEOUT)
        };
        if let Some(index) = self.slots.iter().position(stalled) {
            let TaskState::Stalled(reason) = self.slots[index].state.clone() else { return };
            self.halt();
            return self.on_failure(index, reason, false);
        }
        let running = || self.slots.iter().filter(|slot| slot.task.is_some());
        if running().all(|slot| slot.counts.total_partitions == Some(0)) {
            return self.halt();
        }
        let counts = running().map(|slot| slot.counts).fold(Counts::default(), add);
        let total = counts.total_partitions.unwrap_or(0);
        // During a rebalance, two tasks may report the same partition, or none may.
        if total > 0 && counts.at_end >= total && counts.partitions == total {
            self.halt();
        }
    }

    pub(super) fn has_tasks(&self) -> bool {
        self.slots.iter().any(|slot| slot.task.is_some())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.slots.iter().any(|slot| slot.failed) && self.slots.iter().all(|slot| slot.restart_at.is_none())
    }

    /// The most severe of the tasks' states; `FAILED` only when all tasks have failed permanently.
    pub(super) fn state(&self) -> ConnectorState {
        let states = || self.slots.iter().map(TaskSlot::state);
        if states().all(|state| state == ConnectorState::Failed) {
            return ConnectorState::Failed;
        }
        let not_failed = states().filter(|state| *state != ConnectorState::Failed);
        not_failed.max().unwrap_or(ConnectorState::Stopped)
    }

    pub(super) fn status(&self) -> ConnectorStatus {
        let tasks: Vec<TaskStatus> = self.slots.iter().map(TaskSlot::status).collect();
        let definition = &self.connector.definition;
        let seconds = self.ended.unwrap_or_else(Instant::now).duration_since(self.started).as_secs_f64();
        ConnectorStatus {
            name: definition.name.clone(),
            description: scrub(definition.description.as_deref().unwrap_or_default()).into_owned(),
            state: self.state(),
            isolation: definition.isolation,
            pid: self.runtime.pid(),
            group_id: definition.source.group_id.clone(),
            counts: tasks.iter().map(|task| task.counts).fold(Counts::default(), add),
            tasks,
            seconds,
        }
    }
}
