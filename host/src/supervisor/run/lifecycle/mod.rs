//! Decides when the tasks of a connector are started, stopped and restarted: a state machine without threads or I/O.
//!
//! [`RunningConnector`](super::running::RunningConnector) reports what has happened and executes the [`Action`]s in order.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::{join_gate::JoinGate, slot::TaskSlot};
use crate::{
    config::RestartPolicy,
    pipeline::{Recovery, TaskCommand, TaskEvent, TaskState},
    supervisor::{
        restart::Restarts,
        status::{ConnectorState, DesiredState},
    },
};

/// What the connector is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Start these tasks, by their index.
    Start(Vec<usize>),
    /// Send a command to a task.
    Send(usize, TaskCommand),
    /// Shut the child process down, if there is one: no task runs in it any more.
    StopProcess,
}

/// The state that the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Desired {
    Run,
    Pause,
    Stop,
    /// Stop, then start again; paused if it was paused before.
    Restart {
        paused: bool,
    },
    /// Stop, and be removed.
    Remove,
}

/// How many tasks a connector has, and how they are stopped and restarted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) tasks: u32,
    /// How long tasks may take to stop.
    pub(super) shutdown: Duration,
    pub(super) restart: RestartPolicy,
}

/// The tasks of a connector, and what the user asked for.
pub(super) struct Lifecycle {
    name: String,
    shape: Shape,
    /// The shape from the next start of all tasks on.
    next_shape: Option<Shape>,
    desired: Desired,
    pub(super) slots: Vec<TaskSlot>,
    join_gate: JoinGate,
    /// Restarts after crashes of the child process, which end all tasks at once.
    crashes: Restarts,
    started: Instant,
    ended: Option<Instant>,
    actions: Vec<Action>,
}

impl Lifecycle {
    pub(super) fn new(name: &str, shape: Shape, initial: DesiredState, now: Instant) -> Self {
        let desired = match initial {
            DesiredState::Running => Desired::Run,
            DesiredState::Paused => Desired::Pause,
            DesiredState::Stopped => Desired::Stop,
        };
        Self {
            name: name.to_owned(),
            desired,
            slots: (0..shape.tasks).map(|number| TaskSlot::new(number, &shape.restart)).collect(),
            join_gate: JoinGate::default(),
            crashes: Restarts::new(&shape.restart),
            shape,
            next_shape: None,
            started: now,
            ended: None,
            actions: Vec::new(),
        }
    }

    /// Takes the actions that were decided since the last call.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Starts the connector, unless it is to be stopped.
    pub(super) fn start_if_desired(&mut self) {
        if self.should_run() {
            self.start();
        }
    }

    /// Restarts the tasks in this shape. If the user has stopped them, they have it from their next start on.
    pub(super) fn replace(&mut self, shape: Shape) {
        self.next_shape = Some(shape);
        if self.desired != Desired::Stop {
            self.restart();
        }
    }

    /// Stops the connector for good.
    pub(super) fn remove(&mut self) {
        self.halt();
        self.desired = Desired::Remove;
    }

    /// Starts a connector again, in this shape, that was being removed.
    pub(super) fn add_again(&mut self, shape: Shape, initial: DesiredState) {
        self.next_shape = Some(shape);
        self.desired = match (initial, self.has_tasks()) {
            (DesiredState::Stopped, _) => Desired::Stop,
            (DesiredState::Paused, true) => Desired::Restart { paused: true },
            (DesiredState::Running, true) => Desired::Restart { paused: false },
            (DesiredState::Paused, false) => Desired::Pause,
            (DesiredState::Running, false) => Desired::Run,
        };
        if !self.has_tasks() {
            self.start_if_desired();
        }
    }

    /// Whether the connector was removed and its last task has stopped.
    pub(super) fn is_gone(&self) -> bool {
        self.desired == Desired::Remove && !self.has_tasks()
    }

    /// Whether the user has stopped the connector.
    pub(super) fn is_stopped(&self) -> bool {
        self.desired == Desired::Stop
    }

