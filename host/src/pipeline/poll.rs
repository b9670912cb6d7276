//! The poll loop: polls Kafka, fills the open batch, and looks after everything else in between.

mod commit;
mod ending;
mod lag;
mod rebalance;
mod report;
mod set_back;
mod topics;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use tidegate_abi::host::Batch;

use self::{lag::Ends, rebalance::Revocation, set_back::SetBacks};
use super::{
    assignment::Assignment,
    channels::{Inbox, SinkInput, WorkInput},
    clock::CallClock,
    error::TaskError,
    intake::Intake,
    message::{Counts, TaskCommand, TaskEvents, TaskState},
    settings::TaskSettings,
    stop::StopSignal,
};
use crate::kafka::consumer::{
    CommitError, Consumer, ConsumerError, Event, Positions, TopicPartition, Topics, TopicsChange,
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

/// What one poll brought, once the message itself is gone.
enum Polled {
    Nothing,
    Record,
    Assigned(Vec<TopicPartition>),
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
    CommitDone(Result<Positions, CommitError>),
    LostPositions(Vec<TopicPartition>),
    Topics(TopicsChange),
    Stalled(String),
    Recovered,
    Fatal(ConsumerError),
}

/// Where the task stands with its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    /// It has not asked to join.
    None,
    /// The group is waited for, since then.
    Joining(Instant),
    /// The group has given it its partitions, be they none.
    Member,
}

/// The poll loop of a task.
pub(super) struct Poll<'t> {
    settings: Arc<TaskSettings>,
    consumer: Consumer,
    inbox: Receiver<Inbox>,
    to_self: Sender<Inbox>,
    work: Option<Sender<WorkInput>>,
    sink: Option<Sender<SinkInput>>,
    clocks: [Arc<CallClock>; 2],
    stop: Arc<StopSignal>,
    events: &'t TaskEvents,

    assignment: Assignment,
    /// Number that was given to a claim last.
    generation: u64,
    /// Number of the assignment whose claim is waited for: an answer to another one is out of date.
    claiming: u64,
    /// That answer is not there yet.
    claim_pending: bool,
    intake: Intake,
    revocation: Option<Revocation>,
    set_backs: SetBacks,
    ends: Ends,
    work_free: bool,
    sink_open: bool,
    membership: Membership,
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
    letters_stuck: Option<String>,

    counts: Counts,
    told: (Instant, Counts),
    state: TaskState,
}

impl<'t> Poll<'t> {
    #[expect(clippy::too_many_arguments, reason = "the ends of every channel of the task meet here, once")]
    pub(super) fn new(
        settings: Arc<TaskSettings>,
        consumer: Consumer,
        inbox: (Receiver<Inbox>, Sender<Inbox>),
        work: Sender<WorkInput>,
        sink: Sender<SinkInput>,
        clocks: [Arc<CallClock>; 2],
        stop: Arc<StopSignal>,
        events: &'t TaskEvents,
    ) -> Self {
        let keeps_refused = settings.errors.on_reject.letters().is_some();
        let intake = Intake::new(settings.batch, settings.batch_memory, keeps_refused);
        let ends = Ends::new(consumer.look_up());
        let (inbox, to_self) = inbox;
        Self {
            settings,
            consumer,
            inbox,
            to_self,
            work: Some(work),
            sink: Some(sink),
            clocks,
            stop,
            events,
            assignment: Assignment::default(),
            generation: 0,
            claiming: 0,
            claim_pending: false,
            intake,
            revocation: None,
            set_backs: SetBacks::default(),
            ends,
            work_free: false,
            sink_open: false,
            membership: Membership::None,
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
            letters_stuck: None,
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
        while !self.is_over() {
            self.join();
            self.dispatch();
            self.poll_kafka();
            self.empty_inbox();
            self.hand_over();
            self.read_again();
            self.commit();
            self.watch_calls();
            self.measure_lag();
            self.tell(TELL_EVERY);
        }
        self.tear_down()
    }

    /// Joins the group once every plugin is open: a task that fails before that disturbs no other member.
    fn join(&mut self) {
        let is_ready = self.sink_open && self.work_free && self.stopping.is_none();
        if !is_ready || self.membership != Membership::None {
            return;
        }
        match &self.settings.consumer.topics {
            Topics::List(topics) => tracing::info!("Subscribed to topics: {topics:?}"),
            Topics::Pattern(pattern) => tracing::debug!("looking for topics matching {pattern}"),
        }
        self.membership = Membership::Joining(Instant::now());
        let joined = self.consumer.join();
        self.fail_on(joined);
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
            Polled::Assigned(partitions) => {
                self.membership = Membership::Member;
                self.on_assigned(partitions);
            }
            Polled::Revoked { partitions, lost } => self.on_revoked(partitions, lost),
            Polled::Topics(change) => self.on_topics(&change),
            Polled::LostPositions(partitions) => self.on_lost_positions(partitions),
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
            Inbox::Ends(ends) => self.ends.learn(ends),
            Inbox::SetBack(set_back) => self.on_set_back(set_back),
            Inbox::Settled(settled) => {
                self.set_backs.settled(&settled.positions);
                self.assignment.settle(&settled.positions);
                self.counts.delivered += settled.delivered as u64;
                self.uncommitted = true;
            }
            Inbox::Delivered(batch) => self.on_delivered(batch),
            Inbox::DeadLettered(count) => self.counts.dead_lettered += count as u64,
            Inbox::LettersStuck(reason) => self.letters_stuck = reason,
            Inbox::StageFailed(error) => self.on_stage_failure(error),
            Inbox::StageEnded(outcome) => {
                self.stages_running -= 1;
                if let Err(error) = outcome {
                    self.on_stage_failure(error);
                }
            }
        }
    }

    fn on_stage_failure(&mut self, error: TaskError) {
        // It gave up trying to open or to claim: nothing is lost, and there is nobody to try for.
        if self.stopping.is_some() && self.is_drained() {
            return tracing::warn!("gave up while stopping: {error}");
        }
        self.fail(error);
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

    fn fail_on(&mut self, outcome: Result<(), ConsumerError>) {
        if let Err(error) = outcome {
            self.fail(error.into());
        }
    }

    /// The first failure counts; what follows from it is noise.
    fn fail(&mut self, error: TaskError) {
        self.failure.get_or_insert(error);
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
        Some(Event::Topics(change)) => Polled::Topics(change),
        Some(Event::LostPositions(partitions)) => Polled::LostPositions(partitions),
        Some(Event::CommitDone(outcome)) => Polled::CommitDone(outcome),
        Some(Event::Stalled(reason)) => Polled::Stalled(reason),
        Some(Event::Recovered) => Polled::Recovered,
        Some(Event::Fatal(error)) => Polled::Fatal(error),
    }
}
