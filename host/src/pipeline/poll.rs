//! The poll loop: polls Kafka, fills the open batch, answers rebalances, commits what is settled.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use tidegate_abi::host::Batch;

use super::{
    assignment::Assignment,
    clock::CallClock,
    deliver::{Claimed, Settled, SinkInput},
    error::TaskError,
    intake::Intake,
    message::{Counts, TaskCommand, TaskEvent, TaskState},
    settings::TaskSettings,
    stop::StopSignal,
    task::TaskEvents,
    work::WorkInput,
};
use crate::kafka::consumer::{
    CommitError, Consumer, ConsumerError, Event, Positions, TopicPartition, Topics,
};

/// Longest wait for the next record: commands, commits and the watchdog are looked after in between.
const TICK: Duration = Duration::from_millis(50);
/// Wait while a batch is due and the work role is busy.
const SHORT_TICK: Duration = Duration::from_millis(2);
/// How long the batches may be full before the partitions are paused: pausing throws away what was fetched ahead.
const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// Records taken in a row before anything else is looked after.
const BURST: usize = 1000;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Longest time for the last commit of partitions that are handed over.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// What the poll loop is sent.
#[derive(Debug)]
pub(super) enum Inbox {
    /// From the supervisor.
    Command(TaskCommand),
    /// The work role wants the next batch.
    WorkFree,
    /// The sink is open.
    SinkOpen,
    /// Partitions are claimed.
    Claimed(Claimed),
    /// Part of a batch is settled.
    Settled(Settled),
    /// All of a batch is settled; here is its memory.
    Delivered(Batch),
    /// A stage's thread has ended.
    StageEnded(Result<(), TaskError>),
}

/// What one poll brought, once the message itself is gone.
enum Polled {
    Nothing,
    Record,
    Assigned(Vec<TopicPartition>),
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
    CommitDone(Result<Positions, CommitError>),
    Stalled(String),
    Recovered,
    Fatal(ConsumerError),
}

/// Partitions that are handed over once what was read of them is settled.
struct Revocation {
    partitions: Vec<TopicPartition>,
    deadline: Instant,
}

/// The poll loop of a task.
pub(super) struct Poll<'t> {
    settings: Arc<TaskSettings>,
    consumer: Consumer,
    inbox: Receiver<Inbox>,
    work: Option<Sender<WorkInput>>,
    sink: Option<Sender<SinkInput>>,
    clocks: [Arc<CallClock>; 2],
    stop: Arc<StopSignal>,
    events: &'t TaskEvents,

    assignment: Assignment,
    /// Number of the assignment that was claimed last.
    generation: u64,
    intake: Intake,
    revocation: Option<Revocation>,
    work_free: bool,
    sink_open: bool,
    /// Batches handed on and not settled yet.
    in_flight: usize,
    stages_running: usize,
    /// Something was settled since the last commit was asked for.
    uncommitted: bool,
    /// Consumed records that are settled.
    settled_inputs: u64,

    paused: bool,
    full_since: Option<Instant>,
    stopping: Option<Instant>,
    failure: Option<TaskError>,
    stalled: Option<String>,
    overdue: Option<String>,

    counts: Counts,
    told: (Instant, Counts),
    state: TaskState,
}

impl<'t> Poll<'t> {
    #[expect(clippy::too_many_arguments, reason = "the ends of every channel of the task meet here, once")]
    pub(super) fn new(
        settings: Arc<TaskSettings>,
        consumer: Consumer,
        inbox: Receiver<Inbox>,
        work: Sender<WorkInput>,
        sink: Sender<SinkInput>,
        clocks: [Arc<CallClock>; 2],
        stop: Arc<StopSignal>,
        events: &'t TaskEvents,
    ) -> Self {
        let intake = Intake::new(settings.batch, settings.batch_memory);
        Self {
            settings,
            consumer,
            inbox,
            work: Some(work),
            sink: Some(sink),
            clocks,
            stop,
            events,
            assignment: Assignment::default(),
            generation: 0,
            intake,
            revocation: None,
            work_free: false,
            sink_open: false,
            in_flight: 0,
            stages_running: 2,
            uncommitted: false,
            settled_inputs: 0,
            paused: false,
            full_since: None,
            stopping: None,
            failure: None,
            stalled: None,
            overdue: None,
            counts: Counts::default(),
            told: (Instant::now(), Counts::default()),
            state: TaskState::Starting,
        }
    }

