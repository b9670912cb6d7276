//! What a task does next: a state machine without I/O.
//!
//! The poll loop (`poll/`) owns the Kafka consumer and the channels to the stages. It reports what has happened as
//! [`KafkaEvent`]s and [`PollMessage`]s, calls [`Flow::tick`] between polls, and executes the [`Action`]s in the order in which
//! they were decided. Nothing in here waits, reads a clock or talks to Kafka, so the model test in `model/` drives this code
//! through random interleavings of polls, writes, failures, rebalances and crashes.
//!
//! - [`partitions`]: the assigned partitions, their committable and committed offsets.
//! - [`open_batch`]: the batch that is being filled.
//! - [`flush`]: when a sink that is durable on flush is flushed.
//! - [`rebalance`]: assigned, claimed, revoked and lost partitions.
//! - [`start_report`]: the log line that says where reading starts.
//! - [`backoff`]: partitions that are paused, rewound and retried.
//! - [`status`]: the state and the counts that are reported.

mod backoff;
mod flush;
#[cfg(test)]
mod model;
mod open_batch;
mod partitions;
mod rebalance;
mod start_report;
mod status;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tidegate_abi::host::Batch;

use self::{
    backoff::PartitionBackoff,
    flush::Unflushed,
    open_batch::{DecodedSize, OpenBatch},
    partitions::Partitions,
    rebalance::{Claim, Handover},
};
pub(super) use self::{open_batch::ConsumedRecord, status::WallClock};
use super::{
    channels::{Claimed, PollMessage, Retry, SinkInput, WorkerInput},
    error::TaskError,
    memory::TaskMemory,
    message::{Counts, Reopen, TaskCommand},
    settings::TaskSettings,
};
use crate::{
    config::RetryPolicy,
    kafka::consumer::{
        CommitError, Commits, ConsumerError, Positions, StartAt, TopicPartition, TopicsChange, Watermarks,
    },
    telemetry::PartitionLag,
};

/// After the batches have been full for this long, librdkafka's queue is taken to be full too: it fetches nothing any more.
const FULL_QUEUE_AFTER: Duration = Duration::from_secs(1);

/// What the consumer reports, apart from records.
#[derive(Debug)]
pub(super) enum KafkaEvent {
    /// The group assigned these partitions, in addition to those that the task has.
    Assigned(Vec<TopicPartition>),
    /// The group takes partitions away, and waits until they are released.
    Revoked(Vec<TopicPartition>),
    /// The group has taken partitions away without waiting.
    Lost(Vec<TopicPartition>),
    /// A commit has ended.
    CommitDone(Result<Positions, CommitError>),
    /// Positions are gone from their logs; the consumer has paused the partitions.
    PositionsLost(Vec<TopicPartition>),
    /// The topics that match the pattern have changed.
    Topics(TopicsChange),
    /// Nothing can be read for now, for this reason.
    Stalled(String),
    /// Records can be read again.
    Recovered,
    /// The consumer cannot go on.
    Fatal(ConsumerError),
}

/// What the poll loop is to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Report that every plugin is open.
    ReportReady,
    /// Join the group.
    Join,
    /// Read these partitions, and call [`Flow::on_reading`] unless another rebalance came first.
    Assign(Claimed),
    /// Seek these partitions, and resume them.
    Rewind(Vec<(TopicPartition, StartAt)>),
    /// Pause one partition until it is rewound or released.
    PausePartition(TopicPartition),
    /// Pause all partitions.
    Pause,
    /// Resume all partitions, except those that are paused one by one.
    Resume,
    /// Commit in the background; the answer is a [`KafkaEvent::CommitDone`].
    Commit(Commits),
    /// Commit, and wait for the answer.
    CommitAndWait(Commits),
    /// Give the revoked partitions back to the group.
    Release,
    /// Pass this on to the transform worker.
    SendToWorker(WorkerInput),
    /// Pass this on to the sink worker.
    SendToSink(SinkInput),
    /// Record how long a batch took.
    Measure(StageTime),
    /// Have the stages give up waiting at this time.
    StopStages(Instant),
}

