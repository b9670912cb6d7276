//! One connector at run time: its tasks, what is wanted of them, and how they do.

use std::time::{Duration, Instant};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{News, quarters::Quarters, slot::Slot};
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

/// With `until_end`: how long a source that cannot be read is waited for. Longer than the session of a member that died.
const STALLED_PATIENCE: Duration = Duration::from_secs(60);

/// Which run of which task an event is about: one that was started again has a new number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) connector: String,
    task: u32,
    run: u64,
}

/// What somebody wants of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Run,
    Pause,
    Stop,
    /// Stop, then start again; and pause, if it was paused.
    Restart {
        paused: bool,
    },
}

/// A connector at run time.
pub(super) struct Running {
    connector: Connector,
    wanted: Wanted,
    slots: Vec<Slot>,
    quarters: Quarters,
    /// A crash of the process counts once, however many tasks it had.
    crashes: Restarts,
    news: mpsc::UnboundedSender<News>,
    started: Instant,
    ended: Option<Instant>,
}

impl Running {
    pub(super) fn new(connector: Connector, news: mpsc::UnboundedSender<News>) -> Self {
        let slots = (0..connector.definition.tasks.max(1) as u32)
            .map(|number| Slot::new(number, &connector.definition.restart))
            .collect();
        let started = Instant::now();
        Self {
            wanted: Wanted::Run,
            slots,
            quarters: Quarters::new(news.clone()),
            crashes: Restarts::new(&connector.definition.restart),
            news,
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

    /// Starts every task that is not running.
    pub(super) fn start(&mut self) {
        self.ended = None;
        let idle = (0..self.slots.len()).filter(|index| self.slots[*index].task.is_none()).collect();
        self.start_tasks(idle);
    }

    /// Starts these tasks. What is started again is made from placeholders that are filled in anew, once for all.
    fn start_tasks(&mut self, indexes: Vec<usize>) {
        if indexes.iter().any(|index| self.slots[*index].run > 0) {
            self.connector.refresh();
        }
        indexes.into_iter().for_each(|index| self.start_task(index));
    }

    fn start_task(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.run += 1;
        slot.before = add(slot.before, std::mem::take(&mut slot.counts));
        (slot.state, slot.failed, slot.restart_at) = (TaskState::Starting, false, None);
        let id = TaskId { connector: self.connector.name().to_owned(), task: slot.number, run: slot.run };
        let (news, sender) = (self.news.clone(), id.clone());
        // The supervisor lives as long as its connectors, except at the very end.
        let tell = Box::new(move |event| drop(news.send(News::Task(sender.clone(), event))));
        match self.quarters.start_task(&self.connector, slot.number, tell) {
            Ok(task) => {
                if self.wanted == Wanted::Pause {
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

    /// Lets its process go, if there is one. What is returned is over when that has ended.
    pub(super) fn end_process(&mut self) -> Option<JoinHandle<()>> {
        self.quarters.end()
    }

    pub(super) fn tell(&mut self, command: &TaskCommand) {
        self.slots.iter().filter_map(|slot| slot.task.as_ref()).for_each(|task| task.send(command.clone()));
    }

    pub(super) fn pause(&mut self) {
        self.wanted = Wanted::Pause;
        self.tell(&TaskCommand::Pause);
    }

    pub(super) fn resume(&mut self) {
        // Tasks that are stopping cannot be called back: they start again once they have ended.
        if matches!(self.wanted, Wanted::Stop | Wanted::Restart { .. }) && self.has_tasks() {
            self.wanted = Wanted::Restart { paused: false };
            return self.forget_failures();
        }
        self.wanted = Wanted::Run;
        self.tell(&TaskCommand::Resume);
        self.forget_failures();
        self.start();
    }

    pub(super) fn restart(&mut self) {
        let paused = matches!(self.wanted, Wanted::Pause | Wanted::Restart { paused: true });
        self.forget_failures();
        // Those that wait for a restart of their own start with the others.
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        if self.has_tasks() {
            self.wanted = Wanted::Restart { paused };
            self.tell(&TaskCommand::Stop { within: self.shutdown() });
        } else {
            self.wanted = if paused { Wanted::Pause } else { Wanted::Run };
            self.start();
        }
    }

    /// Why the connector cannot be told this now, if so: nobody would hear it.
    pub(super) fn refusal(&self, command: &str) -> Option<String> {
        if self.has_tasks() || self.slots.iter().any(|slot| slot.restart_at.is_some()) {
            return None;
        }
        let name = self.name();
        let what = if self.has_failed() { "has failed" } else { "is stopped" };
        Some(format!(
            "connector \"{name}\" {what}, so it cannot {command}: start it with `tidegate restart {name}`"
        ))
    }

    /// Stops it because somebody asked: that it had failed is over, too.
    pub(super) fn stop(&mut self) {
        self.slots.iter_mut().filter(|slot| slot.task.is_none()).for_each(|slot| slot.failed = false);
        self.halt();
    }

    /// Stops whatever runs.
    pub(super) fn halt(&mut self) {
        self.wanted = Wanted::Stop;
        self.slots.iter_mut().for_each(|slot| slot.restart_at = None);
        self.tell(&TaskCommand::Stop { within: self.shutdown() });
    }

    fn forget_failures(&mut self) {
        for slot in &mut self.slots {
            slot.restarts.forget();
            slot.reason.clear();
        }
        self.crashes.forget();
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
                let total = Counts { lag: counts.lag, ..add(slot.before, counts) };
                metrics::record(&id.connector, id.task, &total);
            }
            TaskEvent::State(state) => {
                let stalled = matches!(state, TaskState::Stalled(_));
                slot.stalled_since = stalled.then(|| slot.stalled_since.unwrap_or_else(Instant::now));
                slot.state = state;
            }
            TaskEvent::Stopped { .. } => slot.task = None,
            TaskEvent::Failed { reason, abandoned } => {
                slot.lose_task();
                self.on_failure(index, reason, abandoned);
            }
        }
        self.after_an_end();
    }

    /// The process has ended, and its tasks with it: they start again together.
    pub(super) fn on_crash(&mut self, crash: &Crash) {
        if !self.quarters.forget(crash) {
            return;
        }
        let failed: Vec<usize> =
            (0..self.slots.len()).filter(|index| self.slots[*index].lose_task()).collect();
        if failed.is_empty() {
            let connector = self.connector.name();
            tracing::warn!(connector, "while no task ran: {}", crash.reason);
        } else {
            let wait = self.is_wanted().then(|| self.crashes.after_failure(Instant::now(), false)).flatten();
            for index in failed {
                self.fail(index, crash.reason.clone(), wait);
            }
        }
        self.after_an_end();
    }

    /// What follows when a task, or all, may have ended.
    fn after_an_end(&mut self) {
        if self.has_tasks() {
            return;
        }
        if let Wanted::Restart { paused } = self.wanted {
            self.quarters.leave();
            self.wanted = if paused { Wanted::Pause } else { Wanted::Run };
            return self.start();
        }
        // While a task is waited for, its process stays: libraries remember things there.
        if self.slots.iter().all(|slot| slot.restart_at.is_none()) {
            self.quarters.leave();
            self.ended.get_or_insert_with(Instant::now);
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(self.wanted, Wanted::Run | Wanted::Pause)
    }

    fn on_failure(&mut self, index: usize, mut reason: String, abandoned: bool) {
        if abandoned {
            reason.push_str("; its thread is left behind");
        }
        let is_wanted = self.is_wanted();
        let restarts = &mut self.slots[index].restarts;
        let wait = is_wanted.then(|| restarts.after_failure(Instant::now(), abandoned)).flatten();
        self.fail(index, reason, wait);
    }

    /// The task has failed, and is started again after `wait`, if at all.
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
            None => tracing::error!(connector, task, "task failed for good: {reason}"),
        }
        slot.history.failed(&reason);
        slot.reason = reason;
    }

    /// Notes the states that the tasks are in, and since when.
    pub(super) fn note_states(&mut self) {
        for slot in &mut self.slots {
            let state = slot.state();
            slot.history.note(state);
        }
    }

    /// Starts failed tasks whose wait is over.
    pub(super) fn restart_due(&mut self, now: Instant) {
        let is_due = |slot: &Slot| slot.restart_at.is_some_and(|at| now >= at);
        let due: Vec<usize> = (0..self.slots.len()).filter(|index| is_due(&self.slots[*index])).collect();
        due.iter().for_each(|index| self.slots[*index].restarts.started());
        self.start_tasks(due);
    }

    /// Stops the connector once all its partitions are delivered, or when they cannot be read for too long.
    pub(super) fn stop_at_end(&mut self, now: Instant) {
        if self.wanted != Wanted::Run || !self.has_tasks() {
            return;
        }
        let stalled = |slot: &Slot| {
            slot.stalled_since.is_some_and(|since| now.duration_since(since) > STALLED_PATIENCE)
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
        let wanted = counts.total_partitions.unwrap_or(0);
        // While a partition changes hands, two tasks may tell of it, or none.
        if wanted > 0 && counts.at_end >= wanted && counts.partitions == wanted {
            self.halt();
        }
    }

    pub(super) fn has_tasks(&self) -> bool {
        self.slots.iter().any(|slot| slot.task.is_some())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.slots.iter().any(|slot| slot.failed) && self.slots.iter().all(|slot| slot.restart_at.is_none())
    }

    /// The worst of the tasks' states; `FAILED` only when all have failed for good.
    pub(super) fn state(&self) -> ConnectorState {
        let states = || self.slots.iter().map(Slot::state);
        if states().all(|state| state == ConnectorState::Failed) {
            return ConnectorState::Failed;
        }
        let not_failed = states().filter(|state| *state != ConnectorState::Failed);
        not_failed.max().unwrap_or(ConnectorState::Stopped)
    }

    pub(super) fn status(&self) -> ConnectorStatus {
        let tasks: Vec<TaskStatus> = self.slots.iter().map(Slot::status).collect();
        let definition = &self.connector.definition;
        let seconds = self.ended.unwrap_or_else(Instant::now).duration_since(self.started).as_secs_f64();
        ConnectorStatus {
            name: definition.name.clone(),
            description: scrub(definition.description.as_deref().unwrap_or_default()).into_owned(),
            state: self.state(),
            isolation: definition.isolation,
            pid: self.quarters.pid(),
            group_id: definition.source.group_id.clone(),
            counts: tasks.iter().map(|task| task.counts).fold(Counts::default(), add),
            tasks,
            seconds,
        }
    }
}