    /// Runs until the task is told to stop, or fails. Returns whether everything in flight was delivered and committed.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(mut self) -> Result<bool, TaskError> {
        match &self.settings.consumer.topics {
            Topics::List(topics) => tracing::info!("Subscribed to topics: {topics:?}"),
            Topics::Regex(pattern) => tracing::info!("Subscribed to topics matching {pattern}"),
        }
        while !self.is_over() {
            self.dispatch();
            self.poll_kafka();
            self.empty_inbox();
            self.hand_over();
            self.commit();
            self.watch_calls();
            self.tell(TELL_EVERY);
        }
        self.tear_down()
    }

    fn is_over(&self) -> bool {
        let Some(deadline) = self.stopping else { return self.failure.is_some() };
        self.failure.is_some() || self.is_drained() || Instant::now() >= deadline
    }

    /// Whether all that was read is settled.
    fn is_drained(&self) -> bool {
        self.intake.is_empty() && self.in_flight == 0
    }

    /// Hands the batch that is due to the work role, if that is free.
    fn dispatch(&mut self) {
        if !self.work_free || self.revocation.is_some() || self.failure.is_some() {
            return;
        }
        let Some(batch) = self.intake.due(self.stopping.is_some()) else { return };
        self.work_free = false;
        self.in_flight += 1;
        self.send_to_work(WorkInput::Batch(batch));
    }

    fn send_to_work(&self, input: WorkInput) {
        // A stage that has ended says so through the inbox.
        let _ended = self.work.as_ref().is_none_or(|work| work.send(input).is_err());
    }

    fn send_to_sink(&self, input: SinkInput) {
        let _ended = self.sink.as_ref().is_none_or(|sink| sink.send(input).is_err());
    }

    fn is_reading(&self) -> bool {
        !self.paused && self.stopping.is_none() && self.intake.has_room()
    }

    fn poll_kafka(&mut self) {
        if !self.is_reading() {
            return self.poll_without_reading();
        }
        self.full_since = None;
        if self.consumer.is_paused() {
            let resumed = self.consumer.resume();
            self.fail_on(resumed);
        }
        let mut timeout = match self.intake.time_left() {
            None => TICK,
            Some(left) if left.is_zero() => SHORT_TICK,
            Some(left) => left.min(TICK),
        };
        for _ in 0..BURST {
            match poll_once(&self.consumer, &mut self.intake, &self.assignment, timeout) {
                Polled::Nothing => break,
                Polled::Record => {}
                other => self.on_event(other),
            }
            if !self.is_reading() {
                break;
            }
            timeout = Duration::ZERO;
        }
    }

    /// Serves the group without taking records. Partitions are paused only when that lasts, or is wanted.
    fn poll_without_reading(&mut self) {
        let since = *self.full_since.get_or_insert_with(Instant::now);
        let wanted = self.paused || self.stopping.is_some();
        if !self.consumer.is_paused() && (wanted || since.elapsed() > PAUSE_AFTER) {
            let paused = self.consumer.pause();
            self.fail_on(paused);
        }
        if let Ok(message) = self.inbox.recv_timeout(if wanted { SHORT_TICK * 5 } else { TICK }) {
            self.on_message(message);
        }
        if self.consumer.is_paused() {
            // A record that slips through is taken all the same: the consumer will not bring it again.
            let polled = poll_once(&self.consumer, &mut self.intake, &self.assignment, Duration::ZERO);
            self.on_event(polled);
        }
    }

    fn on_event(&mut self, event: Polled) {
        match event {
            Polled::Nothing | Polled::Record => {}
            Polled::Assigned(partitions) => self.on_assigned(partitions),
            Polled::Revoked { partitions, lost } => self.on_revoked(partitions, lost),
            Polled::CommitDone(Ok(positions)) => self.on_committed(&positions),
            Polled::CommitDone(Err(error)) if error.is_permanent() => self.fail(error.into()),
            Polled::CommitDone(Err(error)) => {
                tracing::debug!(%error, "commit failed, and goes with the next")
            }
            Polled::Stalled(reason) => self.stalled = Some(reason),
            Polled::Recovered => self.stalled = None,
            Polled::Fatal(error) => self.fail(error.into()),
        }
    }

    fn on_assigned(&mut self, partitions: Vec<TopicPartition>) {
        // Whoever is leaving takes nothing any more.
        if partitions.is_empty() || self.stopping.is_some() {
            return;
        }
        tracing::debug!(count = partitions.len(), "partitions assigned, asking the sink where they start");
        self.generation += 1;
        self.send_to_sink(SinkInput::Claim { generation: self.generation, partitions });
    }

    fn on_claimed(&mut self, claimed: &Claimed) {
        // What the sink said of an earlier assignment is out of date, even if it has the same partitions.
        if claimed.generation != self.generation {
            return;
        }
        match self.consumer.assign(&claimed.starts) {
            Ok(()) => {
                self.assignment.add(claimed.generation, &claimed.starts, &claimed.ends);
                self.counts.total_partitions = claimed.total.or(self.counts.total_partitions);
                // Where a sink keeps the offsets, the group's follow them, so that lag is seen where people look.
                self.uncommitted = true;
                let partitions: Vec<String> = claimed.starts.iter().map(|(at, _)| at.to_string()).collect();
                tracing::info!(partitions = partitions.join(" "), "reading {} partitions", partitions.len());
            }
            // Another rebalance has come in between; its own claim is on the way.
            Err(ConsumerError::Superseded | ConsumerError::NoStart { .. }) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    fn on_revoked(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        if partitions.is_empty() {
            return;
        }
        self.assignment.leave(&partitions);
        let assignment = &self.assignment;
        self.intake.retain(|slot| assignment.takes(&slot.topic, slot.partition, slot.generation));
        if lost {
            tracing::warn!(count = partitions.len(), "partitions lost: the group went on without this task");
            // There is nothing left to hand over, and what was claimed has another owner.
            self.revocation = None;
            self.generation += 1;
            self.let_go(partitions);
        } else {
            let deadline = Instant::now() + self.settings.shutdown;
            self.revocation = Some(Revocation { partitions, deadline });
        }
    }

    /// Gives revoked partitions away once nothing of them is in flight.
    fn hand_over(&mut self) {
        let Some(revocation) = &self.revocation else { return };
        let late = Instant::now() >= revocation.deadline;
        if self.in_flight > 0 && !late {
            return;
        }
        if late {
            tracing::warn!(
                "partitions are handed over before everything read of them is written: it will be read again"
            );
        }
        self.commit_and_wait(LAST_COMMIT);
        let released = self.consumer.release();
        self.fail_on(released);
        if let Some(revocation) = self.revocation.take() {
            tracing::info!(count = revocation.partitions.len(), "partitions handed over");
            self.let_go(revocation.partitions);
        }
    }

    fn let_go(&mut self, partitions: Vec<TopicPartition>) {
        self.assignment.remove(&partitions);
        self.send_to_sink(SinkInput::Release(partitions));
    }

    fn empty_inbox(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.on_message(message);
        }
    }

    fn on_message(&mut self, message: Inbox) {
        match message {
            Inbox::Command(command) => self.on_command(&command),
            Inbox::WorkFree => self.work_free = true,
            Inbox::SinkOpen => self.sink_open = true,
            Inbox::Claimed(claimed) => self.on_claimed(&claimed),
            Inbox::Settled(settled) => {
                self.assignment.settle(&settled.positions);
                self.counts.delivered += settled.delivered as u64;
                self.uncommitted = true;
            }
            Inbox::Delivered(batch) => self.on_delivered(batch),
            Inbox::StageEnded(outcome) => {
                self.stages_running -= 1;
                match outcome {
                    Ok(()) => {}
                    // It gave up trying to open or to claim: nothing is lost, and there is nobody to try for.
                    Err(error) if self.stopping.is_some() && self.is_drained() => {
                        tracing::warn!("gave up while stopping: {error}");
                    }
                    Err(error) => self.fail(error),
                }
            }
        }
    }

    fn on_command(&mut self, command: &TaskCommand) {
        match command {
            TaskCommand::Pause => self.paused = true,
            TaskCommand::Resume => self.paused = false,
            TaskCommand::Reopen => {
                self.send_to_work(WorkInput::Reopen);
                self.send_to_sink(SinkInput::Reopen);
            }
            TaskCommand::Stop { within } => {
                let deadline = Instant::now() + *within;
                self.stopping = Some(self.stopping.map_or(deadline, |earlier| earlier.min(deadline)));
                self.stop.ask(deadline);
            }
        }
    }

    fn on_delivered(&mut self, batch: Batch) {
        self.in_flight -= 1;
        self.settled_inputs += batch.input_count() as u64;
        self.counts.batches += 1;
        self.counts.rejected += batch.rejected_count() as u64;
        self.counts.filtered += batch.filtered_count() as u64;
        self.intake.recycle(batch);
    }

    /// Asks for a commit of what was settled since the last one.
    fn commit(&mut self) {
        if !std::mem::take(&mut self.uncommitted) {
            return;
        }
        let positions = self.assignment.uncommitted();
        if !positions.is_empty() {
            self.consumer.commit_async(&positions);
        }
    }

    /// Commits what is settled, and waits for it. Returns false when that failed: it will be read again.
    fn commit_and_wait(&mut self, patience: Duration) -> bool {
        let positions = self.assignment.uncommitted();
        if positions.is_empty() {
            return true;
        }
        match self.consumer.commit_sync(&positions, Instant::now() + patience) {
            Ok(()) => {
                self.on_committed(&positions);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the last commit failed: some records will be read again");
                false
            }
        }
    }

    /// As `commit_and_wait`, and waits for a group that takes no commits because another member has just left it, such
    /// as a task that was stopped together with this one. librdkafka joins it again by itself.
    fn commit_at_the_end(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let positions = self.assignment.uncommitted();
            if positions.is_empty() {
                return true;
            }
            match self.consumer.commit_sync(&positions, deadline.min(Instant::now() + LAST_COMMIT)) {
                Err(error) if error.is_rebalance() && Instant::now() + TICK < deadline => {
                    tracing::debug!(%error, "waiting for the group");
                    std::thread::sleep(TICK);
                }
                Err(error) => {
                    tracing::warn!(%error, "the last commit failed: some records will be read again");
                    return false;
                }
                Ok(()) => {
                    self.on_committed(&positions);
                    return true;
                }
            }
        }
    }

    fn on_committed(&mut self, positions: &Positions) {
        self.assignment.committed(positions);
        if self.assignment.uncommitted().is_empty() {
            self.counts.committed = self.settled_inputs;
        }
    }

    /// Tells of plugin calls that take too long, and gives up on those that take twice that.
    fn watch_calls(&mut self) {
        let limit = self.settings.call_timeout;
        let overdue = self.clocks.iter().find_map(|clock| clock.overdue(limit));
        let Some((stage, waited)) = overdue else {
            if self.overdue.take().is_some() {
                tracing::info!("the stalled plugin call has returned");
            }
            return;
        };
        if waited > limit * 2 {
            return self.fail(TaskError::Hung { stage, waited, limit });
        }
        if self.overdue.is_none() {
            let text = format!("{stage} has not returned for {} s", waited.as_secs());
            tracing::warn!("stalled: {text}");
            self.overdue = Some(text);
        }
    }

    fn fail_on(&mut self, outcome: Result<(), ConsumerError>) {
        if let Err(error) = outcome {
            self.fail(error.into());
        }
    }

    /// The first failure counts; what follows from it is noise.
    fn fail(&mut self, error: TaskError) {
        self.failure.get_or_insert(error);
    }

    fn current_state(&self) -> TaskState {
        if self.stopping.is_some() {
            return TaskState::Stopping;
        }
        if let Some(text) = self.overdue.as_ref().or(self.stalled.as_ref()) {
            return TaskState::Stalled(text.clone());
        }
        if self.paused {
            return TaskState::Paused;
        }
        if self.sink_open { TaskState::Running } else { TaskState::Starting }
    }

    /// Tells the supervisor what has changed.
    fn tell(&mut self, every: Duration) {
        let state = self.current_state();
        if state != self.state {
            self.state = state.clone();
            (self.events)(TaskEvent::State(state));
        }
        if self.told.0.elapsed() < every {
            return;
        }
        self.counts.read = self.intake.read;
        self.counts.bytes = self.intake.bytes;
        self.counts.partitions = self.assignment.len() as u32;
        self.counts.at_end = self.partitions_at_end();
        if self.counts != self.told.1 {
            (self.events)(TaskEvent::Progress(self.counts));
        }
        self.told = (Instant::now(), self.counts);
    }

    /// How many partitions are delivered to the end; with `until_end` only, since nobody else asks.
    fn partitions_at_end(&self) -> u32 {
        if !self.settings.until_end || !self.intake.is_empty() || self.in_flight > 0 {
            return 0;
        }
        self.assignment.at_end(&self.consumer.positions()) as u32
    }

    /// Lets the stages finish what they have, commits, leaves the group.
    fn tear_down(mut self) -> Result<bool, TaskError> {
        let shutdown = Instant::now() + self.settings.shutdown;
        let deadline = self.stopping.map_or(shutdown, |deadline| deadline.min(shutdown));
        // With nothing in flight there is nothing to go on trying for.
        self.stop.ask(if self.is_drained() { Instant::now() } else { deadline });
        self.consumer.end_look_ups();
        self.work = None;
        self.sink = None;
        let hung = self.failure.as_ref().is_some_and(TaskError::is_abandoned);
        while self.stages_running > 0 && !hung {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.inbox.recv_timeout(left) else { break };
            self.on_message(message);
        }
        self.stop.end();
        let all_ended = self.stages_running == 0;
        if !all_ended {
            self.clocks.iter().for_each(|clock| clock.ask_to_end());
        }
        match (self.is_drained(), all_ended) {
            _ if self.failure.is_some() => {}
            (false, _) => {
                tracing::warn!("stopped before everything that was read is written: it will be read again");
            }
            (true, false) => tracing::warn!("a plugin call has not returned; its thread is left behind"),
            (true, true) => {}
        }
        let delivered = self.is_drained() && all_ended;
        let left = deadline.saturating_duration_since(Instant::now());
        let committed = self.commit_at_the_end(left.max(Duration::from_millis(500)));
        self.tell(Duration::ZERO);
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = self.consumer.close(left.max(Duration::from_secs(1)));
        match self.failure {
            Some(error) if all_ended || hung => Err(error),
            Some(error) => Err(TaskError::LeftBehind(Box::new(error))),
            None => Ok(delivered && committed && closed),
        }
    }
}

/// Polls once. The message, which borrows the consumer, is copied and dropped in here.
fn poll_once(consumer: &Consumer, intake: &mut Intake, assignment: &Assignment, timeout: Duration) -> Polled {
    match consumer.poll(timeout) {
        None => Polled::Nothing,
        Some(Event::Message(message)) => {
            intake.take(&message, assignment);
            Polled::Record
        }
        Some(Event::Assigned(partitions)) => Polled::Assigned(partitions),
        Some(Event::Revoked { partitions, lost }) => Polled::Revoked { partitions, lost },
        Some(Event::CommitDone(outcome)) => Polled::CommitDone(outcome),
        Some(Event::Stalled(reason)) => Polled::Stalled(reason),
        Some(Event::Recovered) => Polled::Recovered,
        Some(Event::Fatal(error)) => Polled::Fatal(error),
    }
}