    /// Whether the connector is being removed.
    pub(super) fn is_leaving(&self) -> bool {
        self.desired == Desired::Remove
    }

    /// Adopts the next shape; no task runs.
    fn adopt_shape(&mut self) {
        let Some(shape) = self.next_shape.take() else { return };
        let last_run = self.slots.iter().map(|slot| slot.run).max().unwrap_or_default();
        self.slots.truncate(shape.tasks as usize);
        for number in self.slots.len() as u32..shape.tasks {
            let mut slot = TaskSlot::new(number, &shape.restart);
            // A late event of a task that was removed earlier must not be taken for one of this task.
            slot.run = last_run;
            self.slots.push(slot);
        }
        self.set_restart_policy(&shape.restart);
        self.shape = shape;
    }

    /// Changes the policy for later failures.
    pub(super) fn set_restart_policy(&mut self, policy: &RestartPolicy) {
        self.slots.iter_mut().for_each(|slot| slot.restarts.set_policy(policy));
        self.crashes.set_policy(policy);
    }

    /// Starts every task that does not run.
    pub(super) fn start(&mut self) {
        self.ended = None;
        if !self.has_tasks() {
            self.adopt_shape();
        }
        let idle = (0..self.slots.len()).filter(|index| !self.slots[*index].is_running).collect();
        self.start_tasks(idle);
    }

    fn start_tasks(&mut self, indexes: Vec<usize>) {
        if indexes.is_empty() {
            return;
        }
        indexes.iter().for_each(|index| self.slots[*index].begin_run());
        self.join_gate.start(&indexes);
        self.actions.push(Action::Start(indexes.clone()));
        if self.desired == Desired::Pause {
            self.actions.extend(indexes.into_iter().map(|index| Action::Send(index, TaskCommand::Pause)));
        }
    }

    fn join(&mut self, indexes: Vec<usize>) {
        self.actions.extend(indexes.into_iter().map(|index| Action::Send(index, TaskCommand::Join)));
    }

    /// Lets tasks join their group that have waited for others for long enough.
    pub(super) fn join_due_tasks(&mut self, now: Instant) {
        let due = self.join_gate.due(now);
        self.join(due);
    }

    /// Sends a command to every running task.
    pub(super) fn send_all(&mut self, command: &TaskCommand) {
        let running = (0..self.slots.len()).filter(|index| self.slots[*index].is_running);
        let sends: Vec<Action> = running.map(|index| Action::Send(index, command.clone())).collect();
        self.actions.extend(sends);
    }

    fn stop_all(&mut self) {
        self.send_all(&TaskCommand::Stop { within: self.shape.shutdown });
    }

    pub(super) fn pause(&mut self) {
        // Stopping tasks cannot be paused: they are when they have started again.
        if matches!(self.desired, Desired::Restart { .. }) && self.has_tasks() {
            self.desired = Desired::Restart { paused: true };
            return;
        }
        self.desired = Desired::Pause;
        self.send_all(&TaskCommand::Pause);
    }

    pub(super) fn resume(&mut self) {
        // A stopping task cannot be cancelled, so it is restarted once it has stopped.
        if matches!(self.desired, Desired::Stop | Desired::Restart { .. }) && self.has_tasks() {
            self.desired = Desired::Restart { paused: false };
            return self.reset_failures();
        }
        self.desired = Desired::Run;
        self.send_all(&TaskCommand::Resume);
        self.reset_failures();
        self.start();
    }

    pub(super) fn restart(&mut self) {
        let paused = matches!(self.desired, Desired::Pause | Desired::Restart { paused: true });
        self.reset_failures();
        // Tasks that wait for their own restart start together with the others.
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        if self.has_tasks() {
            self.desired = Desired::Restart { paused };
            self.stop_all();
        } else {
            self.desired = if paused { Desired::Pause } else { Desired::Run };
            // It has the settings and libraries of the tasks that have failed.
            self.actions.push(Action::StopProcess);
            self.start();
        }
    }