/// How long a batch has spent somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum StageTime {
    /// From its first record until the transform worker took it.
    Poll(Duration),
    /// From its first record until it was written.
    Batch(Duration),
}

/// How full a task is.
pub(super) struct Fill {
    /// Bytes that its batches are estimated to take.
    pub(super) memory: usize,
    /// How full the open batch is, from 0 to 1.
    pub(super) open_batch: f64,
    /// Batches that the stages have.
    pub(super) in_flight: usize,
    /// Records that are written and not flushed.
    pub(super) unflushed: u64,
}

/// The task's membership in its consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    /// It still opens its plugins.
    None,
    /// It waits until the other tasks have opened theirs.
    Ready,
    /// It has been waiting for the group since then.
    Joining(Instant),
    /// The group has assigned it partitions, or none.
    Member,
}

/// What of a task's settings decides what it does next.
struct FlowSettings {
    retry: RetryPolicy,
    handover_timeout: Duration,
    until_end: bool,
    /// The consumer group.
    group: String,
}

/// The state of a task between two polls.
pub(super) struct Flow {
    settings: FlowSettings,
    pub(super) partitions: Partitions,
    open_batch: OpenBatch,
    backoff: PartitionBackoff,
    /// Where the logs begin and end, as far as known.
    ends: Watermarks,
    handover: Option<Handover>,
    /// The number that was given to an assignment or a claim last.
    last_generation: u64,
    claim: Claim,
    membership: Membership,

    is_worker_ready: bool,
    is_sink_open: bool,
    /// Stages whose threads run.
    stages_running: usize,
    /// Batches that stages have and that are not settled yet.
    in_flight: usize,
    /// When the first record of each of these was read.
    in_flight_since: VecDeque<Instant>,
    /// What the sink has written and not flushed.
    unflushed: Unflushed,
    /// Something was settled since the last commit.
    has_uncommitted: bool,
    /// The sink stores offsets, so those of the group only show the lag.
    pub(super) sink_stores_offsets: bool,
    /// The last poll has returned no record.
    is_queue_empty: bool,
    /// Consumed records that are settled.
    settled_inputs: u64,

    /// The supervisor has paused the task.
    is_paused: bool,
    /// The consumer is paused.
    is_consumer_paused: bool,
    /// Since when no record may be read.
    full_since: Option<Instant>,
    /// The task is to stop by then.
    stopping: Option<Instant>,
    failure: Option<TaskError>,
    consumer_stalled: Option<String>,
    overdue_call: Option<String>,
    dead_letters_blocked: Option<String>,
    registry_blocked: Option<String>,
    /// The failed calls that the transform worker and the sink worker make again.
    retrying: [Option<Retry>; 2],
    clock: WallClock,

    counts: Counts,
    actions: VecDeque<Action>,
}

impl Flow {
    /// `memory` is the task's part of what all tasks of the process share.
    pub(super) fn new(settings: &TaskSettings, memory: TaskMemory, clock: WallClock) -> Self {
        let decoded_size = DecodedSize::of(settings.decoder.value, settings.reads_values);
        let keeps_rejected = settings.errors.on_reject.dead_letter_policy().is_some();
        Self {
            partitions: Partitions::default(),
            open_batch: OpenBatch::new(
                settings.batch,
                settings.batch_memory,
                memory,
                decoded_size,
                keeps_rejected,
            ),
            backoff: PartitionBackoff::default(),
            ends: Watermarks::new(),
            handover: None,
            last_generation: 0,
            claim: Claim::default(),
            membership: Membership::None,
            is_worker_ready: false,
            is_sink_open: false,
            stages_running: 2,
            in_flight: 0,
            in_flight_since: VecDeque::new(),
            unflushed: Unflushed::new(settings.plugins.flush, keeps_rejected),
            has_uncommitted: false,
            sink_stores_offsets: false,
            is_queue_empty: false,
            settled_inputs: 0,
            is_paused: false,
            is_consumer_paused: false,
            full_since: None,
            stopping: None,
            failure: None,
            consumer_stalled: None,
            overdue_call: None,
            dead_letters_blocked: None,
            registry_blocked: None,
            retrying: [None, None],
            clock,
            counts: Counts::default(),
            actions: VecDeque::new(),
            settings: FlowSettings {
                retry: settings.errors.retry,
                handover_timeout: settings.shutdown,
                until_end: settings.until_end,
                group: settings.consumer.group_id.clone(),
            },
        }
    }

