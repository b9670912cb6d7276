//! A task of the model: the real flow and the real stages, driven step by step.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use tidegate_abi::raw::{SinkObject, TransformObject};

use super::{
    Step,
    consumer::Consumer,
    plugins,
    world::{Kind, PARTITIONS, World},
};
use crate::{
    config::FlushLimits,
    kafka::consumer::{
        CommitError, Commits, OffsetResolver, Positions, StartAt, StartOrigin, TopicPartition,
    },
    pipeline::{
        call_board::CallSlot,
        call_clock::CallClock,
        channels::{Claimed, PollMessage, PollSender, SinkInput, States, Worker, WorkerInput},
        error::Stage,
        flow::{Action, ConsumedRecord, Flow, KafkaEvent, WallClock},
        message::{Reopen, TaskCommand},
        reject::RejectionHandler,
        retry::Retrier,
        sink::{OpenSink, Owned, SinkMetrics, SinkWorker, Unflushed, written_log::WrittenLog},
        stop::StopSignal,
        test_settings::test_settings,
        traces::TaskTraces,
        transform::{Stages, TransformWorker},
    },
    plugins::{SinkInstance, TransformInstance},
};

/// More rounds than any task needs to handle all records.
const MOST_ROUNDS: usize = 2_000;

/// A few batches.
const FLUSH: FlushLimits = FlushLimits {
    max_records: 20,
    max_bytes: 1_000,
    max_wait: Duration::from_millis(600),
    memory: 20 * size_of::<[u64; 10]>(),
};

const NO_FAILURE: &str = "no error that fails the task";

/// A running task.
pub(super) struct Task<'w> {
    world: &'w mut World,
    now: Instant,
    flow: Flow,
    consumer: Consumer,
    stages: Stages,
    sink: OpenSink<'w>,
    inbox: Receiver<PollMessage>,
    to_inbox: PollSender,
    worker_inputs: VecDeque<WorkerInput>,
    sink_inputs: VecDeque<SinkInput>,
    /// The sink worker has finished its last batch.
    is_sink_ready: bool,
}

/// A record of the model's logs.
struct LogRecord {
    partition: i32,
    offset: i64,
    value: [u8; 1],
}

impl ConsumedRecord for LogRecord {
    fn topic(&self) -> &str {
        "t"
    }

    fn partition(&self) -> i32 {
        self.partition
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp_ms(&self) -> Option<i64> {
        None
    }

    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn value(&self) -> Option<&[u8]> {
        Some(&self.value)
    }

    fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::empty()
    }
}

