//! The poll loop: reports to [`Flow`] events of Kafka, the stages and the supervisor, and executes its actions.
//!
//! A consumer that stops polling is removed from its group after `max.poll.interval.ms`, so nothing in here waits for a plugin.

mod commit;
mod group;
mod lag;
mod metrics;
mod teardown;
mod topics;
mod watchdog;

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use self::{group::GroupWatch, lag::LagTimer, metrics::PollMetrics};
use super::{
    call_clock::CallClock,
    channels::{PollMessage, PollSender, SinkInput, WorkerInput},
    error::TaskError,
    flow::{Action, ConsumedRecord, Flow, KafkaEvent, WallClock},
    memory::TaskMemory,
    message::{Counts, TaskEvent, TaskEvents, TaskState},
    settings::TaskSettings,
    stop::StopSignal,
    traces::TaskTraces,
};
use crate::kafka::{
    FetchedRecord,
    consumer::{Consumer, ConsumerError, ConsumerEvent, Polled, Topics},
};

/// Longest wait for the next record. Backoffs, hand-overs and plugin calls are checked in between.
const TICK: Duration = Duration::from_millis(50);
/// The same while there is nothing to check.
const LONG_TICK: Duration = Duration::from_millis(500);
/// Maximum number of polls before other events are handled.
const BURST: usize = 16;
/// How often progress is reported.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);
/// Longest time for the last commit of partitions that are handed over.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// The poll loop of a task.
pub(super) struct PollLoop<'t> {
    settings: Arc<TaskSettings>,
    flow: Flow,
    consumer: Consumer,
    inbox: Receiver<PollMessage>,
    to_self: PollSender,
    /// `None` once the stages must end.
    worker: Option<Sender<WorkerInput>>,
    sink: Option<Sender<SinkInput>>,
    clocks: [Arc<CallClock>; 2],
    stop: Arc<StopSignal>,
    events: &'t TaskEvents,
    lag: LagTimer,
    group: GroupWatch,
    metrics: PollMetrics,
    reported: Reported,
}

/// What was last reported to the supervisor.
struct Reported {
    at: Instant,
    counts: Counts,
    state: TaskState,
}

