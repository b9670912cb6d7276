//! The keeper of a child: one task of the supervisor's runtime that starts and tells its tasks, watches it, and ends it.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Crash, ending,
    listen::{Heard, Printed},
    protocol::{ToChild, to_line},
    spawn::Body,
    watch::Watch,
};
use crate::{
    config::Secrets,
    pipeline::{TaskCommand, TaskEvent, TaskEvents, TaskSettings, read_calls},
};

/// What stopping may take beyond the tasks' own deadline: the last commit, and leaving the group.
pub(in crate::supervisor) const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long a child without tasks may take to end.
const LEAVE: Duration = Duration::from_secs(2);
/// How long the end of a child is waited for that has closed its connection, or was killed.
const END: Duration = Duration::from_secs(2);
/// How long its last words are waited for: what it has started may hold its pipes open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a keeper is told.
pub(super) enum Order {
    /// Start a task that has these secrets, and tell its events there.
    Start(Box<TaskSettings>, Secrets, TaskEvents),
    /// Tell a task something.
    Tell(u32, TaskCommand),
}

/// Why the watch over a child is over: a reason to kill it, or none if it has ended by itself.
type Verdict = Option<String>;

/// Keeps one child.
pub(super) struct Keeper {
    pub(super) connector: String,
    /// Number of the child.
    pub(super) process: u64,
    /// How long its tasks may take to stop.
    pub(super) shutdown: Duration,
    pub(super) body: Body,
    pub(super) watch: Watch,
    /// The end of this channel: no more tasks.
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) heard: mpsc::UnboundedReceiver<Heard>,
    /// To the child: lines.
    pub(super) to_child: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) printed: Printed,
    pub(super) printing: JoinHandle<()>,
    /// Where the child notes its running calls.
    pub(super) calls: Option<File>,
    /// The tasks that run in the child.
    pub(super) tasks: BTreeMap<u32, TaskEvents>,
    /// When it is killed if it has not done what it was told.
    pub(super) deadline: Option<Instant>,
    pub(super) is_leaving: bool,
    /// A call in it does not return: it is killed once its other tasks have stopped.
    pub(super) condemned: Option<String>,
}

impl Keeper {
    /// Keeps the child until its end. Returns how it crashed, unless it was told to leave.
    pub(super) async fn run(mut self) -> Option<Crash> {
        let verdict = loop {
            let look = self.deadline.map_or(self.watch.next(), |deadline| deadline.min(self.watch.next()));
            let next = tokio::select! {
                heard = self.heard.recv() => self.on_heard(heard),
                order = self.orders.recv(), if !self.is_leaving => self.on_order(order),
                () = tokio::time::sleep_until(look.into()) => self.look(),
            };
            if let ControlFlow::Break(verdict) = next {
                break verdict;
            }
        };
        self.conclude(verdict).await
    }

    fn on_heard(&mut self, heard: Option<Heard>) -> ControlFlow<Verdict> {
        match heard {
            None => return ControlFlow::Break(None),
            Some(Heard::Nonsense(error)) => {
                return ControlFlow::Break(Some(format!("it sent what is no message: {error}")));
            }
            // Comes before any plugin could send it.
            Some(Heard::Calls(descriptor)) if self.calls.is_none() => {
                let path = format!("/proc/{}/fd/{descriptor}", self.body.pid());
                self.calls = File::open(path).ok();
            }
            Some(Heard::Calls(_)) => {}
            Some(Heard::Event(task, event)) => self.on_event(task, event),
        }
        match (&self.condemned, self.tasks.is_empty()) {
            (Some(reason), true) => ControlFlow::Break(Some(reason.clone())),
            _ => ControlFlow::Continue(()),
        }
    }

    fn on_event(&mut self, task: u32, event: TaskEvent) {
        if let TaskEvent::Failed { reason, abandoned: true } = &event {
            self.tasks.remove(&task);
            return self.condemn(format!("task {task}: {reason}"));
        }
        let is_last = matches!(event, TaskEvent::Stopped { .. } | TaskEvent::Failed { .. });
        // Of a condemned child, all tasks fail together at its end.
        if self.condemned.is_none() || !is_last {
            self.tasks.get(&task).inspect(|tell| tell(event));
        }
        if !is_last {
            return;
        }
        self.tasks.remove(&task);
        if self.tasks.is_empty() && !self.is_leaving {
            self.deadline = None;
        }
    }