    /// The next action to execute.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Decides what is due now. Called between two polls.
    pub(super) fn tick(&mut self, now: Instant) {
        self.report_ready();
        self.open_batch.look_after_memory(now);
        self.dispatch(now);
        self.flush(now);
        self.hand_over(now);
        self.retry_partitions(now);
        self.commit();
        self.pause_or_resume(now);
    }

    /// Hands the batch that is due to the transform worker, if that is idle. Nothing new is started while partitions are handed
    /// over, which would make the group wait for longer.
    fn dispatch(&mut self, now: Instant) {
        if !self.is_worker_ready || self.handover.is_some() || self.failure.is_some() {
            return;
        }
        if !self.has_flush_space() {
            return;
        }
        let is_idle = self.in_flight == 0 && self.is_queue_empty && !self.open_batch.lingers();
        let Some(batch) = self.open_batch.due(self.stopping.is_some() || is_idle, now) else { return };
        self.is_worker_ready = false;
        self.in_flight += 1;
        self.unflushed.dispatched(&batch);
        let since = self.open_batch.since_of_last().unwrap_or(now);
        self.in_flight_since.push_back(since);
        self.act(Action::Measure(StageTime::Poll(now.saturating_duration_since(since))));
        self.act(Action::SendToWorker(WorkerInput::Batch(batch)));
    }

    /// Commits what was settled since the last commit.
    fn commit(&mut self) {
        if !std::mem::take(&mut self.has_uncommitted) {
            return;
        }
        let commits = self.partitions.uncommitted();
        if !commits.is_empty() {
            self.act(Action::Commit(commits));
        }
    }

    /// Pauses the consumer while the task is paused or stopping. Full batches are no reason: a pause would discard what
    /// librdkafka has fetched ahead, and it stops fetching by itself when its queue is full.
    fn pause_or_resume(&mut self, now: Instant) {
        if self.may_read() {
            self.full_since = None;
        } else {
            self.full_since.get_or_insert(now);
        }
        if self.is_halted() == self.is_consumer_paused {
            return;
        }
        self.is_consumer_paused = self.is_halted();
        self.act(if self.is_consumer_paused { Action::Pause } else { Action::Resume });
    }

    /// Whether more records may be read.
    pub(super) fn may_read(&self) -> bool {
        !self.is_halted() && self.open_batch.has_space()
    }

    /// About how many records may be read, at least one.
    pub(super) fn space(&self) -> usize {
        self.open_batch.space()
    }

    /// Whether no records are read: the task is paused or stopping.
    pub(super) fn is_halted(&self) -> bool {
        self.is_paused || self.stopping.is_some()
    }

    /// Whether any partition is not read for now, so that no fetch returns the end of its log.
    pub(super) fn has_unread_partitions(&self, now: Instant) -> bool {
        let is_full =
            self.full_since.is_some_and(|since| now.saturating_duration_since(since) > FULL_QUEUE_AFTER);
        self.is_consumer_paused || is_full || self.backoff.paused() > 0
    }