impl<'t> PollLoop<'t> {
    #[expect(
        clippy::too_many_arguments,
        reason = "it is called once and takes the ends of all channels of the task"
    )]
    pub(super) fn new(
        settings: Arc<TaskSettings>,
        memory: TaskMemory,
        consumer: Consumer,
        inbox: (Receiver<PollMessage>, PollSender),
        (worker, sink): (Sender<WorkerInput>, Sender<SinkInput>),
        clocks: [Arc<CallClock>; 2],
        stop: Arc<StopSignal>,
        traces: Arc<TaskTraces>,
        events: &'t TaskEvents,
    ) -> Self {
        let (inbox, to_self) = inbox;
        Self {
            flow: Flow::new(&settings, memory, WallClock::now()),
            lag: LagTimer::new(consumer.offset_resolver()),
            group: GroupWatch::new(consumer.offset_resolver()),
            metrics: PollMetrics::new(&settings, traces),
            settings,
            consumer,
            inbox,
            to_self,
            worker: Some(worker),
            sink: Some(sink),
            clocks,
            stop,
            events,
            reported: Reported { at: Instant::now(), counts: Counts::default(), state: TaskState::Starting },
        }
    }

    /// Runs until the task must stop, or fails. Returns whether everything in flight was delivered and committed.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(mut self) -> Result<bool, TaskError> {
        while !self.flow.is_over(Instant::now()) {
            self.flow.tick(Instant::now());
            self.execute();
            self.poll_kafka();
            self.empty_inbox();
            self.watch_calls();
            self.measure_lag();
            self.watch_group();
            self.report(REPORT_INTERVAL);
        }
        self.tear_down()
    }

    /// Executes the flow's actions. The next poll must come after that.
    fn execute(&mut self) {
        while let Some(action) = self.flow.next_action() {
            if let Err(error) = self.perform(action) {
                self.flow.fail(error.into());
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), ConsumerError> {
        match action {
            Action::ReportReady => (self.events)(TaskEvent::ReadyToJoin),
            Action::Join => self.join()?,
            Action::Assign(claimed) => match self.consumer.assign(&claimed.starts) {
                Ok(()) => self.flow.on_reading(claimed),
                // Another rebalance came first; its claim follows.
                Err(ConsumerError::Superseded | ConsumerError::NoStart { .. }) => {}
                Err(error) => return Err(error),
            },
            Action::Rewind(starts) => self.consumer.rewind(&starts)?,
            Action::PausePartition(partition) => self.consumer.hold(&partition)?,
            Action::Pause => self.consumer.pause()?,
            Action::Resume => self.consumer.resume()?,
            Action::Commit(commits) => {
                self.metrics.commit_begins();
                self.consumer.commit_async(&commits);
            }
            Action::CommitAndWait(commits) => self.commit_and_wait(&commits),
            Action::Release => self.consumer.release()?,
            // A stage that has ended has already reported it.
            Action::SendToWorker(input) => {
                self.metrics.sent(&input);
                let _ended = self.worker.as_ref().is_none_or(|worker| worker.send(input).is_err());
            }
            Action::SendToSink(input) => {
                let _ended = self.sink.as_ref().is_none_or(|sink| sink.send(input).is_err());
            }
            Action::Measure(time) => self.metrics.stage(&time),
            Action::StopStages(deadline) => self.stop.request(deadline),
        }
        Ok(())
    }

    fn join(&self) -> Result<(), ConsumerError> {
        match &self.settings.consumer.topics {
            Topics::List(topics) => tracing::info!("Subscribed to topics: {topics:?}"),
            Topics::Pattern(pattern) => tracing::debug!("looking for topics matching {pattern}"),
        }
        self.consumer.join()
    }

    fn poll_kafka(&mut self) {
        if !self.flow.may_read() {
            return self.poll_without_reading();
        }
        let mut timeout = self.longest_wait();
        for _ in 0..BURST {
            let has_more = self.poll_once(timeout);
            if !has_more || !self.flow.may_read() {
                return;
            }
            timeout = Duration::ZERO;
        }
    }

    /// How long to wait for records. Messages from the stages and the supervisor end the wait.
    fn longest_wait(&self) -> Duration {
        let is_at_rest = self.flow.is_at_rest() && !self.flow.has_progressed(&self.reported.counts);
        let tick = if is_at_rest { LONG_TICK } else { TICK };
        match self.flow.time_left(Instant::now()) {
            // A batch that is due waits for the transform worker, which reports when it is idle.
            Some(left) if !left.is_zero() => left.min(tick),
            _ => tick,
        }
    }

    /// Stays in the group without reading records.
    fn poll_without_reading(&mut self) {
        if let Ok(message) = self.inbox.recv_timeout(TICK) {
            self.on_message(message);
        }
        if let Some(event) = self.consumer.poll_event() {
            self.on_event(event.into());
        }
    }

    /// Copies the records that have been fetched into the open batch, or handles an event. Returns false if there was
    /// neither.
    fn poll_once(&mut self, timeout: Duration) -> bool {
        let Self { consumer, flow, .. } = self;
        let polled = consumer.poll(timeout, flow.space(), |record| {
            flow.take(record, Instant::now);
            if flow.may_read() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match polled {
            Polled::Nothing => {
                self.flow.on_queue_empty();
                return false;
            }
            Polled::Records => {}
            Polled::Skipped(batch) => self.count_skipped(&batch),
            Polled::Event(event) => self.on_event(event.into()),
        }
        true
    }

    fn on_event(&mut self, event: KafkaEvent) {
        match &event {
            KafkaEvent::Topics(change) => self.log_topics(change),
            KafkaEvent::CommitDone(outcome) => {
                self.count_commit(outcome.is_ok());
                self.metrics.commit_ended(outcome.as_ref().err().map(ToString::to_string).as_deref());
            }
            event => self.count_rebalance(event),
        }
        self.flow.on_kafka(event, Instant::now());
        self.execute();
    }

    fn empty_inbox(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.on_message(message);
        }
    }

    fn on_message(&mut self, message: PollMessage) {
        match message {
            PollMessage::Group(ends, progress) => self.on_group(ends, progress),
            PollMessage::Reopening => (self.events)(TaskEvent::Reopening),
            PollMessage::Reopened => {
                (self.events)(TaskEvent::Reopened { batches: self.flow.batches() });
            }
            message => self.flow.on_message(message, Instant::now()),
        }
        self.execute();
    }

    /// Reports changes to the supervisor: the state immediately, the counts at most every `interval`.
    fn report(&mut self, interval: Duration) {
        let state = self.flow.state(Instant::now());
        if state != self.reported.state {
            self.reported.state = state.clone();
            (self.events)(TaskEvent::State(state));
        }
        if self.reported.at.elapsed() < interval {
            return;
        }
        self.measure_fill();
        let counts = self.flow.counts(|| self.consumer.positions());
        if counts != self.reported.counts {
            (self.events)(TaskEvent::Progress(counts));
        }
        (self.reported.at, self.reported.counts) = (Instant::now(), counts);
    }
}

impl From<ConsumerEvent> for KafkaEvent {
    fn from(event: ConsumerEvent) -> Self {
        match event {
            ConsumerEvent::Assigned(partitions) => Self::Assigned(partitions),
            ConsumerEvent::Revoked { partitions, lost: false } => Self::Revoked(partitions),
            ConsumerEvent::Revoked { partitions, lost: true } => Self::Lost(partitions),
            ConsumerEvent::Topics(change) => Self::Topics(change),
            ConsumerEvent::LostPositions(partitions) => Self::PositionsLost(partitions),
            ConsumerEvent::CommitDone(outcome) => Self::CommitDone(outcome),
            ConsumerEvent::Stalled(reason) => Self::Stalled(reason),
            ConsumerEvent::Recovered => Self::Recovered,
            ConsumerEvent::Fatal(error) => Self::Fatal(error),
        }
    }
}

impl ConsumedRecord for FetchedRecord<'_> {
    fn topic(&self) -> &str {
        self.topic()
    }

    fn partition(&self) -> i32 {
        self.partition()
    }

    fn offset(&self) -> i64 {
        self.offset()
    }

    fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp_ms()
    }

    fn key(&self) -> Option<&[u8]> {
        self.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value()
    }

    fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        self.headers()
    }
}
