//! Starts a task's three threads, and tells how it ended.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use super::{
    call_board::Place,
    channels::Inbox,
    clock::CallClock,
    deliver::Deliver,
    error::TaskError,
    letters::Letters,
    message::{TaskCommand, TaskEvent, TaskEvents},
    poll::Poll,
    rejections::Rejections,
    settings::TaskSettings,
    stop::{EndOnDrop, StopSignal},
    work::Work,
};
use crate::{kafka::consumer::Consumer, telemetry};

/// A running task.
#[derive(Debug)]
pub struct Task {
    commands: Sender<Inbox>,
}

impl Task {
    /// Starts the task. Its last event is `Stopped` or `Failed`.
    ///
    /// # Errors
    /// When the consumer's settings are refused, or no thread can be started.
    pub fn start(settings: TaskSettings, events: TaskEvents) -> Result<Self, TaskError> {
        let (commands, inbox) = mpsc::channel();
        let poll_commands = commands.clone();
        let span = telemetry::task_span(&settings.connector, settings.task);
        let consumer = span.in_scope(|| Consumer::open(&settings.consumer))?;
        let name = thread_name(&settings, "poll");
        let run = move || {
            let _span = span.entered();
            let ended = guarded("poll", || run(settings, consumer, inbox, &poll_commands, &events));
            events(match ended {
                Ok(clean) => TaskEvent::Stopped { clean },
                Err(error) => TaskEvent::Failed {
                    reason: telemetry::scrub(&error.to_string()).into_owned(),
                    abandoned: error.is_abandoned(),
                },
            });
        };
        spawn("poll", name, run)?;
        Ok(Self { commands })
    }

    /// Tells the task something. A task that has ended hears nothing.
    pub fn send(&self, command: TaskCommand) {
        let ended = self.commands.send(Inbox::Command(command)).is_err();
        if ended {
            tracing::debug!("the task has ended already");
        }
    }
}

/// Names of threads are cut at 15 characters by Linux: the role first.
fn thread_name(settings: &TaskSettings, role: &str) -> String {
    format!("{role}-{}-{}", settings.task, settings.connector)
}

fn spawn(
    role: &'static str,
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, TaskError> {
    let failed = |error: std::io::Error| TaskError::Thread { role, reason: error.to_string() };
    thread::Builder::new().name(name).spawn(run).map_err(failed)
}

/// A panic in the host's own code fails the task, not the process.
fn guarded<T>(role: &'static str, run: impl FnOnce() -> Result<T, TaskError>) -> Result<T, TaskError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let reason = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let reason = reason.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(TaskError::Thread { role, reason })
    })
}

/// The body of the poll thread: starts the other two, and runs the poll loop.
fn run(
    settings: TaskSettings,
    consumer: Consumer,
    inbox: mpsc::Receiver<Inbox>,
    to_poll: &Sender<Inbox>,
    events: &TaskEvents,
) -> Result<bool, TaskError> {
    let settings = Arc::new(settings);
    let (work_inputs, sink_inputs) = (mpsc::channel(), mpsc::channel());
    let (free, sink_free) = mpsc::channel();
    let work_clock = Arc::new(CallClock::new(Place::of_work(settings.task)));
    let sink_clock = Arc::new(CallClock::new(Place::of_sink(settings.task)));
    let stop = Arc::<StopSignal>::default();
    let _end = EndOnDrop(Arc::clone(&stop));

    let letters = Letters::new(&settings, to_poll, &stop);
    let rejections = Arc::new(Rejections::new(Arc::clone(&settings), letters));
    let work = Work {
        settings: Arc::clone(&settings),
        rejections: Arc::clone(&rejections),
        inputs: work_inputs.1,
        sink: sink_inputs.0.clone(),
        sink_free,
        poll: to_poll.clone(),
        clock: Arc::clone(&work_clock),
        stop: Arc::clone(&stop),
    };
    let deliver = Deliver {
        settings: Arc::clone(&settings),
        inputs: sink_inputs.1,
        free,
        poll: to_poll.clone(),
        look_up: consumer.look_up(),
        rejections,
        clock: Arc::clone(&sink_clock),
        stop: Arc::clone(&stop),
    };
    start_stage("work", &settings, to_poll.clone(), || work.run())?;
    start_stage("sink", &settings, to_poll.clone(), || deliver.run())?;

    let clocks = [work_clock, sink_clock];
    let inbox = (inbox, to_poll.clone());
    Poll::new(settings, consumer, inbox, work_inputs.0, sink_inputs.0, clocks, stop, events).run()
}

/// Starts the thread of a stage. Its end, good or bad, goes to the poll loop; nobody joins it, as it may hang.
fn start_stage(
    role: &'static str,
    settings: &TaskSettings,
    to_poll: Sender<Inbox>,
    run: impl FnOnce() -> Result<(), TaskError> + Send + 'static,
) -> Result<(), TaskError> {
    let span = telemetry::task_span(&settings.connector, settings.task);
    let body = move || {
        let _span = span.entered();
        let outcome = guarded(role, run);
        let _ended = to_poll.send(Inbox::StageEnded(outcome)).is_err();
    };
    spawn(role, thread_name(settings, role), body).map(drop)
}