    /// A thread of it will never return. The other tasks get the time to finish what they have.
    fn condemn(&mut self, reason: String) {
        self.condemned.get_or_insert(reason);
        let others: Vec<u32> = self.tasks.keys().copied().collect();
        for task in others {
            self.tell(task, TaskCommand::Stop { within: self.shutdown });
        }
    }

    fn on_order(&mut self, order: Option<Order>) -> ControlFlow<Verdict> {
        match order {
            Some(Order::Start(settings, secrets, events)) => self.start(settings, secrets, events),
            Some(Order::Tell(task, command)) => self.tell(task, command),
            // Its connector is given up with everything that it does: a second signal.
            None if !self.tasks.is_empty() => {
                self.is_leaving = true;
                return ControlFlow::Break(Some("the host has ended".to_owned()));
            }
            None => {
                self.is_leaving = true;
                self.deadline = Some(Instant::now() + LEAVE);
                self.send(&ToChild::Leave);
            }
        }
        ControlFlow::Continue(())
    }

    fn start(&mut self, settings: Box<TaskSettings>, secrets: Secrets, events: TaskEvents) {
        // It will fail with the others, and start anew with them.
        if self.condemned.is_some() {
            return;
        }
        let task = settings.task;
        match to_line(&ToChild::Start { settings, secrets }) {
            Ok(line) => {
                self.tasks.insert(task, events);
                self.send_line(line);
            }
            Err(error) => {
                let reason = format!("its settings cannot be sent to a process: {error}");
                events(TaskEvent::Failed { reason, abandoned: false });
            }
        }
    }

    fn tell(&mut self, task: u32, command: TaskCommand) {
        if let TaskCommand::Stop { within } = &command {
            let deadline = Instant::now() + *within + STOP_GRACE;
            self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        }
        self.send(&ToChild::Tell { task, command });
    }

    fn send(&self, message: &ToChild) {
        match to_line(message) {
            Ok(line) => self.send_line(line),
            Err(error) => tracing::error!(connector = self.connector, %error, "telling a process something"),
        }
    }

    /// Whoever cannot be told any more has ended, which is heard.
    fn send_line(&self, line: Vec<u8>) {
        let _ended = self.to_child.send(line).is_err();
    }

    fn look(&mut self) -> ControlFlow<Verdict> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            let reason = self.condemned.clone().unwrap_or_else(|| "it did not stop in time".to_owned());
            return ControlFlow::Break(Some(reason));
        }
        if self.body.has_ended() {
            return ControlFlow::Break(None);
        }
        match self.watch.look(now) {
            Some(reason) => ControlFlow::Break(Some(reason)),
            None => ControlFlow::Continue(()),
        }
    }

    /// Sees to it that the child is gone, and hears its last words.
    async fn conclude(mut self, verdict: Verdict) -> Option<Crash> {
        let ended = verdict.is_none() && self.body.ends_within(END).await;
        self.body.kill();
        while let Ok(Some(heard)) = tokio::time::timeout(LAST_WORDS, self.heard.recv()).await {
            let _over = self.on_heard(Some(heard)).is_break();
        }
        let status = self.body.bury(END).await;
        if tokio::time::timeout(LAST_WORDS, self.printing).await.is_err() {
            tracing::debug!(connector = self.connector, "something holds the process' standard error open");
        }
        if self.is_leaving {
            return None;
        }
        let (connector, process) = (self.connector, self.process);
        let crash = |reason| Crash { connector, process, reason };
        if let Some(reason) = self.condemned {
            return Some(crash(format!("its process was killed: {reason}")));
        }
        let mut reason = match verdict {
            Some(reason) => format!("its process was killed: {reason}"),
            None if ended => format!("its process {}", ending::describe(status)),
            None => "its process was killed: it closed its connection to the host".to_owned(),
        };
        if let Some(calls) = self.calls.as_ref().and_then(running_calls) {
            reason = format!("{reason}, while {calls}");
        }
        if let Some(words) = self.printed.last_words() {
            reason = format!("{reason}; its last words: {words}");
        }
        Some(crash(reason))
    }
}

/// `task 0 was in sink "x"` and the like, of the calls that were running.
fn running_calls(board: &File) -> Option<String> {
    let calls: Vec<String> =
        read_calls(board).iter().map(|(task, stage)| format!("task {task} was in {stage}")).collect();
    (!calls.is_empty()).then(|| calls.join(" and "))
}
