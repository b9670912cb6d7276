//! One life of a task: the real stages, driven step by step, with the poll loop's rules in short.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
};

use tidegate_abi::{
    host::{Batch, NewRecord},
    raw::{SinkObject, TransformObject},
};

use super::{Kind, Model, PARTITIONS, Step, plugins, settings::settings};
use crate::{
    kafka::consumer::{LookUp, Positions, StartAt, TopicPartition},
    pipeline::{
        assignment::Assignment,
        call_board::Place,
        channels::{Inbox, SetBack, States},
        clock::CallClock,
        deliver::{Deliver, OpenSink, Owned},
        error::Stage,
        rejections::Rejections,
        stop::StopSignal,
        work::{Stages, Work},
    },
    plugins::{SinkInstance, TransformInstance},
};

/// A task that runs.
pub(super) struct Life<'m> {
    model: &'m mut Model,
    inbox: Receiver<Inbox>,
    stages: Stages,
    sink: OpenSink<'m>,
    assignment: Assignment,
    generation: u64,
    /// Next offset to read of each assigned partition.
    next: HashMap<i32, i64>,
    held: BTreeSet<i32>,
    open: Batch,
    transformed: VecDeque<Batch>,
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

impl<'m> Life<'m> {
    /// Starts a task that has every partition, runs `body` with it, and crashes it.
    pub(super) fn run(model: &mut Model, body: impl FnOnce(&mut Life<'_>)) {
        let settings = Arc::new(settings(model.apart));
        let (poll, inbox) = mpsc::channel();
        let (stop, rejections) =
            (Arc::<StopSignal>::default(), Arc::new(Rejections::new(Arc::clone(&settings), None)));
        let work = Work {
            settings: Arc::clone(&settings),
            rejections: Arc::clone(&rejections),
            inputs: mpsc::channel().1,
            sink: mpsc::channel().0,
            sink_free: mpsc::channel().1,
            poll: poll.clone(),
            clock: Arc::new(CallClock::new(Place::of_work(0))),
            stop: Arc::clone(&stop),
        };
        let role = Deliver {
            settings,
            rejections,
            inputs: mpsc::channel().1,
            free: mpsc::channel().0,
            poll,
            look_up: LookUp::closed(),
            clock: Arc::new(CallClock::new(Place::of_sink(0))),
            stop,
        };
        let transform = TransformInstance::of(TransformObject::new(plugins::Transform));
        let sink = SinkInstance::of(SinkObject::new(plugins::Sink(Arc::clone(&model.ledger))));
        let stage = Stage::Sink("model".to_owned());
        let mut life = Life {
            inbox,
            stages: Stages::of(&work, transform),
            sink: OpenSink { role: &role, sink, stage, owned: HashMap::new(), stores_offsets: false },
            assignment: Assignment::default(),
            generation: 0,
            next: HashMap::new(),
            held: BTreeSet::new(),
            open: Batch::new(),
            transformed: VecDeque::new(),
            model,
        };
        (0..PARTITIONS).for_each(|partition| life.assign(partition));
        body(&mut life);
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Read(partition, count) => self.read(partition, count),
            Step::Transform => self.transform(),
            Step::Write => self.write(),
            Step::Hear(count) => self.hear(count),
            Step::Commit(accepted) => self.commit(accepted),
            Step::Revoke(partition, late) => self.revoke(partition, late),
            Step::Assign(partition) => self.assign(partition),
            // Only a sink that takes partitions apart comes back from a write that goes on failing.
            Step::Trouble(partition, true) if self.model.apart && self.next.len() > 1 => {
                self.model.ledger().trouble.insert(partition);
            }
            Step::Trouble(partition, _) => {
                self.model.ledger().trouble.remove(&partition);
            }
            Step::ReadAgain(partition) => self.read_again(partition),
            Step::LoseAnswer => self.model.ledger().lose_answer = true,
            Step::Crash => {}
        }
        self.model.check();
    }

    fn read(&mut self, partition: i32, count: usize) {
        let Some(slot) = self.assignment.slot("t", partition) else { return };
        for _ in 0..count {
            let Some(next) = self.next.get_mut(&partition) else { return };
            let Some(kind) = self.model.logs[partition as usize].get(*next as usize) else { return };
            let value = [kind.byte()];
            let record = NewRecord { offset: *next, timestamp_ms: None, key: None, value: Some(&value) };
            let index = self.open.slot(&slot.topic, partition, slot.generation);
            self.open.push(index, record, std::iter::empty());
            *next += 1;
        }
    }