    /// Whether there is nothing to check until an event or a message arrives.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_waiting = self.handover.is_some() || self.backoff.paused() > 0;
        self.is_drained() && !is_waiting && !self.settings.until_end
    }

    /// How long the open batch may still wait for more records; `None` while it is empty.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.open_batch.time_left(now)
    }

    /// No further record has arrived so far.
    pub(super) fn on_queue_empty(&mut self) {
        self.is_queue_empty = true;
    }

    /// Copies a record into the open batch. There need not be space for it, since the consumer does not
    /// return it again.
    pub(super) fn take(&mut self, record: &impl ConsumedRecord, now: impl FnOnce() -> Instant) {
        self.is_queue_empty = false;
        self.open_batch.take(record, &self.partitions, now);
    }

    /// Whether all records that were read are settled.
    pub(super) fn is_drained(&self) -> bool {
        self.open_batch.is_empty() && self.in_flight == 0 && self.unflushed.is_empty()
    }

    /// Whether the task has to end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_stopped = || self.stopping.is_some_and(|deadline| self.is_drained() || now >= deadline);
        self.failure.is_some() || is_stopped()
    }

    pub(super) fn stopping(&self) -> Option<Instant> {
        self.stopping
    }

    /// Batches that were written so far.
    pub(super) fn batches(&self) -> u64 {
        self.counts.batches
    }

    pub(super) fn stages_running(&self) -> usize {
        self.stages_running
    }

    pub(super) fn failure(&self) -> Option<&TaskError> {
        self.failure.as_ref()
    }

    pub(super) fn into_failure(self) -> Option<TaskError> {
        self.failure
    }

    pub(super) fn overdue_call(&self) -> Option<&str> {
        self.overdue_call.as_deref()
    }

    pub(super) fn set_overdue_call(&mut self, call: Option<String>) {
        self.overdue_call = call;
    }

    /// Adds where logs begin and end.
    pub(super) fn learn_ends(&mut self, ends: Watermarks) {
        self.ends.extend(ends);
    }

    /// Measures the lag. `read` returns the consumer's positions.
    pub(super) fn measure_lag(&mut self, read: impl FnOnce() -> Positions) {
        // Behind the last settled record there may be control records of transactions, which only the position counts.
        let read = if self.is_drained() { read() } else { Positions::new() };
        self.counts.lag = self.partitions.lag(&self.ends, &read);
    }

    /// The lag of each partition whose log's end is known.
    pub(super) fn partition_lags(&self) -> Vec<PartitionLag> {
        self.partitions.lags(&self.ends)
    }

    /// How full the task is.
    pub(super) fn fill(&self) -> Fill {
        Fill {
            memory: self.open_batch.memory_bytes(),
            open_batch: self.open_batch.fill_ratio(),
            in_flight: self.in_flight,
            unflushed: self.unflushed.records(),
        }
    }

    /// The consumer reports something.
    pub(super) fn on_kafka(&mut self, event: KafkaEvent, now: Instant) {
        match event {
            KafkaEvent::Assigned(partitions) => {
                self.membership = Membership::Member;
                self.on_assigned(partitions);
            }
            KafkaEvent::Revoked(partitions) => self.on_revoked(partitions, now),
            KafkaEvent::Lost(partitions) => self.on_lost(partitions),
            KafkaEvent::Topics(change) => self.on_topics(&change, now),
            KafkaEvent::PositionsLost(partitions) => self.on_positions_lost(partitions, now),
            KafkaEvent::CommitDone(Ok(positions)) => self.on_committed(&positions),
            KafkaEvent::CommitDone(Err(error)) if error.is_fatal() => self.fail(error.into()),
            KafkaEvent::CommitDone(Err(error)) => {
                tracing::debug!(%error, "commit failed, to be repeated with the next one");
            }
            KafkaEvent::Stalled(reason) => self.consumer_stalled = Some(reason),
            KafkaEvent::Recovered => self.consumer_stalled = None,
            KafkaEvent::Fatal(error) => self.fail(error.into()),
        }
    }

    /// A stage or the supervisor reports something.
    pub(super) fn on_message(&mut self, message: PollMessage, now: Instant) {
        match message {
            PollMessage::Command(command) => self.on_command(&command, now),
            PollMessage::WorkerReady => self.is_worker_ready = true,
            PollMessage::SinkOpen => self.is_sink_open = true,
            PollMessage::Claimed(claimed) => self.on_claimed(claimed),
            PollMessage::SinkReplaced => self.on_sink_replaced(now),
            PollMessage::PartitionFailed(failure) => self.on_partition_failed(failure, now),
            PollMessage::Settled(settled) => {
                self.backoff.settled(&settled.positions, now);
                self.partitions.settle(&settled.positions);
                self.counts.delivered += settled.delivered as u64;
                self.has_uncommitted = true;
            }
            PollMessage::Retrying(worker, retry) => self.retrying[worker as usize] = retry,
            PollMessage::BatchDone(batch) => self.on_batch_done(batch, now),
            PollMessage::Flushed { rejected } => self.on_flushed(rejected),
            PollMessage::Ends(ends) => self.learn_ends(ends),
            // The poll loop handles them.
            PollMessage::Group(..) | PollMessage::Reopening | PollMessage::Reopened => {}
            PollMessage::DeadLettered(count) => self.counts.dead_lettered += count as u64,
            PollMessage::DeadLettersBlocked(reason) => self.dead_letters_blocked = reason,
            PollMessage::RegistryBlocked(reason) => self.registry_blocked = reason,
            PollMessage::StageFailed(error) => self.on_stage_failed(error),
            PollMessage::StageEnded(outcome) => {
                self.stages_running -= 1;
                if let Err(error) = outcome {
                    self.on_stage_failed(error);
                }
            }
        }
    }

    fn on_stage_failed(&mut self, error: TaskError) {
        // It was still trying to open a plugin or to claim partitions, which a task that stops does not need any more; or it
        // gave up waiting at the deadline, and its records are read again.
        if self.stopping.is_some() && (self.is_drained() || matches!(error, TaskError::Ended)) {
            return tracing::warn!("gave up while stopping: {error}");
        }
        self.fail(error);
    }

    fn on_command(&mut self, command: &TaskCommand, now: Instant) {
        match command {
            TaskCommand::Pause => self.is_paused = true,
            TaskCommand::Resume => self.is_paused = false,
            TaskCommand::Join => self.join(now),
            TaskCommand::Reopen(reopen) => {
                if let Reopen::Changed(plugins) = reopen {
                    self.unflushed.set_limits(plugins.flush);
                }
                self.act(Action::SendToWorker(WorkerInput::Reopen(reopen.clone())));
            }
            TaskCommand::Stop { within } => {
                let deadline = now + *within;
                self.stopping = Some(self.stopping.map_or(deadline, |earlier| earlier.min(deadline)));
                self.act(Action::StopStages(deadline));
            }
        }
    }

    fn on_batch_done(&mut self, batch: Batch, now: Instant) {
        self.in_flight -= 1;
        if let Some(since) = self.in_flight_since.pop_front() {
            self.act(Action::Measure(StageTime::Batch(now.saturating_duration_since(since))));
        }
        self.settled_inputs += self.unflushed.written(&batch, now);
        if self.in_flight == 0 {
            self.unflushed.nothing_in_flight();
        }
        self.counts.batches += 1;
        self.counts.rejected += batch.rejected_count() as u64;
        self.counts.filtered += batch.filtered_count() as u64;
        self.open_batch.recycle(batch);
        self.open_batch.set_unflushed(self.unflushed.memory());
        self.count_committed();
    }

    fn on_topics(&mut self, change: &TopicsChange, now: Instant) {
        if self.settings.until_end {
            self.counts.total_partitions = Some(u32::try_from(change.partitions).unwrap_or(u32::MAX));
        }
        if !change.appeared.is_empty() && self.partitions.len() == 0 {
            self.membership = Membership::Joining(now);
        }
    }

    /// The group has committed these positions.
    pub(super) fn on_committed(&mut self, positions: &Positions) {
        self.partitions.committed(positions);
        self.count_committed();
    }

    /// Counts everything as committed that is settled, if it is. The last commit may be answered before the batch is returned.
    fn count_committed(&mut self) {
        if self.partitions.uncommitted().is_empty() {
            self.counts.committed = self.settled_inputs;
        }
    }

    /// Ends the task. The first failure is reported; those that follow are caused by it.
    pub(super) fn fail(&mut self, error: TaskError) {
        self.failure.get_or_insert(error);
    }
}