impl Task<'_> {
    /// Starts a task, runs `body` with it, and kills it.
    pub(super) fn run(world: &mut World, body: impl FnOnce(&mut Task<'_>)) {
        let mut settings = test_settings(world.isolates_partitions);
        settings.plugins.flush = world.is_flushed.then_some(FLUSH);
        let settings = Arc::new(settings);
        let (messages, inbox) = mpsc::channel();
        let to_inbox = PollSender::new(messages, None);
        let stop = Arc::<StopSignal>::default();
        let rejections = Arc::new(RejectionHandler::new(Arc::clone(&settings), None));
        let transform = TransformWorker {
            settings: Arc::clone(&settings),
            rejections: Arc::clone(&rejections),
            inputs: mpsc::channel().1,
            sink: mpsc::channel().0,
            sink_ready: mpsc::channel().1,
            poll: to_inbox.clone(),
            retrier: Arc::new(Retrier::new(Worker::Transform, &settings, &stop, &to_inbox)),
            clock: Arc::new(CallClock::new(CallSlot::transform(0))),
            stop: Arc::clone(&stop),
            traces: Arc::new(TaskTraces::new(&settings)),
        };
        let worker = SinkWorker {
            settings: Arc::clone(&settings),
            rejections,
            inputs: mpsc::channel().1,
            ready: mpsc::channel().0,
            poll: to_inbox.clone(),
            offset_resolver: OffsetResolver::closed(),
            retrier: Retrier::new(Worker::Sink, &settings, &stop, &to_inbox),
            clock: Arc::new(CallClock::new(CallSlot::sink(0))),
            stop,
            traces: Arc::new(TaskTraces::new(&settings)),
        };
        let instance = TransformInstance::of(TransformObject::new(plugins::Transform));
        let sink = SinkInstance::of(SinkObject::new(plugins::Sink::new(&world.ledger, world.is_flushed)));
        let stage = Stage::Sink("test".to_owned());
        let mut task = Task {
            now: Instant::now(),
            flow: Flow::new(&settings, world.task_memory(), WallClock { at: Instant::now(), ms: 0 }),
            consumer: Consumer::default(),
            stages: Stages::of(&transform, instance),
            sink: OpenSink {
                worker: &worker,
                sink,
                stage,
                plugins: settings.plugins.clone(),
                owned: HashMap::new(),
                stores_offsets: false,
                unflushed: Unflushed::default(),
                metrics: SinkMetrics::new(&settings, "test"),
                written: WrittenLog::new(Duration::ZERO),
            },
            inbox,
            to_inbox,
            worker_inputs: VecDeque::new(),
            sink_inputs: VecDeque::new(),
            is_sink_ready: true,
            world,
        };
        for message in [PollMessage::SinkOpen, PollMessage::WorkerReady] {
            task.flow.on_message(message, task.now);
        }
        task.tick(0);
        (0..PARTITIONS).for_each(|partition| task.consumer.group_assigns(partition));
        body(&mut task);
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Tick { milliseconds } => self.tick(milliseconds),
            Step::Poll(partition, count) => self.poll(partition, count),
            Step::PollEvent => self.poll_event(),
            Step::Transform => self.transform(),
            Step::Sink => self.run_sink(),
            Step::Receive(count) => self.receive(count),
            Step::AnswerCommit { accepted } => self.answer_commit(accepted),
            Step::Assign(partition) => self.consumer.group_assigns(partition),
            Step::Revoke(partition) => self.consumer.group_revokes(partition),
            Step::LosePartitions => self.consumer.group_goes_on(),
            Step::OtherMember(partition, _) if self.consumer.owns(partition) => {}
            Step::OtherMember(partition, count) => self.world.handle_elsewhere(partition, count),
            Step::LosePosition(partition) => {
                if let Some(event) = self.consumer.lose_position(partition) {
                    self.on_event(event);
                }
            }
            Step::FailWrites(partition, fails) => self.fail_writes(partition, fails),
            Step::FailFlush => self.world.ledger().fail_flush = true,
            Step::LoseAnswer => self.world.ledger().lose_answer = true,
            Step::Pause(true) => self.command(TaskCommand::Pause),
            Step::Pause(false) => self.command(TaskCommand::Resume),
            Step::ReplaceSink => {
                // The model has one sink, which claims all partitions again.
                let plugins = Box::new(self.sink.plugins.clone());
                self.command(TaskCommand::Reopen(Reopen::Changed(plugins)));
            }
            Step::Crash => {}
        }
        self.world.check();
        assert!(self.flow.failure().is_none(), "{:?}", self.flow.failure());
    }

    fn command(&mut self, command: TaskCommand) {
        self.flow.on_message(PollMessage::Command(command), self.now);
        self.execute();
    }

    fn tick(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.flow.tick(self.now);
        self.execute();
    }

    fn poll(&mut self, partition: i32, count: usize) {
        for _ in 0..count {
            if !self.flow.may_read() || !self.consumer.returns_records_of(partition) {
                return;
            }
            let Some(position) = self.consumer.positions.get_mut(&partition) else { return };
            let log = &self.world.logs[partition as usize];
            let Some(kind) = log.get(*position as usize) else { return self.flow.on_queue_empty() };
            let record = LogRecord { partition, offset: *position, value: [kind.byte()] };
            *position += 1;
            self.flow.take(&record, || self.now);
        }
    }

    fn poll_event(&mut self) {
        if let Some(event) = self.consumer.events.pop_front() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: KafkaEvent) {
        self.flow.on_kafka(event, self.now);
        self.execute();
    }

    fn receive(&mut self, count: usize) {
        for message in self.inbox.try_iter().take(count).collect::<Vec<_>>() {
            self.flow.on_message(message, self.now);
            self.execute();
        }
    }

    fn execute(&mut self) {
        while let Some(action) = self.flow.next_action() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            // It is the only task of its connector.
            Action::ReportReady => self.flow.on_message(PollMessage::Command(TaskCommand::Join), self.now),
            Action::Join => self.consumer.is_member = true,
            Action::Assign(claimed) => self.assign(claimed),
            Action::Rewind(starts) => self.consumer.rewind(&starts),
            Action::PausePartition(partition) => self.consumer.pause_partition(&partition),
            Action::Pause => self.consumer.set_paused(true),
            Action::Resume => self.consumer.set_paused(false),
            Action::Commit(commits) => self.consumer.commits.push_back(commits),
            Action::CommitAndWait(commits) => self.commit(&commits),
            Action::Release => self.consumer.release(),
            Action::SendToWorker(input) => self.worker_inputs.push_back(input),
            Action::SendToSink(input) => self.sink_inputs.push_back(input),
            Action::StopStages(_) | Action::Measure(_) => {}
        }
    }

    fn assign(&mut self, claimed: Claimed) {
        if !self.consumer.assign(&claimed.starts) {
            return;
        }
        for (at, start) in &claimed.starts {
            let committed = self.world.committed[at.partition as usize];
            assert_eq!(*start, StartAt::Offset(committed), "{at} is read from an offset that is out of date");
        }
        self.flow.on_reading(claimed);
    }

    /// Commits the offsets that the group still accepts from this task.
    fn commit(&mut self, commits: &Commits) {
        let mut positions = Positions::new();
        for (at, commit) in
            commits.iter().filter(|(at, _)| self.consumer.positions.contains_key(&at.partition))
        {
            self.world.committed[at.partition as usize] = commit.offset;
            positions.insert(at.clone(), commit.offset);
        }
        self.flow.on_committed(&positions);
    }

    fn answer_commit(&mut self, accepted: bool) {
        let Some(commits) = self.consumer.commits.pop_front() else { return };
        if accepted {
            return self.commit(&commits);
        }
        self.on_event(KafkaEvent::CommitDone(Err(CommitError::Deadline)));
    }

    fn transform(&mut self) {
        if !self.is_sink_ready {
            return;
        }
        let mut batch = match self.worker_inputs.pop_front() {
            None => return,
            Some(WorkerInput::Reopen(reopen)) => {
                return self.sink_inputs.push_back(SinkInput::Reopen(reopen));
            }
            Some(WorkerInput::Batch(batch)) => batch,
        };
        for input in 0..batch.input_count() as u32 {
            let original = batch.original(input).expect("it was read");
            if Kind::of(original.value) == Kind::Filtered {
                self.world.handled.insert((original.partition, original.offset));
            }
        }
        let unhandled = self.stages.process(&mut batch, &mut None).expect("rejected records are dropped");
        self.stages.rejections().handle(&batch, &unhandled).expect("there is no dead-letter topic");
        self.note_rejected(&batch);
        self.is_sink_ready = false;
        self.sink_inputs.push_back(SinkInput::Batch(batch));
        self.send(PollMessage::WorkerReady);
    }

    fn run_sink(&mut self) {
        match self.sink_inputs.pop_front() {
            None => {}
            Some(SinkInput::Reopen(_)) => {
                self.sink.flush_before_reopen().expect(NO_FAILURE);
                self.sink.disown_all();
            }
            Some(SinkInput::Flush) => self.sink.flush().expect(NO_FAILURE),
            Some(SinkInput::Batch(batch)) => self.write(batch),
            Some(SinkInput::Claim { generation, partitions, mut committable, mut states }) => {
                self.sink.flush_before_claim(&partitions, &mut committable, &mut states).expect(NO_FAILURE);
                self.claim(generation, partitions, &committable, states);
            }
            Some(SinkInput::Release(partitions)) => self.sink.release(&partitions).expect(NO_FAILURE),
        }
        let rejected = std::mem::take(&mut self.world.ledger().rejected_by_flush);
        self.world.handled.extend(rejected);
    }

    fn write(&mut self, batch: tidegate_abi::host::Batch) {
        if self.sink.owned.values().map(HashMap::len).sum::<usize>() < 2 {
            // A sink with one partition retries in place, which would never end.
            self.world.ledger().failing.clear();
        }
        let batch = self.sink.deliver(batch).expect(NO_FAILURE);
        self.note_rejected(&batch);
        self.is_sink_ready = true;
        self.send(PollMessage::BatchDone(batch));
    }

    fn claim(
        &mut self,
        generation: u64,
        partitions: Vec<TopicPartition>,
        committable: &Positions,
        states: States,
    ) {
        let mut starts = Vec::new();
        for at in partitions {
            let owned = Owned { generation, epoch: 0, has_failed: false };
            self.sink.owned.entry("t".to_owned()).or_default().insert(at.partition, owned);
            let committed = self.world.committed[at.partition as usize];
            let start = committable.get(&at).copied().unwrap_or(committed);
            starts.push((at, StartAt::Offset(start)));
        }
        self.send(PollMessage::Claimed(Claimed {
            generation,
            origins: vec![StartOrigin::Committed; starts.len()],
            starts,
            states,
            ends: HashMap::new(),
            total: None,
            stores_offsets: false,
        }));
    }

    fn send(&self, message: PollMessage) {
        self.to_inbox.send(message).expect("the task owns the receiver");
    }

    fn note_rejected(&mut self, batch: &tidegate_abi::host::Batch) {
        for rejected in batch.rejected() {
            let original = batch.original(rejected.input).expect("it was read");
            self.world.handled.insert((original.partition, original.offset));
        }
    }

    fn fail_writes(&mut self, partition: i32, fails: bool) {
        // Other sinks retry in place, which would never end.
        let can_fail = fails && self.world.isolates_partitions;
        let mut ledger = self.world.ledger();
        if can_fail {
            ledger.failing.insert(partition);
        } else {
            ledger.failing.remove(&partition);
        }
    }

    /// Runs without faults until all records are read, written and committed.
    pub(super) fn drain(&mut self) {
        self.world.ledger().failing.clear();
        self.world.ledger().lose_answer = false;
        self.world.ledger().fail_flush = false;
        self.command(TaskCommand::Resume);
        for _ in 0..MOST_ROUNDS {
            if self.is_done() {
                return self.world.check();
            }
            for partition in 0..PARTITIONS {
                self.step(Step::Assign(partition));
                self.step(Step::PollEvent);
                self.step(Step::Poll(partition, 4));
            }
            let after = [Step::Tick { milliseconds: 300 }, Step::Transform, Step::Sink, Step::Receive(10)];
            after.into_iter().for_each(|step| self.step(step));
            self.step(Step::AnswerCommit { accepted: true });
        }
        panic!("the task is stuck: {:?} of {:?}", self.world.committed, self.world.logs);
    }

    fn is_done(&self) -> bool {
        let mut logs = (0..).zip(&self.world.logs);
        logs.all(|(partition, log)| {
            self.consumer.positions.contains_key(&partition)
                && self.world.committed[partition as usize] == log.len() as i64
        })
    }
}