    fn transform(&mut self) {
        if self.open.input_count() == 0 {
            return;
        }
        let mut batch = std::mem::take(&mut self.open);
        for input in 0..batch.input_count() as u32 {
            let original = batch.original(input).expect("it was read");
            if Kind::of(original.value) == Kind::Filtered {
                self.model.handled.insert((original.partition, original.offset));
            }
        }
        let unsettled = self.stages.process(&mut batch).expect("refused records are dropped");
        self.stages.rejections().settle(&batch, &unsettled).expect("there are no letters");
        self.note_refused(&batch);
        self.transformed.push_back(batch);
    }

    fn write(&mut self) {
        let Some(batch) = self.transformed.pop_front() else { return };
        if self.sink.owned.values().map(HashMap::len).sum::<usize>() < 2 {
            // In place it would be tried again for ever.
            self.model.ledger().trouble.clear();
        }
        let batch = self.sink.deliver(batch).expect("nothing that the task fails for");
        self.note_refused(&batch);
    }

    fn note_refused(&mut self, batch: &Batch) {
        for rejected in batch.rejected() {
            let original = batch.original(rejected.input).expect("it was read");
            self.model.handled.insert((original.partition, original.offset));
        }
    }

    fn hear(&mut self, count: usize) {
        for message in self.inbox.try_iter().take(count).collect::<Vec<_>>() {
            match message {
                Inbox::Settled(settled) => self.assignment.settle(&settled.positions),
                Inbox::SetBack(SetBack { partition, generation, .. }) => {
                    if self.assignment.takes(&partition.topic, partition.partition, generation) {
                        self.drop_unread(partition.partition);
                        self.held.insert(partition.partition);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn drop_unread(&mut self, partition: i32) {
        self.assignment.leave(&[at(partition)]);
        let assignment = &self.assignment;
        self.open.retain_partitions(|slot| assignment.takes(&slot.topic, slot.partition, slot.generation));
        if self.open.input_count() == 0 {
            self.open.reset(0);
        }
    }

    fn commit(&mut self, accepted: bool) {
        let positions: Positions =
            self.assignment.uncommitted().into_iter().map(|(at, commit)| (at, commit.offset)).collect();
        if !accepted {
            return;
        }
        for (at, offset) in &positions {
            self.model.committed[at.partition as usize] = *offset;
        }
        self.assignment.committed(&positions);
    }

    fn revoke(&mut self, partition: i32, late: bool) {
        if self.next.remove(&partition).is_none() {
            return;
        }
        self.drop_unread(partition);
        if !late {
            while !self.transformed.is_empty() {
                self.write();
            }
            self.hear(usize::MAX);
        }
        self.commit(true);
        self.held.remove(&partition);
        self.assignment.remove(&[at(partition)]);
        self.sink.owned.get_mut("t").and_then(|topic| topic.remove(&partition));
    }

    fn assign(&mut self, partition: i32) {
        if !self.next.contains_key(&partition) {
            let committed = self.model.committed[partition as usize];
            self.begin(partition, committed);
        }
    }

    fn read_again(&mut self, partition: i32) {
        if self.held.remove(&partition) {
            let settled = self.assignment.settled(&[at(partition)]).get(&at(partition)).copied();
            self.begin(partition, settled.unwrap_or(self.model.committed[partition as usize]));
        }
    }

    fn begin(&mut self, partition: i32, offset: i64) {
        self.generation += 1;
        let owned = Owned { generation: self.generation, epoch: 0, set_back: false };
        self.sink.owned.entry("t".to_owned()).or_default().insert(partition, owned);
        let start = (at(partition), StartAt::Offset(offset));
        self.assignment.add(self.generation, &[start], &States::new(), &HashMap::new());
        self.next.insert(partition, offset);
    }

    /// Reads, writes and commits all there is.
    pub(super) fn drain(&mut self) {
        for partition in 0..PARTITIONS {
            self.step(Step::Read(partition, usize::MAX));
        }
        for step in [Step::Transform, Step::Write, Step::Hear(usize::MAX), Step::Commit(true)] {
            self.step(step);
        }
    }
}
