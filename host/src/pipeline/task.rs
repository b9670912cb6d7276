//! Starts a task's three threads, and reports how it ended.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use super::{
    call_board::CallSlot,
    call_clock::CallClock,
    channels::{PollMessage, PollSender, Worker},
    error::TaskError,
    memory::TaskMemory,
    message::{TaskCommand, TaskEvent, TaskEvents},
    poll::PollLoop,
    reject::{DeadLetterWriter, RejectionHandler},
    retry::Retrier,
    settings::TaskSettings,
    sink::SinkWorker,
    stop::{EndOnDrop, StopSignal},
    traces::TaskTraces,
    transform::TransformWorker,
};
use crate::{kafka::consumer::Consumer, plugins::own_working_directory, telemetry};

/// A running task.
#[derive(Debug)]
pub struct Task {
    commands: PollSender,
}

impl Task {
    /// Starts the task. Its last event is `Stopped` or `Failed`. `memory` is its part of what all tasks of the process share.
    ///
    /// # Errors
    /// When the consumer's settings are invalid, or no thread can be started.
    pub fn start(settings: TaskSettings, memory: TaskMemory, events: TaskEvents) -> Result<Self, TaskError> {
        let span = telemetry::task_span(&settings.connector, settings.task);
        let consumer = span.in_scope(|| Consumer::open(&settings.consumer))?;
        let (messages, inbox) = mpsc::channel();
        let commands = PollSender::new(messages, Some(consumer.waker()));
        let poll_commands = commands.clone();
        let name = thread_name(&settings, "poll");
        let run = move || {
            let _span = span.entered();
            let ended = guarded("poll", || run(settings, memory, consumer, inbox, &poll_commands, &events));
            events(match ended {
                Ok(clean) => TaskEvent::Stopped { clean },
                Err(error) => TaskEvent::Failed {
                    reason: telemetry::scrub(&error.to_string()).into_owned(),
                    abandoned: error.is_abandoned(),
                    recovery: error.recovery(),
                },
            });
        };
        spawn("poll", name, run)?;
        Ok(Self { commands })
    }

    /// Sends the task a command. A task that has ended ignores it.
    pub fn send(&self, command: TaskCommand) {
        let ended = self.commands.send(PollMessage::Command(command)).is_err();
        if ended {
            tracing::debug!("the task has ended already");
        }
    }
}

/// Linux truncates thread names to 15 characters, so the role comes first.
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

/// Runs on the poll thread: starts the other two, then the poll loop.
fn run(
    settings: TaskSettings,
    memory: TaskMemory,
    consumer: Consumer,
    inbox: mpsc::Receiver<PollMessage>,
    to_poll: &PollSender,
    events: &TaskEvents,
) -> Result<bool, TaskError> {
    let settings = Arc::new(settings);
    let traces = Arc::new(TaskTraces::new(&settings));
    let (worker_inputs, sink_inputs) = (mpsc::channel(), mpsc::channel());
    let (ready, sink_ready) = mpsc::channel();
    let transform_clock = Arc::new(CallClock::new(CallSlot::transform(settings.task)));
    let sink_clock = Arc::new(CallClock::new(CallSlot::sink(settings.task)));
    let stop = Arc::<StopSignal>::default();
    let _end = EndOnDrop(Arc::clone(&stop));

    let dead_letters = DeadLetterWriter::new(&settings, to_poll, &stop);
    let rejections = Arc::new(RejectionHandler::new(Arc::clone(&settings), dead_letters));
    let transform = TransformWorker {
        settings: Arc::clone(&settings),
        rejections: Arc::clone(&rejections),
        inputs: worker_inputs.1,
        sink: sink_inputs.0.clone(),
        sink_ready,
        poll: to_poll.clone(),
        retrier: Arc::new(Retrier::new(Worker::Transform, &settings, &stop, to_poll)),
        clock: Arc::clone(&transform_clock),
        stop: Arc::clone(&stop),
        traces: Arc::clone(&traces),
    };
    let sink = SinkWorker {
        settings: Arc::clone(&settings),
        inputs: sink_inputs.1,
        ready,
        poll: to_poll.clone(),
        offset_resolver: consumer.offset_resolver(),
        rejections,
        retrier: Retrier::new(Worker::Sink, &settings, &stop, to_poll),
        clock: Arc::clone(&sink_clock),
        stop: Arc::clone(&stop),
        traces: Arc::clone(&traces),
    };
    start_stage("transform", &settings, to_poll.clone(), || transform.run())?;
    start_stage("sink", &settings, to_poll.clone(), || sink.run())?;

    let (clocks, senders) = ([transform_clock, sink_clock], (worker_inputs.0, sink_inputs.0));
    let inbox = (inbox, to_poll.clone());
    PollLoop::new(settings, memory, consumer, inbox, senders, clocks, stop, traces, events).run()
}

/// Starts the thread of a stage. The thread is not joined, since a plugin call may hang; its end is reported to the poll loop.
fn start_stage(
    role: &'static str,
    settings: &TaskSettings,
    to_poll: PollSender,
    run: impl FnOnce() -> Result<(), TaskError> + Send + 'static,
) -> Result<(), TaskError> {
    let span = telemetry::task_span(&settings.connector, settings.task);
    let body = move || {
        let _span = span.entered();
        own_working_directory();
        let outcome = guarded(role, run);
        let _ended = to_poll.send(PollMessage::StageEnded(outcome)).is_err();
    };
    spawn(role, thread_name(settings, role), body).map(drop)
}