    /// Restarts the task at this index, and no other. The connector must not be stopped.
    pub(super) fn restart_task(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.restarts.reset();
        slot.reason.clear();
        // All tasks are about to be restarted.
        if !self.should_run() {
            return;
        }
        if self.slots[index].is_running {
            self.slots[index].restarts_alone = true;
            self.actions.push(Action::Send(index, TaskCommand::Stop { within: self.shape.shutdown }));
        } else {
            self.ended = None;
            self.start_tasks(vec![index]);
        }
    }

    /// Starts tasks that have failed permanently, unless the connector is to be stopped.
    pub(super) fn start_failed(&mut self, now: Instant) {
        if !self.should_run() {
            return;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.failed && !slot.is_running) {
            slot.restart_at.get_or_insert(now);
        }
    }

    /// Stops the connector at the user's request. This also clears the FAILED state.
    pub(super) fn stop(&mut self) {
        self.slots.iter_mut().filter(|slot| !slot.is_running).for_each(|slot| slot.failed = false);
        self.halt();
    }

    /// Stops all running tasks.
    pub(super) fn halt(&mut self) {
        self.desired = Desired::Stop;
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        self.stop_all();
    }

    fn reset_failures(&mut self) {
        for slot in &mut self.slots {
            slot.restarts.reset();
            slot.reason.clear();
        }
        self.crashes.reset();
    }

    /// Why the connector cannot execute this command now: it has no running task.
    pub(super) fn rejection(&self, command: &str) -> Option<String> {
        if self.has_tasks() || self.slots.iter().any(|slot| slot.restart_at.is_some()) {
            return None;
        }
        let name = &self.name;
        let what = if self.has_failed() { "has failed" } else { "is stopped" };
        Some(format!(
            "connector \"{name}\" {what}, so it cannot {command}: start it with `tidegate restart {name}`"
        ))
    }

