//! Decides when a child process is asked to stop and when it is killed: a state machine without I/O.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crate::pipeline::{TaskCommand, TaskEvent};

/// Extra time for stopping beyond the tasks' deadline: for the last commit and for leaving the group.
pub(in crate::supervisor) const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long a child without tasks may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a child is killed.
pub(super) type KillReason = String;

/// What the supervisor of the child is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ChildAction {
    /// Send a command to a task.
    Send(u32, TaskCommand),
    /// Ask the child to exit.
    Exit,
}

/// Whether the child's supervisor goes on, or ends the child: with a reason to kill it, or because it has ended by itself.
pub(super) type Next = ControlFlow<Option<KillReason>>;

/// The tasks of a child, and how far it is in stopping.
#[derive(Debug)]
pub(super) struct ChildState {
    /// How long its tasks may take to stop.
    shutdown: Duration,
    tasks: BTreeSet<u32>,
    /// When the child is killed if it has not finished stopping.
    deadline: Option<Instant>,
    is_exiting: bool,
    /// A plugin call in the child does not return: the child is killed once its other tasks have stopped.
    pending_kill: Option<KillReason>,
    actions: Vec<ChildAction>,
}

impl ChildState {
    pub(super) fn new(shutdown: Duration) -> Self {
        Self {
            shutdown,
            tasks: BTreeSet::new(),
            deadline: None,
            is_exiting: false,
            pending_kill: None,
            actions: Vec::new(),
        }
    }

    /// Takes the actions that were decided since the last call.
    pub(super) fn take_actions(&mut self) -> Vec<ChildAction> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the child was asked to exit, or is killed because the host ends: its end is no crash.
    pub(super) fn is_exiting(&self) -> bool {
        self.is_exiting
    }

    pub(super) fn pending_kill(&self) -> Option<&KillReason> {
        self.pending_kill.as_ref()
    }

    /// Adds a task. Returns false when it must not be started: the child is about to be killed, and all of its tasks are
    /// restarted together.
    pub(super) fn start(&mut self, task: u32) -> bool {
        self.pending_kill.is_none() && self.tasks.insert(task)
    }

    /// A task could not be started.
    pub(super) fn forget(&mut self, task: u32) {
        self.tasks.remove(&task);
    }

    /// A task reports something. Returns whether its owner gets the event: while a kill is pending, all tasks fail together
    /// when the child exits.
    pub(super) fn on_event(&mut self, task: u32, event: &TaskEvent, now: Instant) -> bool {
        if let TaskEvent::Failed { reason, abandoned: true, .. } = event {
            self.tasks.remove(&task);
            self.schedule_kill(format!("task {task}: {reason}"), now);
            return false;
        }
        let is_last = matches!(event, TaskEvent::Stopped { .. } | TaskEvent::Failed { .. });
        if is_last {
            self.tasks.remove(&task);
            if self.tasks.is_empty() && !self.is_exiting {
                self.deadline = None;
            }
        }
        self.pending_kill.is_none() || !is_last
    }

    /// One of its threads will never return. The other tasks are stopped first, so that they can finish.
    fn schedule_kill(&mut self, reason: String, now: Instant) {
        self.pending_kill.get_or_insert(reason);
        let others: Vec<u32> = self.tasks.iter().copied().collect();
        for task in others {
            self.send(task, TaskCommand::Stop { within: self.shutdown }, now);
        }
    }

    /// Sends a command to a task. A child whose tasks do not stop in time is killed.
    pub(super) fn send(&mut self, task: u32, command: TaskCommand, now: Instant) {
        if let TaskCommand::Stop { within } = &command {
            let deadline = now + *within + STOP_GRACE;
            self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        }
        self.actions.push(ChildAction::Send(task, command));
    }

    /// The connector needs the child no more.
    pub(super) fn shut_down(&mut self, now: Instant) -> Next {
        self.is_exiting = true;
        // The connector was dropped while tasks run: the host received a second signal.
        if !self.tasks.is_empty() {
            return ControlFlow::Break(Some("the host has ended".to_owned()));
        }
        self.deadline = Some(now + EXIT_TIMEOUT);
        self.actions.push(ChildAction::Exit);
        ControlFlow::Continue(())
    }

    /// Whether the child is to be killed now, because a kill was waiting for its other tasks.
    pub(super) fn after_message(&self) -> Next {
        match (&self.pending_kill, self.tasks.is_empty()) {
            (Some(reason), true) => ControlFlow::Break(Some(reason.clone())),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Whether the child has not stopped in time.
    pub(super) fn check(&self, now: Instant) -> Next {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return ControlFlow::Continue(());
        }
        let late = || "it did not stop in time".to_owned();
        ControlFlow::Break(Some(self.pending_kill.clone().unwrap_or_else(late)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Recovery;

    const SHUTDOWN: Duration = Duration::from_secs(10);
    const CONTINUE: Next = ControlFlow::Continue(());

    fn stop() -> TaskCommand {
        TaskCommand::Stop { within: SHUTDOWN }
    }

    fn with_tasks(count: u32) -> (ChildState, Instant) {
        let mut state = ChildState::new(SHUTDOWN);
        assert!((0..count).all(|task| state.start(task)));
        (state, Instant::now())
    }

    #[test]
    fn a_child_whose_tasks_do_not_stop_in_time_is_killed() {
        let (mut state, now) = with_tasks(2);
        state.send(0, stop(), now);
        assert_eq!(state.take_actions(), [ChildAction::Send(0, stop())]);
        assert_eq!(state.check(now + SHUTDOWN), CONTINUE);
        let late = now + SHUTDOWN + STOP_GRACE;
        assert_eq!(state.check(late), ControlFlow::Break(Some("it did not stop in time".to_owned())));
        for task in 0..2 {
            assert!(state.on_event(task, &TaskEvent::Stopped { clean: true }, now));
        }
        assert_eq!(state.check(late), CONTINUE, "all of its tasks have stopped");
    }

    #[test]
    fn a_call_that_never_returns_kills_the_child_once_the_other_tasks_have_stopped() {
        let (mut state, now) = with_tasks(2);
        let hung =
            TaskEvent::Failed { reason: "hung".to_owned(), abandoned: true, recovery: Recovery::Restart };
        assert!(!state.on_event(0, &hung, now), "the task fails with the others");
        assert_eq!(state.take_actions(), [ChildAction::Send(1, stop())]);
        assert_eq!(state.after_message(), CONTINUE);
        assert!(!state.start(0), "it is restarted in another process");
        assert!(!state.on_event(1, &TaskEvent::Stopped { clean: true }, now));
        assert_eq!(state.after_message(), ControlFlow::Break(Some("task 0: hung".to_owned())));
    }

    #[test]
    fn a_child_without_tasks_is_asked_to_exit_and_killed_if_it_does_not() {
        let (mut state, now) = with_tasks(0);
        assert_eq!(state.shut_down(now), CONTINUE);
        assert_eq!(state.take_actions(), [ChildAction::Exit]);
        assert!(state.is_exiting());
        assert_eq!(state.check(now), CONTINUE);
        assert!(state.check(now + EXIT_TIMEOUT).is_break());
    }

    #[test]
    fn a_child_is_killed_when_the_host_ends_while_its_tasks_run() {
        let (mut state, now) = with_tasks(1);
        assert_eq!(state.shut_down(now), ControlFlow::Break(Some("the host has ended".to_owned())));
        assert!(state.is_exiting(), "that is no crash");
    }
}