    /// The index of the task with this number, unless the event comes from an earlier run of it.
    pub(super) fn find(&self, task: u32, run: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.number == task && slot.run == run)
    }

    /// The current run of a task reports something.
    pub(super) fn on_event(&mut self, index: usize, event: TaskEvent, now: Instant) {
        let slot = &mut self.slots[index];
        match event {
            // They only concern a trial.
            TaskEvent::Reopening | TaskEvent::Reopened { .. } => {}
            TaskEvent::Progress(counts) => slot.counts = counts,
            TaskEvent::Group(group) => slot.on_group(&self.name, group, now),
            TaskEvent::State(state) => {
                let stalled = matches!(state, TaskState::Stalled(_));
                slot.stalled_since = stalled.then(|| slot.stalled_since.unwrap_or(now));
                slot.state = state;
            }
            TaskEvent::ReadyToJoin => {
                let joining = self.join_gate.on_ready(index, now);
                self.join(joining);
            }
            TaskEvent::Stopped { .. } => {
                self.end_run(index, now);
                self.start_again(index);
            }
            TaskEvent::Failed { reason, .. } if self.slots[index].restarts_alone => {
                self.end_run(index, now);
                self.fail(index, reason, None, now);
                self.start_again(index);
            }
            TaskEvent::Failed { reason, recovery: Recovery::None, .. } => {
                self.end_run(index, now);
                self.fail(index, reason, None, now);
            }
            TaskEvent::Failed { reason, recovery: Recovery::Wait, .. } => {
                self.end_run(index, now);
                let wait = self.should_run().then(|| self.slots[index].restarts.while_waiting());
                self.slots[index].waits = wait.is_some();
                self.fail(index, reason, wait, now);
            }
            TaskEvent::Failed { reason, abandoned, .. } => {
                self.end_run(index, now);
                self.on_failure(index, reason, abandoned, now);
            }
        }
        self.after_task_end(now);
    }

    /// Starts a task that the user restarts alone, and that has ended, unless the connector is to be stopped.
    fn start_again(&mut self, index: usize) {
        if self.slots[index].restarts_alone && self.should_run() {
            self.start_tasks(vec![index]);
        }
    }

    fn end_run(&mut self, index: usize, now: Instant) {
        self.slots[index].end_run();
        let joining = self.join_gate.on_end(index, now);
        self.join(joining);
    }

    /// The child process exited and its tasks with it. They are restarted together.
    pub(super) fn on_crash(&mut self, reason: &str, now: Instant) {
        self.join_gate = JoinGate::default();
        let failed: Vec<usize> = (0..self.slots.len()).filter(|index| self.slots[*index].end_run()).collect();
        if failed.is_empty() {
            let connector = &self.name;
            tracing::warn!(connector, "the process ended while no task was running: {reason}");
        } else {
            let wait = self.should_run().then(|| self.crashes.after_failure(now, false)).flatten();
            for index in failed {
                self.fail(index, reason.to_owned(), wait, now);
            }
        }
        self.after_task_end(now);
    }

    /// Called after any event that may have ended a task.
    fn after_task_end(&mut self, now: Instant) {
        if self.has_tasks() {
            return;
        }
        if let Desired::Restart { paused } = self.desired {
            self.actions.push(Action::StopProcess);
            self.desired = if paused { Desired::Pause } else { Desired::Run };
            return self.start();
        }
        // The process is kept while a task waits for its restart, because plugin libraries keep state in it.
        if self.slots.iter().all(|slot| slot.restart_at.is_none()) {
            self.actions.push(Action::StopProcess);
            self.ended.get_or_insert(now);
        }
    }

    fn should_run(&self) -> bool {
        matches!(self.desired, Desired::Run | Desired::Pause)
    }

    fn on_failure(&mut self, index: usize, mut reason: String, abandoned: bool, now: Instant) {
        if abandoned {
            reason.push_str("; its thread was abandoned");
        }
        let should_run = self.should_run();
        let restarts = &mut self.slots[index].restarts;
        let wait = should_run.then(|| restarts.after_failure(now, abandoned)).flatten();
        self.fail(index, reason, wait, now);
    }

    /// Records a failure. The task is restarted after `wait`; with `None` it stays failed.
    fn fail(&mut self, index: usize, reason: String, wait: Option<Duration>, now: Instant) {
        let slot = &mut self.slots[index];
        slot.restart_at = wait.map(|wait| now + wait);
        slot.failed = true;
        slot.stalled_since = None;
        let (connector, task) = (&self.name, slot.number);
        match wait {
            Some(_) if slot.waits => tracing::warn!(connector, task, "waiting: {reason}"),
            Some(wait) => {
                let restart_in_ms = wait.as_millis() as u64;
                tracing::error!(connector, task, restart_in_ms, "task failed: {reason}");
            }
            None => tracing::error!(connector, task, "task failed permanently: {reason}"),
        }
        if !slot.waits {
            slot.history.record_failure(&reason);
        }
        slot.reason = reason;
    }

    /// Restarts failed tasks whose backoff has elapsed.
    pub(super) fn restart_due_tasks(&mut self, now: Instant) {
        let is_due = |slot: &TaskSlot| slot.restart_at.is_some_and(|at| now >= at);
        let due: Vec<usize> = (0..self.slots.len()).filter(|index| is_due(&self.slots[*index])).collect();
        for index in &due {
            let slot = &mut self.slots[*index];
            if !slot.waits {
                slot.restarts.started();
            }
        }
        self.start_tasks(due);
    }

    /// Fails the connector without a restart, because of one of its tasks, and stops the others.
    pub(super) fn halt_failed(&mut self, index: usize, reason: String, now: Instant) {
        self.halt();
        self.fail(index, reason, None, now);
    }

    /// Whether the connector runs, and was not asked to pause, stop or restart.
    pub(super) fn is_wanted(&self) -> bool {
        self.desired == Desired::Run && self.has_tasks()
    }

    pub(super) fn has_tasks(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_running)
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

    /// Time from the start to the end, or to `now`.
    pub(super) fn duration(&self, now: Instant) -> Duration {
        self.ended.unwrap_or(now).saturating_duration_since(self.started)
    }
}
